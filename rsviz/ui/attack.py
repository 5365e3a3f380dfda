"""The parts of the Attack page: its settings, its job, and its stage.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go
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
from rsviz.figures import certificate, report
from rsviz.figures.attack import in_words, votes_by_length
from rsviz.figures.report import Part
from rsviz.methods.registry import METHODS
from rsviz.ui.certify import result
from rsviz.ui.common import (
    address,
    downloads,
    method_controls,
    picture_picker,
    sessions,
    stage,
    story,
    tried,
)
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.picture_strip import show_strip
from rsviz.ui.common.pictures import Picture
from rsviz.ui.common.sessions import Key

TARGETS: dict[Target, str] = {"classifier": "the class", "selector": "the noise level"}
PAGES = ("certify", "levels")  # that show the methods attacked here
INSIDE = 0.99
BUDGETS = (0.5, 0.99, 1.5, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True, eq=False)
class View:
    """What is attacked, by whom it is classified, and which of the attacks is looked at."""

    key: AttackRun
    picture: Picture
    nets: Mapping[str, nn.Module]
    classes: tuple[str, ...]
    budget: float


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


def pick_attack(alpha: float, seed: int, method: str) -> AttackSpec:
    """Show norm and target; return the attack, at every budget.

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
    return AttackSpec(
        BUDGETS, Norm(norm or "L2"), alpha=alpha, seed=seed, target=target or "classifier"
    )


def pick_budget() -> float:
    """Ask which of the attacks is looked at, in a line above the stage."""
    st.caption("Length of the change, in certified radii:", width="content")
    budget = st.select_slider(
        "Budget, in certified radii",
        BUDGETS,
        3.0,
        key="budget",
        bind="query-params",
        label_visibility="collapsed",
        width=360,
        help="How far the attacker may move the picture. Below 1 it is inside the certified ball.",
    )
    return float(budget)


def first_look(key: AttackRun, budget: float) -> AttackRun:
    """Return the attack that starts unasked: few votes, one length inside, the one looked at."""
    how = replace(key.how, budgets=tuple(sorted({INSIDE, budget})))
    return replace(key, spec=stage.first_look(key.spec), how=how)


def start(key: AttackRun, x_CHW: Tensor, nets: Mapping[str, nn.Module]) -> Job:
    """Start an attack for this session; it replaces what the session runs now."""
    return sessions.desk(sessions.IMAGE).start_once(
        Job(key, key.device, lambda cancel: watch_attack(key, x_CHW, nets, cancel))
    )


def latest(job: Job) -> AttackProgress | None:
    """Return what an attack has found so far."""
    return job.latest if isinstance(job.latest, AttackProgress) else None


def show(job: Job | None, view: View) -> None:
    """Show an attack before, while and after it runs, and the button that starts the whole one."""
    reading = None if job is None else latest(job)
    whole = job is not None and job.key == view.key and job.state == "done"
    share, told = 0.0, f"The attack will run on {view.key.device}"
    if reading is not None:
        share = reading.done / reading.planned
        told = f"{reading.done} attacks on the certificate of {_votes(reading):,} votes"
        if not whole:
            told += f"; the button takes {view.key.spec.n:,}"
    label = "Again" if whole else "Attack"
    stage.show(
        job, lambda: _show(view, None if job is None else latest(job)), share, told, label, whole
    )
    if job is not None and not job.active and reading is not None:
        _show_rest(view, reading)
        _tell(view, reading)


def _tell(view: View, reading: AttackProgress) -> None:
    """Add an attack that ended to the story of its picture."""
    c, how = reading.certificate, view.key.how
    inside = [a for a in reading.attempts if a.budget < 1]
    broken = [a.budget for a in reading.attempts if a.verdict == "broken"]
    beyond = f"It changed at {min(broken):g} times the radius." if broken else "None changed it."
    kept = sum(a.verdict != "broken" for a in inside)
    words = f"Inside the radius {kept} of {len(inside)} attacks left the answer. {beyond}"
    part = Part(
        f"{report.verdict(c, view.classes)}; attacked in {how.norm}",
        view.picture.x_CHW,
        view.classes,
        c,
        (("How the votes give way to attacks", lambda: _curve(reading)[0]),),
        words if reading.attempts else "Nothing is certified, so nothing was attacked.",
    )
    story.tell("attack", (c.checkpoint, c.sigma, c.seed, how.norm, how.target), part)


def _votes(reading: AttackProgress) -> int:
    return sum(reading.certificate.counts)


def _show(view: View, reading: AttackProgress | None) -> None:
    """Show the picture attacked and its copies, the verdict with the votes, the attacks so far."""
    pictures, votes, distance = stage.columns()
    attempt = None if reading is None else _nearest(reading, view.budget)
    with pictures:
        _pictures(view, attempt, reading)
    if reading is None:
        with votes:
            stage.show_awaited(view.classes)
        return
    c = reading.certificate
    with votes:
        with stage.verdict():
            _verdict(attempt, c, view.classes)
            if c.predicted is not None:
                stage.say_unknown(view.picture.source, view.classes)
        counts_K = c.counts if attempt is None else attempt.counts_K
        bars = certificate.plain_bars(counts_K, view.classes, c.predicted)
        told = certificate.votes_in_words(counts_K, view.classes)
        stage.show_figure(bars, "votes", told, _live(reading))
    with distance:
        _numbers(reading, attempt)
        figure, told = _curve(reading)
        stage.show_figure(figure, "attack_curve", told, _live(reading))


