"""The Noise levels page: a picture's own level, the certificate, and what others would give.

Shape suffixes: C channels, H height, W width, L noise levels.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
import torch
from torch import Tensor, nn

from rsviz.certification import certify, every_level
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.settings import fill
from rsviz.core.spec import Bound, RunSpec
from rsviz.data import datasets, shapes
from rsviz.data.images import image_id
from rsviz.evaluation import stored_votes
from rsviz.figures import levels
from rsviz.methods.base import Range
from rsviz.methods.multiscale import Options
from rsviz.methods.noise_levels import classifier_at
from rsviz.methods.registry import METHODS
from rsviz.smoothing.voters import vote
from rsviz.ui.common import address, charts, method_controls, picture_picker, sessions, state
from rsviz.ui.common.address import Between
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.pictures import Source
from rsviz.ui.common.run_controls import (
    OFFERED,
    carried,
    link_to_card,
    pick_rest,
    pick_votes,
)
from rsviz.ui.common.sessions import READ_SECONDS
from rsviz.ui.levels.readings import CASCADE

N = 1000
DEFAULT = "shapes/test/60"  # in the shipped logs; too faint for much noise, so that levels differ
THRESHOLDS = Range(0.5, 0.95, 0.05)
PRESETS = {  # of Shapes' test images, in the shipped logs
    "Bold": "shapes/test/10",
    "Faint": DEFAULT,
    "Choosing loses": "shapes/test/730",
}
KNOBS = ("size", "contrast", "texture", "clutter")
GLANCE = 100  # noisy copies that show a level before anything is certified


@dataclass(frozen=True, eq=False)
class Picked:
    """The picture the networks see, its name in a run, its true label, and its knobs if drawn.

    ``source`` is where it comes from, None if drawn here.
    """

    x_CHW: Tensor
    name: str
    label: int | None
    flags: tuple[str, ...] = ()
    number: int | None = None
    knobs: shapes.Knobs | None = None
    source: Source | None = None


def adopt_address() -> None:
    """Let the address set the controls, by the names that Certify gives them too."""
    methods = {
        c.name: method
        for dataset in ("shapes", "cifar10")
        for method, c in every_level.selectors(dataset).items()
    }
    adopted = address.adopt(
        {
            "drawn": (False, True),
            "number": Between(0, 1999),
            "selector": tuple(name for name, m in METHODS.items() if m.levels),
            **method_controls.takes(m for m in METHODS.values() if m.levels),
            **{_threshold_key(s): Between(THRESHOLDS.low, THRESHOLDS.high) for s in (0.5, 1.0)},
            "knob": KNOBS,
            **{name: OFFERED[name] for name in ("n0", "n", "seed")},
        },
        asides={"checkpoint": (*methods, *carried())},
    )
    if (name := adopted.get("checkpoint")) in methods:
        st.session_state["selector"] = st.query_params["selector"] = methods[name]
    if "image" in st.query_params and state.ENTERED.get():
        st.session_state["image"] = st.query_params["image"]


def pick_picture(size: int = 32) -> tuple[Picked, str]:
    """Show the ways to a picture, one drawn to measure among them; return it and its data set."""
    if st.toggle("Draw a shape and turn its knobs", key="drawn", bind="query-params"):
        number = int(st.number_input("Which shape", 0, 1999, 3, key="number", bind="query-params"))
        drawn = shapes.draw(shapes.SEEDS["test"], number).knobs
        with st.container(border=True):
            values = {
                knob: st.slider(
                    knob,
                    *(0.0, 1.0, round(getattr(drawn, knob), 2), 0.05),
                    key=f"{knob}-{number}",
                    bind="query-params",
                )
                for knob in KNOBS
            }
        knobs = shapes.Knobs(**values)
        drawing = shapes.draw(shapes.SEEDS["test"], number, knobs)
        x_CHW = datasets.from_pixels(drawing.x_HWC)
        return Picked(x_CHW, "", drawing.label, number=number, knobs=knobs), "shapes"
    source = picture_picker.pick(DEFAULT)
    picture = picture_picker.cut(source, size)
    picked = Picked(picture.x_CHW, picture.name, source.label, picture.flags, source=source)
    return picked, source.dataset


def ask_label(picked: Picked, classes: Sequence[str]) -> Picked:
    """Ask which class a visitor's own picture shows; show pictures to try beside any other."""
    if picked.source is None or picked.source.dataset:
        show_presets()
        return picked
    source = picture_picker.ask_label(picked.source, classes)
    return replace(picked, source=source, label=source.label)


