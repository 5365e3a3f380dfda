"""The parts of the Attack page: its settings, its job, and its result.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Mapping, Sequence

import streamlit as st
from torch import Tensor, nn

from rsviz.certification import attack, every_level
from rsviz.certification.attack import (
    AttackProgress,
    AttackRun,
    AttackSpec,
    Attempt,
    Target,
    watch_attack,
)
from rsviz.core.radius import down
from rsviz.core.spec import Certificate, Norm, RunSpec
from rsviz.data import images
from rsviz.figures.attack import in_words, votes_by_length
from rsviz.methods.registry import METHODS
from rsviz.ui.certify import result
from rsviz.ui.common import address, charts, downloads, job_panel, method_controls, sessions
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.picture_strip import show_strip

TARGETS: dict[Target, str] = {"classifier": "the class", "selector": "the noise level"}
PAGES = ("certify", "levels")  # that show the methods attacked here
BUDGETS = (0.5, 0.99, 1.5, 2.0, 3.0, 4.0, 6.0)


def adopt_address() -> None:
    """Let the address set the attack and the method's own settings, or say why it cannot."""
    address.adopt(
        {
            "attack_norm": [str(n) for n in Norm],
            "budget": BUDGETS,
            "target": list(TARGETS),
            **method_controls.takes(m for m in METHODS.values() if m.page in PAGES),
        }
    )


def pick_attack(alpha: float, seed: int, method: str) -> tuple[AttackSpec, float]:
    """Show norm, budget and target; return the attack, at every budget, and the one shown.

    A method that chooses the noise can be attacked where it classifies or where it chooses.
    """
    target: Target | None = "classifier"
    levels = METHODS[method].levels
    if levels is not None and levels.aim is not None:
        target = st.segmented_control(
            "Attack on",
            list(TARGETS),
            default="classifier",
            format_func=TARGETS.__getitem__,
            key="target",
            bind="query-params",
            required=True,
            help="The network that names the class, at the level first chosen, or the one that "
            "chooses the level. The answer of the whole method is judged.",
        )
    norm = st.segmented_control(
        "Norm",
        [str(n) for n in Norm],
        default=str(Norm.L2),
        key="attack_norm",
        bind="query-params",
        required=True,
        help="How the length of a change is measured. L2: the Euclidean length over all pixels and "
        "colours. Linf: the largest change of any one value; every L2 radius R holds an Linf "
        "radius of R / sqrt(d).",
    )
    budget = st.select_slider(
        "Budget, in certified radii",
        BUDGETS,
        3.0,
        key="budget",
        bind="query-params",
        help="How far the attacker may move the picture. Below 1 it is inside the certified ball.",
    )
    how = AttackSpec(
        BUDGETS, Norm(norm or "L2"), alpha=alpha, seed=seed, target=target or "classifier"
    )
    return how, float(budget)


def start(key: AttackRun, x_CHW: Tensor, nets: Mapping[str, nn.Module]) -> Job:
    """Queue an attack for this session; it replaces what the session runs now."""
    return sessions.desk(sessions.IMAGE).start_once(
        Job(key, key.device, lambda cancel: watch_attack(key, x_CHW, nets, cancel))
    )


def latest(job: Job) -> AttackProgress | None:
    """Return what an attack has found so far."""
    return job.latest if isinstance(job.latest, AttackProgress) else None


def show_running(job: Job, budget: float, x_CHW: Tensor, classes: tuple[str, ...]) -> None:
    """Show an attack until it ends, with Stop."""

    def show_reading() -> None:
        reading = latest(job)
        if reading is not None and reading.attempts:
            show_result(reading, budget, x_CHW, classes)
        else:
            st.caption("The picture is certified first, then attacked.")

    job_panel.show_job(job, show_reading, "stop")


def show_result(
    reading: AttackProgress, budget: float, x_CHW: Tensor, classes: tuple[str, ...]
) -> None:
    """Show the attack at one budget, then all of them as a curve."""
    c = reading.certificate
    if c.abstained or c.predicted is None:
        st.info(
            "**Nothing is certified for this picture, so there is no radius to attack at.** "
            "Choose a clearer picture, less noise, or more votes.",
            icon=":material/do_not_disturb_on:",
        )
        return
    if not reading.attempts:
        st.caption("The attack was stopped before its first result.")
        return
    attempt = min(reading.attempts, key=lambda a: abs(a.budget - budget))
    _verdict(attempt, c, classes)
    _pictures(attempt, x_CHW, reading.norm)
    _counts(attempt, reading, classes)
    st.markdown("**How the votes give way**")
    shares = [_share(a.counts_K, c.predicted) for a in reading.attempts]
    lengths, verdicts = [a.length for a in reading.attempts], [a.verdict for a in reading.attempts]
    clean = _share(reading.clean_K, c.predicted)
    figure = votes_by_length(
        [0.0, *lengths],
        [clean, *shares],
        ["holds" if reading.clean == c.predicted else "undecided", *verdicts],
        reading.radius,
        reading.norm,
    )
    ended = reading.done == reading.planned
    told = in_words(lengths, verdicts, reading.radius)
    charts.show_figure(figure, "attack_curve", told, live=not ended)
    if ended:
        titled = (("How the votes give way to attacks", figure),)
        downloads.offer_certificate(c, x_CHW, classes, (c,), titled)
        result.show_flags(c)


