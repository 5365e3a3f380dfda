"""The Masks page: one vote step by step, and the masks of many votes.

Shape suffixes: N draws, C channels, H height, W width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image
from torch import Tensor, nn

from rsviz.certification import mask_effects
from rsviz.core.spec import RunSpec
from rsviz.data import images
from rsviz.data.canvases import SIZES
from rsviz.figures import masks
from rsviz.methods import adaptive
from rsviz.smoothing import queries
from rsviz.ui.common import charts, picture_picker, stage
from rsviz.ui.common.picture_strip import show_strip
from rsviz.ui.common.sentences import fragment
from rsviz.ui.common.sessions import Key
from rsviz.ui.masks.canvas_picker import Chosen

DRAWS = 48
ORDINALS = ("first", "second", "third", "fourth")
WIDTH = 152  # of one picture on the page; two fit beside each other on a phone


@dataclass(frozen=True, eq=False)
class Sight:
    """All that the sections show: the canvas, the run, and what its first votes saw."""

    chosen: Chosen
    key: Key
    seen: adaptive.Seen
    classes: tuple[str, ...]
    f: float

    @property
    def spec(self) -> RunSpec:
        """The run."""
        return self.key.spec

    @property
    def looks(self) -> int:
        """How many looks a vote takes."""
        return len(self.seen.answers)

    @property
    def last(self) -> str:
        """The ordinal of its last look."""
        return ORDINALS[self.looks - 1] if self.looks <= len(ORDINALS) else "last"

    @property
    def masks_N1HW(self) -> Tensor:
        """The masks of the draws, of their last look."""
        return self.seen.answers[-1].w_N1HW

    @property
    def levels_N(self) -> list[float]:
        """The last query's noise level of each draw."""
        return self.seen.answers[-1].s_N111.flatten().tolist()


@st.cache_resource(max_entries=32, show_spinner="Asking the first votes")
def first_votes(key: Key, _x_CHW: Tensor, _nets: Mapping[str, nn.Module]) -> adaptive.Seen:
    """Return what the first votes saw, on the CPU, once for each run."""
    seen = adaptive.first_votes(_x_CHW, _nets, key.spec, DRAWS, key.device)
    answers = tuple(
        queries.Answer(a.m_NCHW.cpu(), a.w_N1HW.cpu(), a.s_N111.cpu()) for a in seen.answers
    )
    return adaptive.Seen(
        answers, seen.estimate_NCHW.cpu(), seen.variance_N1HW.cpu(), seen.class_N.cpu()
    )


def show_pictures(pictures: Sequence[tuple[Image.Image, str, str]]) -> None:
    """Show pictures with captions in a row that wraps; a third word names the ends of its scale."""
    with st.container(horizontal=True, gap="small"):
        for picture, caption, scale in pictures:
            with st.container(width=WIDTH, gap="xxsmall"):
                st.image(picture, width=WIDTH, alt=caption)
                if scale:
                    st.image(masks.bar(WIDTH), width=WIDTH, alt=f"Colour scale: {scale}")
                    low, _, high = scale.partition(" to ")
                    with st.container(horizontal=True, horizontal_alignment="distribute"):
                        st.caption(low, width="content")
                        st.caption(high, width="content")
                st.caption(caption)


def show_small(sight: Sight, top: int | None) -> None:
    """Show the canvas, its mean mask, and what the classifier got of the first copies, each vote.

    Parameters
    ----------
    top : the class that leads, marked at its votes; None before there is one.
    """
    x_CHW, mean_HW = sight.chosen.x_CHW, mask_effects.spread(sight.masks_N1HW)[0].numpy()
    over = masks.overlay(x_CHW.numpy(), mean_HW, 0, 1, 0.6, 4)
    show_strip(
        [
            (images.to_pil(x_CHW, 4), "The canvas"),
            (masks.heat(mean_HW, 0, 1, 4), f"Mean of {DRAWS} masks"),
            (masks.outline(sight.chosen.object_HW.numpy(), over), "The mask over it"),
        ]
    )
    if sight.chosen.own is not None:
        picture_picker.show_label(sight.chosen.own, sight.classes)
    elif sight.chosen.label is not None:
        st.caption(f"True label: **{sight.classes[sight.chosen.label]}**")
    else:
        st.caption(
            f"The network knows only {', '.join(sight.classes)}; it calls any other picture one of "
            "these."
        )
    class_N = sight.seen.class_N[: stage.COPIES]
    stage.show_copies(
        sight.seen.estimate_NCHW[: stage.COPIES], stage.votes_of(class_N, sight.classes, top)
    )
    looks = "both" if sight.looks == 2 else "all"
    st.caption(f"What the classifier gets of {looks} looks, and its vote.")