def _nearest(reading: AttackProgress, budget: float) -> Attempt | None:
    return min(reading.attempts, key=lambda a: abs(a.budget - budget), default=None)


def _live(reading: AttackProgress) -> bool:
    return reading.certificate.ended != "stopped" and reading.done < reading.planned


def _pictures(view: View, a: Attempt | None, reading: AttackProgress | None) -> None:
    """Show clean, attacked and the magnified difference, then noisy copies of what is attacked."""
    x_CHW = view.picture.x_CHW
    moved_CHW = x_CHW if a is None else a.x_CHW
    delta_CHW = moved_CHW - x_CHW
    gain = 0.5 / max(float(delta_CHW.abs().max()), 1e-9)
    times = "" if a is None else f" x {round(gain, 1) if gain < 10 else round(gain):g}"
    show_strip(
        [
            (images.to_pil(x_CHW), "As it is"),
            (images.to_pil(moved_CHW), "Attacked"),
            (images.to_pil(0.5 + gain * delta_CHW), f"Difference{times}"),
        ]
    )
    picture_picker.show_label(view.picture.source, view.classes)
    if METHODS[view.key.spec.method].chooses_sigma:  # its first votes are for the level
        return
    spec = view.key.spec
    key = Key(images.image_id(moved_CHW), spec, view.key.device)
    noisy_NCHW, class_N = sessions.noisy(key, moved_CHW, view.nets, stage.COPIES)
    top = None if reading is None else reading.certificate.predicted
    stage.show_copies(noisy_NCHW, stage.votes_of(class_N, view.classes, top))
    st.caption("Noisy copies of the attacked picture, and the vote of each.")


def _numbers(reading: AttackProgress, a: Attempt | None) -> None:
    """Show the certified radius in the norm of the attack, and how far this one went."""
    digits = certificate.DIGITS[reading.norm]
    with st.container(horizontal=True, gap="small"):
        st.metric(
            f"Radius ({reading.norm})",
            down(reading.radius, digits) if reading.radius else "–",
            width=130,
            help="No change of the picture shorter than this alters the answer.",
        )
        st.metric(
            "Length of attack",
            "–" if a is None else down(a.length, digits),
            width=150,
            help="Of the change that the attacker found, between black and white.",
        )


def _curve(reading: AttackProgress) -> tuple[go.Figure, str]:
    """Draw what each attack left of the votes, and say it in words."""
    c = reading.certificate
    attempts = reading.attempts if c.predicted is not None else ()
    clean = _share(reading.clean_K, c.predicted or 0)
    first = ["holds" if reading.clean == c.predicted else "undecided"] if reading.clean_K else []
    lengths, verdicts = [a.length for a in attempts], [a.verdict for a in attempts]
    figure = votes_by_length(
        [0.0] * len(first) + lengths,
        [clean] * len(first) + [_share(a.counts_K, c.predicted or 0) for a in attempts],
        [*first, *verdicts],
        reading.radius,
        reading.norm,
    )
    return figure, in_words(lengths, verdicts, reading.radius)


def _show_rest(view: View, reading: AttackProgress) -> None:
    """Show below the stage what the verdict rests on, and what can be taken away."""
    (c,) = tried.told(view.picture.source, reading.certificate)
    attempt = _nearest(reading, view.budget)
    if attempt is None:
        return
    with st.expander("How sure is this?", icon=":material/rule:"):
        _counts(attempt, reading, view.classes)
        _show_paper_style(reading, replace(view.key.spec, n=c.n), view.picture.x_CHW)
    if reading.done == reading.planned:
        titled = (("How the votes give way to attacks", lambda: _curve(reading)[0]),)
        downloads.offer_certificate(c, view.picture.x_CHW, view.classes, (c,), titled)
        result.show_flags(c)


def _show_paper_style(reading: AttackProgress, spec: RunSpec, x_CHW: Tensor) -> None:
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


def _verdict(a: Attempt | None, c: Certificate, classes: tuple[str, ...]) -> None:
    """Say in a line what the attack came to, and what that shows."""
    name = "" if c.predicted is None else classes[c.predicted].capitalize()
    if a is None:
        if c.predicted is None:
            st.subheader("Choosing the class")
        elif c.abstained and c.ended != "running":
            st.subheader("Abstains: nothing to attack")
            st.markdown(
                "Nothing is certified for this picture, so there is no radius to attack at. "
                "Choose a clearer picture, less noise, or more votes."
            )
        else:
            st.subheader(f"{name}, certified within {down(c.radius, 3)}")
            st.caption(
                "The picture is certified first, then attacked, at one length after another."
            )
        return
    inside = a.budget < 1
    if a.verdict == "broken" and a.predicted is not None:
        st.subheader(f"{name} became {classes[a.predicted]}")
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
    st.subheader(f"{name} {said}")
    st.markdown(
        f"At **{a.budget:g} times** the certified radius the attack failed. "
        + (
            "It had to: the radius is proved against every change, not only this attack's."
            if inside
            else "**That proves nothing**: this attack did not find a way; a better one may."
        )
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
    with st.expander("Why must it fail inside, and prove nothing outside?"):
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
