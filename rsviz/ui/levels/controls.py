"""The Noise levels page: a picture's own level, the certificate, and what others would give.

Shape suffixes: C channels, H height, W width, L noise levels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
import torch
from torch import Tensor, nn

from rsviz.certification import every_level
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, RunSpec
from rsviz.data import datasets, images, shapes
from rsviz.data.images import image_id
from rsviz.figures import levels
from rsviz.methods.registry import METHODS
from rsviz.ui.common import address, charts, method_controls, picture_picker, sessions, state
from rsviz.ui.common.address import Between
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.run_controls import (
    OFFERED,
    pick_rest,
    pick_votes,
)

N = 1000
KNOBS = ("size", "contrast", "texture", "clutter")
GLANCE = 100  # noisy copies that show a level before anything is certified


@dataclass(frozen=True, eq=False)
class Picked:
    """The picture the networks see, its name in a run, its true label, and its knobs if drawn."""

    x_CHW: Tensor
    name: str
    label: int | None
    flags: tuple[str, ...] = ()
    number: int | None = None
    knobs: shapes.Knobs | None = None


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
            "knob": KNOBS,
            **{name: OFFERED[name] for name in ("n0", "n", "seed")},
        },
        asides={"checkpoint": tuple(methods)},
    )
    if name := adopted.get("checkpoint"):
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
    source = picture_picker.pick("shapes/test/3")
    picture = picture_picker.cut(source, size)
    return Picked(picture.x_CHW, picture.name, source.label, picture.flags), source.dataset


def pick_method(dataset: str) -> Checkpoint:
    """Show which selectors there are for a data set (any, for a file) and return the one chosen."""
    found: dict[str, Checkpoint] = {}
    for name in (dataset,) if dataset else ("cifar10", "shapes"):
        found |= {m: c for m, c in every_level.selectors(name).items() if m not in found}
    if not found:
        raise UserError(
            "There is no network here that chooses noise levels for this picture; 'python -m rsviz "
            "recipes run --only shapes-dual' makes one."
        )
    if st.session_state.get("selector") not in found:
        st.session_state["selector"] = next(iter(found))
    method = st.segmented_control(
        "Who chooses",
        list(found),
        format_func=lambda name: METHODS[name].label,
        key="selector",
        bind="query-params",
        required=True,
    )
    method = method or next(iter(found))
    st.caption(METHODS[method].about)
    return found[method]


def pick_settings(checkpoint: Checkpoint) -> tuple[dict[str, Any], str]:
    """Show the settings of a run and return them, with the device."""
    settings = method_controls.pick(checkpoint)
    with st.expander("Votes, seed, device", icon=":material/tune:"):
        n = pick_votes(N, label="Votes, n, of each stage")
        rest, device = pick_rest()
    return {"n": n, **rest, "settings": settings, "bound": Bound.SPLIT}, device


@st.cache_data(max_entries=256, show_spinner=False)
def glance(
    sha256: str, spec: RunSpec, _picked: Picked, _nets: Mapping[str, nn.Module]
) -> list[int]:
    """Return the votes of a few copies for each level, once for each picture and setting."""
    how = every_level.choice(_nets, spec)
    found: list[int] = every_level.glance(how, _picked.x_CHW[None], GLANCE, spec.seed)[0].tolist()
    return found


def show_glance(picked: Picked, nets: Mapping[str, nn.Module], spec: RunSpec) -> None:
    """Show the picture, the level that a few copies choose, and a copy noisy at that level."""
    how = every_level.choice(nets, spec)
    counts_L = glance(image_id(picked.x_CHW), replace(spec, n=1), picked, nets)
    level = how.level_L[how.index(counts_L)]
    copy_CHW = _noisy(picked.x_CHW, level)
    with st.container(horizontal=True, gap="small"):
        for x_CHW, caption in (
            (picked.x_CHW, "The picture"),
            (copy_CHW, f"With the noise chosen, {level:g}"),
        ):
            with st.container(width=152, gap="xxsmall"):
                st.image(images.to_pil(x_CHW, 5), width=148, alt=caption)
                st.caption(caption)
        with st.container(width=200):
            st.metric(
                "Level at a glance",
                f"{level:g}",
                border=True,
                help=f"By {GLANCE} noisy copies, to follow while you turn things; a run proves it.",
            )


def _noisy(x_CHW: Tensor, level: float) -> Tensor:

    noise_CHW = torch.randn(x_CHW.shape, generator=torch.Generator().manual_seed(0))
    return x_CHW + level * noise_CHW


def show_follow(
    picked: Picked, nets: Mapping[str, nn.Module], spec: RunSpec, classes: Sequence[str]
) -> None:
    """Show how the level follows one knob of a drawn picture, the others held."""
    if picked.knobs is None or picked.number is None:
        return
    st.markdown("**Turn one knob, all else held: the level follows**")
    knob = st.segmented_control(
        "Knob", KNOBS, default="contrast", required=True, key="knob", bind="query-params"
    )
    at_P = [i / 6 for i in range(7)]
    how = every_level.choice(nets, spec)
    level_P = []
    for at in at_P:
        knobs = replace(picked.knobs, **{knob: at})
        x_HWC = shapes.draw(shapes.SEEDS["test"], picked.number, knobs).x_HWC
        turned = Picked(datasets.from_pixels(x_HWC), "", picked.label)
        counts_L = glance(image_id(turned.x_CHW), replace(spec, n=1), turned, nets)
        level_P.append(
            sum(k * s for k, s in zip(counts_L, how.level_L, strict=True)) / sum(counts_L)
        )
    charts.show_figure(
        levels.follow(at_P, level_P, getattr(picked.knobs, knob), knob, how.level_L),
        "follow",
        f"Mean level voted for as {knob} goes from 0 to 1: "
        + ", ".join(f"{s:.2f}" for s in level_P),
    )


def start(
    key: object, picked: Picked, nets: Mapping[str, nn.Module], spec: RunSpec, device: str
) -> None:
    """Queue the run of this picture and of every level held fixed, in place of what runs."""
    sessions.desk("levels").start_once(
        Job(
            key,
            device,
            lambda cancel: every_level.watch_all(picked.x_CHW, nets, spec, device, cancel),
        )
    )