@fragment
def show_one_vote(sight: Sight) -> None:
    """Show one vote step by step; the scrubber goes through the draws."""
    st.subheader("One vote, step by step")
    two = sight.looks == 2
    times, both = ("twice", "both") if two else (f"{sight.looks} times", "all")
    st.markdown(
        f"Every vote looks **{times}**. The first look is very noisy; from it a small network "
        "draws a mask. The second look keeps what the mask keeps, so it needs **less noise** for "
        "the same certificate. "
        + ("" if two else "Another network draws the next mask from all looks before it. ")
        + f"The classifier gets the best combination of {both} looks."
    )
    left, right = st.columns(2, gap="medium")
    draw = left.slider(f"Which vote, of the first {DRAWS}", 1, DRAWS, 1, key="draw")
    opacity = right.slider(
        "Opacity of the mask, laid over the canvas", 0.0, 1.0, 0.6, 0.1, key="opacity"
    )
    show_pictures(_steps(sight, draw - 1, opacity))
    vote = sight.classes[int(sight.seen.class_N[draw - 1])]
    level, first = sight.levels_N[draw - 1], sight.spec.noise / sight.f**0.5
    sd_HW = sight.seen.variance_N1HW[draw - 1, 0].sqrt()
    left_over = float(sd_HW[sight.chosen.object_HW].mean())
    st.markdown(
        f"This vote: **{vote}**. Noise of the first look {first:.2f}, of the {sight.last} "
        f"{level:.2f}. Of {both} combined, **{left_over:.2f}** is left on the object; plain "
        f"smoothing leaves {sight.spec.noise:.2f} everywhere. (The last two pictures look much "
        "alike.)"
    )