def show_paper_style(reading: AttackProgress, spec: RunSpec, x_CHW: Tensor) -> None:
    """Say how the attacks fared inside the radius the paper would claim, if the method has one.

    That radius is in L2, whatever the norm of the attack.
    """
    c = reading.certificate
    paper = every_level.paper_style(c, spec)
    if paper is None or not reading.attempts or not paper.radius > c.radius:
        return
    inside = [
        a for a in reading.attempts if attack.length(a.x_CHW - x_CHW, Norm.L2) <= paper.radius
    ]
    broken = sum(a.verdict == "broken" for a in inside)
    st.caption(
        f"**Heuristic:** read as in the paper, as if the level never changed, the radius would be "
        f"{down(paper.radius, 3)} in L2, not {down(c.radius, 3)}. Of the {len(inside)} attacks "
        f"whose L2 length is no longer than that, {broken} changed the answer. Where none does, "
        "nothing is proved."
    )


def _share(counts_K: Sequence[int], predicted: int) -> float:
    """Return the share of votes for a class; not a number where no class was asked for."""
    return counts_K[predicted] / sum(counts_K) if counts_K else float("nan")


def _verdict(a: Attempt, c: Certificate, classes: tuple[str, ...]) -> None:
    assert c.predicted is not None
    name = classes[c.predicted]
    inside = a.budget < 1
    if a.verdict == "broken" and a.predicted is not None:
        st.subheader(f"{name.capitalize()} became {classes[a.predicted]}")
        if inside:
            st.error(
                "This contradicts the certificate. It may happen with probability at most alpha "
                "for the certificate and again for PREDICT; try another seed."
            )
        else:
            st.markdown(
                f"At **{a.budget:g} times** the certified radius the attack changed the answer. "
                "That is allowed: the certificate says nothing beyond its radius."
            )
        return
    said = "keeps its answer" if a.verdict == "holds" else "is undecided, but not another class"
    st.subheader(f"{name.capitalize()} {said}")
    st.markdown(
        f"At **{a.budget:g} times** the certified radius the attack failed. "
        + (
            "It had to: the radius is proved against every change, not only this attack's."
            if inside
            else "**That proves nothing**: this attack did not find a way; a better one may."
        )
    )


def _pictures(a: Attempt, x_CHW: Tensor, norm: Norm) -> None:
    """Show clean, attacked and the magnified difference, pixel by pixel, in one strip."""
    delta_CHW = a.x_CHW - x_CHW
    gain = 0.5 / max(float(delta_CHW.abs().max()), 1e-9)
    show_strip(
        [
            (images.to_pil(x_CHW), "As it is"),
            (images.to_pil(a.x_CHW), "Attacked"),
            (
                images.to_pil(0.5 + gain * delta_CHW),
                f"Difference x {round(gain, 1) if gain < 10 else round(gain):g}",
            ),
        ]
    )
    st.caption(
        f"The attack moved the picture by {down(a.length, 4)} in {norm}. Grey in the difference "
        f"means no change."
    )


def _counts(a: Attempt, reading: AttackProgress, classes: tuple[str, ...]) -> None:
    """Write PREDICT's verdict on both pictures, with the counts it rests on."""
    st.markdown(f"**PREDICT on both, {sum(a.counts_K):,} fresh votes each**")
    rows = []
    for what, counts_K, predicted in (
        ("as it is", reading.clean_K, reading.clean),
        ("attacked", a.counts_K, a.predicted),
    ):
        top = sorted(range(len(counts_K)), key=lambda i: -counts_K[i])[:2]
        first, second = (f"{classes[i]} {counts_K[i]:,}" for i in top) if top else ("no level", "")
        rows.append(
            {
                "picture": what,
                "PREDICT says": "abstains" if predicted is None else classes[predicted],
                "most votes": first,
                "next": second,
            }
        )
    st.dataframe(rows, hide_index=True)


def explain(alpha: float) -> None:
    """Say for a newcomer what an attack can and cannot show."""
    with st.expander("Why must it fail inside, and prove nothing outside?", expanded=True):
        st.markdown(
            "- **The attacker** follows the gradient of the network, averaged over noise, to a "
            "picture that loses as many votes as possible, and stays within its budget and "
            "between black "
            "and white.\n"
            "- **Inside the radius it must fail.** The certificate is a proof about *every* change "
            "shorter than the radius, and the attack is one of them. It rests on votes, so it may "
            f"be wrong with probability alpha = {alpha:g}; the judge, PREDICT, with as much "
            "again.\n"
            "- **Outside, a success shows where the answer ends**; a failure shows only that this "
            "attack found nothing. Trust grows from proofs, not from failed attacks. That is why "
            "the same attack should break the answer at three times the radius: one that never "
            "succeeds has tested nothing."
        )