def choosers(dataset: str) -> dict[str, Checkpoint]:
    """Return the checkpoint of each chooser for a data set (any, for a file), by method."""
    found: dict[str, Checkpoint] = {}
    for name in (dataset,) if dataset else ("cifar10", "shapes"):
        if not found:
            found = every_level.selectors(name)
    if not found:
        raise UserError(
            "There is no network here that chooses noise levels for this picture; 'python -m rsviz "
            "recipes run --only shapes-dual' makes one."
        )
    return found


def pick_chooser(found: Mapping[str, Checkpoint]) -> str:
    """Show who chooses levels, and return the one to look at closely."""
    if st.session_state.get("selector") not in found:
        st.session_state["selector"] = CASCADE if CASCADE in found else next(iter(found))
    method = st.selectbox(
        "Who chooses the level",
        list(found),
        format_func=lambda name: METHODS[name].label,
        key="selector",
        bind="query-params",
        help="The one whose votes and certificate are shown; the others stand beside it.",
    )
    method = method or next(iter(found))
    link_to_card(found[method])
    return method


def pick_run() -> tuple[dict[str, Any], str]:
    """Show votes, seed and device, and return them."""
    with st.expander("Votes, seed, device", icon=":material/tune:"):
        n = pick_votes(N, label="Votes, n, of each stage")
        rest, device = pick_rest()
    return {"n": n, **rest, "bound": Bound.SPLIT}, device


def pick_knobs(found: Mapping[str, Checkpoint]) -> dict[str, tuple[tuple[str, Any], ...]]:
    """Show every chooser's knobs, folded; return the settings of each, the card's included.

    Choosers with the same options share their knobs, which begin as the last one's card says.
    """
    by_options: dict[type, list[str]] = {}
    for method in found:
        options = METHODS[method].options
        assert options is not None  # it has levels to choose among
        by_options.setdefault(options, []).append(method)
    settings = {}
    for methods in by_options.values():
        with st.expander(f"Knobs of {' and '.join(METHODS[m].label for m in methods)}"):
            first = method_controls.at_first(*(found[m] for m in methods))
            values = method_controls.pick_values(METHODS[methods[0]], first)
            if METHODS[methods[0]].options is Options:
                values["thresholds"] = _pick_thresholds(fill(Options, first.items()))
        for method in methods:
            given = dict(found[method].card.run) | values
            settings[method] = tuple(sorted(given.items()))
    return settings


def _threshold_key(level: float) -> str:
    return f"tau_{level:g}"


def _pick_thresholds(how: Options) -> str:
    """Show a threshold for each level but that of the least noise, which is always 1/2."""
    chosen = [
        st.slider(
            f"Threshold at level {level:g}",
            THRESHOLDS.low,
            THRESHOLDS.high,
            min(max(tau, THRESHOLDS.low), THRESHOLDS.high),
            THRESHOLDS.step,
            key=_threshold_key(level),
            bind="query-params",
            help="The share of votes that a class must exceed for this level to settle the "
            "picture. Turned for one picture it only shows what would be: for a certificate it is "
            "fixed beforehand, for all.",
        )
        for level, tau in zip(how.s_L[:-1], how.tau_L[:-1], strict=True)
    ]
    return ",".join(f"{tau:g}" for tau in (0.5, *chosen[::-1]))


def specs_of(
    found: Mapping[str, Checkpoint],
    settings: Mapping[str, tuple[tuple[str, Any], ...]],
    picked: Picked,
    run: Mapping[str, Any],
) -> dict[str, RunSpec]:
    """Return the run of each chooser; every level gets its votes, so that knobs can read again."""
    every = {m: (("ask", "every"),) for m in found if hasattr(METHODS[m].options, "ask")}
    return {
        method: certify.make_spec(
            checkpoint,
            picked.x_CHW,
            image=picked.name,
            flags=picked.flags,
            settings=tuple(sorted((*settings[method], *every.get(method, ())))),
            **run,
        )
        for method, checkpoint in found.items()
    }