def _steps(sight: Sight, i: int, opacity: float) -> list[tuple[Image.Image, str, str]]:
    """Return the pictures of one vote in order, maps on a shared scale each."""
    x_CHW, seen = sight.chosen.x_CHW, sight.seen
    scale = max(1, 2 * WIDTH // x_CHW.shape[-1])
    sd_HW = seen.variance_N1HW[i, 0].sqrt().numpy()
    first = sight.spec.noise / sight.f**0.5
    plain_CHW = x_CHW + sight.f**0.5 * (seen.answers[0].m_NCHW[i] - x_CHW)  # the first noise
    pictures = [
        (images.to_pil(x_CHW, scale), "The canvas", ""),
        (images.to_pil(seen.answers[0].m_NCHW[i], scale), "First look, noisy", ""),
    ]
    for j, answer in enumerate(seen.answers[1:], 1):
        w_HW = answer.w_N1HW[i, 0].numpy()
        over = masks.outline(
            sight.chosen.canvas.object_HW, masks.overlay(x_CHW.numpy(), w_HW, 0, 1, opacity, scale)
        )
        look = ORDINALS[j] if j < len(ORDINALS) else f"{j + 1}th"
        pictures += [
            (masks.heat(w_HW, 0, 1, scale), "The mask it leads to", "0 hides to 1 keeps"),
            (over, "The mask, the object outlined", ""),
            (
                images.to_pil(answer.m_NCHW[i], scale),
                f"{look.capitalize()} look: masked, less noise",
                "",
            ),
        ]
    both = "both" if sight.looks == 2 else "all"
    return [
        *pictures,
        (masks.heat(sd_HW, 0, first, scale), "Noise left in each pixel", f"0 to {first:.2f}"),
        (
            images.to_pil(seen.estimate_NCHW[i], scale),
            f"What the classifier gets: {both} looks combined",
            "",
        ),
        (images.to_pil(plain_CHW, scale), "What it would get from plain smoothing", ""),
    ]


def show_many(sight: Sight, nets: Mapping[str, nn.Module], sizes: Sequence[int]) -> None:
    """Show the masks of many draws: mean, spread, the last noise level, and what is kept."""
    st.subheader("The mask is random: each vote has its own")
    left, right = st.columns([2, 3], gap="large")
    mean_HW, std_HW = mask_effects.spread(sight.masks_N1HW)
    scale = max(1, 2 * WIDTH // mean_HW.shape[-1])
    with left:
        show_pictures(
            [
                (
                    masks.heat(mean_HW.numpy(), 0, 1, scale),
                    f"Mean of {DRAWS} masks",
                    "0 to 1",
                ),
                (
                    masks.heat(std_HW.numpy(), 0, 0.5, scale),
                    "Their spread (standard deviation)",
                    "0 to 0.5",
                ),
            ]
        )
        st.caption(
            "The mean is shown to you only. A vote may use only its own earlier looks: a mask "
            "averaged over votes would know more of the image than the certificate allows."
        )
    with right:
        st.markdown(f"**Noise of the {sight.last} look**, vote by vote")
        first = sight.spec.noise / sight.f**0.5
        charts.show_figure(
            masks.noise_histogram(sight.levels_N, first, sight.spec.noise, sight.last),
            "levels",
            f"Histogram of {DRAWS} noise levels, on average {np.mean(sight.levels_N):.2f}.",
        )
    _show_kept(sight, nets, sizes)


def _show_kept(sight: Sight, nets: Mapping[str, nn.Module], sizes: Sequence[int]) -> None:
    """Say how well the masks find the object, here and on canvases of other sizes."""
    object_HW = sight.chosen.object_HW
    if bool(object_HW.all()):
        st.caption("The picture fills its canvas, so there is nothing beside it to mask.")
        return
    found = float(mask_effects.separation(sight.masks_N1HW, object_HW).mean())
    ratio = float(queries.kept(sight.masks_N1HW, object_HW).mean())
    what = "the object" if sight.chosen.exact else "the pasted picture (its object is not known)"
    st.markdown(
        f"**Does it find {what}?** A pixel of it has more weight than one beside it in "
        f"**{100 * found:.0f} %** of all pairs (a mask that does not look: 50 %), and on average "
        f"**{ratio:.2f} times** the weight."
    )
    kept = _kept_on(sight.key, tuple(sizes), sight.chosen, nets)
    charts.show_figure(
        masks.over_sizes(
            sizes,
            [ratio for ratio, _ in kept],
            sight.chosen.x_CHW.shape[-1],
            "weight on / beside it",
            1.0,
        ),
        "kept",
        "How much more weight the object has: "
        + ", ".join(f"k = {k}: {r:.2f}" for k, (r, _) in zip(sizes, kept, strict=True)),
    )
    st.caption(
        "The same picture on canvases of other sizes, seen by this same network, which was trained "
        "for one of them."
    )


@st.cache_resource(max_entries=32, show_spinner="Asking on canvases of other sizes")
def _kept_on(
    key: Key, sizes: tuple[int, ...], _chosen: Chosen, _nets: Mapping[str, nn.Module]
) -> list[tuple[float, float]]:
    canvases = [_chosen.at_size(k) for k in sizes]
    return mask_effects.kept_on(canvases, _nets, key.spec)


def sizes_for(chosen: Chosen) -> list[int]:
    """Return the canvas sizes that leave something beside the picture."""
    _, _, height, width = chosen.canvas.box
    own = chosen.canvas.x_CHW.shape[-1]
    room = [k for k in {*SIZES, own} if k > max(height, width) or not _fills(chosen, k)]
    return sorted(room)


def _fills(chosen: Chosen, size: int) -> bool:
    _, _, height, width = chosen.canvas.box
    return size < max(height, width) or bool(chosen.at_size(size).object_HW.all())
