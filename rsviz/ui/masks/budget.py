"""The Masks page: the budget both looks share, and where an attacker can still act."""

import math
from collections.abc import Mapping

import streamlit as st
import torch
from PIL import Image
from torch import Tensor, nn

from rsviz.certification import mask_effects
from rsviz.core.radius import down, radius_l2
from rsviz.core.spec import Certificate
from rsviz.figures import masks
from rsviz.smoothing import queries
from rsviz.ui.common import charts
from rsviz.ui.common.sessions import Key
from rsviz.ui.masks.votes import DRAWS, WIDTH, Sight, show_pictures


def show_budget(sight: Sight, radius: float) -> None:
    """Show what each query gives away, and that both together give away what plain RS does."""
    st.subheader("The budget: noise moves, what is given away does not")
    default = max(0.5, min(32.0, math.floor(2 * 255 * radius) / 2))
    levels = st.slider(
        "How large a change, in grey levels of 255",
        0.5,
        32.0,
        default,
        0.5,
        key=f"change {default:g}",  # a new certificate starts it anew
        help="The largest change of any single value of the canvas (Linf). The default is the "
        "certified one, rounded down to half a level, where there is a certificate.",
    )
    d = sight.chosen.x_CHW.numel()
    shifts = mask_effects.budget(levels / 255, sight.spec.noise, d, sight.f)
    left, right = st.columns([3, 2], gap="large")
    with left:
        charts.show_figure(
            masks.budget_curves(*shifts, sight.looks),
            "budget",
            "Trade-off curves: the looks shift by {:.2f} and {:.2f}, together by {:.2f}.".format(
                *shifts
            ),
        )
    with right:
        _explain_budget(sight, levels / 255, shifts)


def _explain_budget(sight: Sight, r: float, shifts: tuple[float, float, float]) -> None:
    """Say what the curves mean, and check the equality on the masks that were drawn."""
    st.markdown(
        "How well could anybody, from the answers alone, tell the canvas from one changed by this "
        "much? The lower a curve, the better. **All looks together reveal exactly as much as one "
        "look of plain smoothing**, so the certificate is the same."
    )
    mu_1, mu_2, mu = (f"{shift:.3f}" for shift in shifts)
    st.latex(
        r"\begin{aligned}\mu_1 &= \tfrac{r\sqrt d}{\sigma}\sqrt{f} = " + mu_1 + r" \\ "
        r"\mu_2 &= \tfrac{r\sqrt d}{\sigma}\sqrt{1-f} = " + mu_2 + r" \\ "
        r"\mu &= \sqrt{\mu_1^2+\mu_2^2} = " + mu + r"\end{aligned}"
    )
    if sight.looks > 2:
        st.markdown(
            rf"$\mu_2$ is of the {sight.looks - 1} later looks together, which share $1-f$ equally."
        )
    both_N = queries.compose(queries.shifts(r, sight.seen.answers))
    st.markdown(
        f"Measured on the {DRAWS} masks drawn: {sight.last} noise level "
        f"{min(sight.levels_N):.2f} to {max(sight.levels_N):.2f}, yet the shift of all "
        f"looks is **{both_N.min():.4f} to {both_N.max():.4f}**."
    )


def show_l2(sight: Sight, certificate: Certificate | None) -> None:
    """Say what the same votes prove in L2, which is little, and why not more."""
    _, H, W = sight.chosen.x_CHW.shape
    limit, drawn = queries.kappa_limit(H, W), float(queries.kappa(sight.masks_N1HW).max())
    with st.expander("And in L2?", icon=":material/straighten:"):
        st.markdown(
            "Little. A change of L2 length r may sit where the mask is largest, and the second "
            r"look then shows $\kappa$ times more of it than of one spread evenly, with $\kappa = "
            r"\lVert w\rVert_\infty \sqrt d/\lVert w\rVert_2$. What counts is not the masks drawn "
            f"(here at most {drawn:.2f}) but every mask the network could draw; all that is known "
            rf"of those is $\kappa \le \sqrt{{HW}} = {limit:g}$."
        )
        radius = r"R_2 = \frac{\sigma\,\Phi^{-1}(\underline{p_A})}{\sqrt{f + (1-f)\,\kappa^2}}"
        if certificate is None:
            st.latex(radius)
            return
        sigma, p = certificate.sigma or 0.0, certificate.p_a_lower
        proved = queries.radius_l2(sigma, p, sight.f, limit)
        st.latex(rf"{radius} = {down(proved, 4)}")
        st.markdown(
            f"Plain smoothing with the same p_A would have {down(radius_l2(sigma, p), 4)}; "
            "to claim that for masks would be wrong."
        )


def show_attacker(
    sight: Sight, nets: Mapping[str, nn.Module], label: int, radius: float, certified: bool
) -> None:
    """Show where a change of some size still shows after masking, and where the class listens."""
    st.subheader("Where can an attacker still act?")
    pull_HW = _pull(sight.key, label, sight.chosen.x_CHW, nets)
    show_pictures(_maps(sight, pull_HW, sight.classes[label], radius, certified))
    st.info(
        f"The change is {down(255 * radius, 1)} of 255 grey levels in every value. **These maps "
        f"guarantee nothing**: they show one attacker's view to first order. The certificate does "
        f"not use them: inside the certified distance no change anywhere alters the "
        "answer.",
        icon=":material/visibility:",
    )


def _maps(
    sight: Sight, pull_HW: Tensor, name: str, radius: float, certified: bool
) -> list[tuple[Image.Image, str, str]]:
    """Return the maps of an attacker's view, each with its caption and scale."""
    visible_HW = torch.stack(
        [mask_effects.visible(radius, v_1HW) for v_1HW in sight.seen.variance_N1HW]
    ).mean(0)
    scale = max(1, 2 * WIDTH // visible_HW.shape[-1])
    top, strongest = float(visible_HW.max()), max(float(pull_HW.max()), 1e-12)
    of = "the certified" if certified else "this"
    pull, x_CHW = pull_HW.numpy(), sight.chosen.x_CHW.numpy()
    return [
        (
            masks.heat(visible_HW.numpy(), 0, top, scale),
            f"How visible a change of {of} size is: in standard deviations of the noise",
            f"0 to {top:.3f}",
        ),
        (
            masks.heat(pull, 0, strongest, scale),
            f"Where the answer '{name}' listens: size of its gradient",
            "0 to strongest",
        ),
        (
            masks.overlay(x_CHW, pull, 0, strongest, 0.6, scale),
            "The same over the canvas",
            "",
        ),
    ]


@st.cache_resource(max_entries=32, show_spinner=False)
def _pull(key: Key, label: int, _x_CHW: Tensor, _nets: Mapping[str, nn.Module]) -> Tensor:
    return mask_effects.pull(_x_CHW, _nets, key.spec, label)