@st.cache_data(max_entries=256, show_spinner=False)
def _glance(
    key: tuple[Any, ...], _picked: Picked, _nets: Mapping[str, nn.Module], _spec: RunSpec
) -> tuple[float, float]:
    return every_level.level_at_a_glance(_nets, _spec, _picked.x_CHW, GLANCE)


def glance(picked: Picked, nets: Mapping[str, nn.Module], spec: RunSpec) -> tuple[float, float]:
    """Return the level that a few copies choose and the mean one, once for each picture."""
    key = (image_id(picked.x_CHW), spec.method, spec.checkpoint_sha256, spec.settings, spec.seed)
    return _glance(key, picked, nets, spec)


def show_presets() -> None:
    """Show pictures to start from: a bold and a faint one, and one where choosing loses."""
    st.caption("Try one:", width="content")
    for title, image in PRESETS.items():
        st.button(title, key=f"preset-{image}", on_click=_set_preset, args=(image,))


def _set_preset(image: str) -> None:
    st.session_state.update(drawn=False, source="gallery", image=image)


@st.cache_resource(max_entries=64, show_spinner=False)
def _copies(
    key: tuple[str, str, float], _x_CHW: Tensor, _nets: Mapping[str, nn.Module], copies: int
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    noise_NCHW = torch.randn((copies, *_x_CHW.shape), generator=generator)
    noisy_NCHW = _x_CHW + key[2] * noise_NCHW
    with torch.inference_mode():
        return noisy_NCHW, vote(classifier_at(_nets, key[2])(noisy_NCHW)).cpu()


def copies_at(
    picked: Picked, checkpoint: Checkpoint, level: float, copies: int
) -> tuple[Tensor, Tensor]:
    """Return noisy copies (N, C, H, W) at one level, and the class each gets, class_N.

    They show what a vote is; the votes of a run are others.
    """
    key = (image_id(picked.x_CHW), checkpoint.sha256, level)
    return _copies(key, picked.x_CHW, sessions.networks(checkpoint, "cpu"), copies)


def show_follow(picked: Picked, nets: Mapping[str, nn.Module], spec: RunSpec) -> None:
    """Show how the level follows one knob of a drawn picture, the others held."""
    if picked.knobs is None or picked.number is None:
        return
    st.markdown(
        f"**Turn one knob, all else held: the level follows** (by {GLANCE} copies each; nothing is "
        "certified)"
    )
    knob = st.segmented_control(
        "Knob", KNOBS, default="contrast", required=True, key="knob", bind="query-params"
    )
    at_P = [i / 6 for i in range(7)]
    level_P = []
    for at in at_P:
        knobs = replace(picked.knobs, **{knob: at})
        x_HWC = shapes.draw(shapes.SEEDS["test"], picked.number, knobs).x_HWC
        turned = Picked(datasets.from_pixels(x_HWC), "", picked.label)
        level_P.append(glance(turned, nets, spec)[1])
    choice = METHODS[spec.method].levels
    assert choice is not None
    charts.show_figure(
        levels.follow(at_P, level_P, getattr(picked.knobs, knob), knob, choice.levels(spec)),
        "follow",
        f"Mean level voted for as {knob} goes from 0 to 1: "
        + ", ".join(f"{s:.2f}" for s in level_P),
    )


def key_of(picked: Picked, specs: Mapping[str, RunSpec], device: str) -> Hashable:
    """Return what decides the votes of a run of every chooser; what reads them is left out."""
    run = next(iter(specs.values()))
    votes = tuple(stored_votes.votes_key(spec) for spec in specs.values())
    return image_id(picked.x_CHW), run.n, run.seed, votes, device


def start(
    key: Hashable,
    picked: Picked,
    found: Mapping[str, Checkpoint],
    specs: Mapping[str, RunSpec],
    device: str,
    first: str,
) -> None:
    """Start the run of this picture by every chooser, the one looked at first."""
    order = sorted(specs, key=lambda method: method != first)
    runs = {m: (sessions.networks(found[m], device), specs[m]) for m in order}
    sessions.desk("levels").start_once(
        Job(
            key,
            device,
            lambda cancel: every_level.watch_all(picked.x_CHW, runs, device, cancel, READ_SECONDS),
        )
    )
