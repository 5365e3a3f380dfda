"""The settings of a run that a method has of its own, shown as its `Control`s describe them."""

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.methods import dual
from rsviz.methods.base import Control, Method, Range
from rsviz.methods.registry import METHODS
from rsviz.ui.common.address import Between, Takes


def key_of(control: Control) -> str:
    """Return the key of a control, which is its name in an address."""
    return control.key or control.setting


def takes(methods: Iterable[Method]) -> dict[str, Takes]:
    """Return what an address may ask of the controls of these methods, by key."""
    return {
        key_of(c): Between(c.offered.low, c.offered.high)
        if isinstance(c.offered, Range)
        else c.offered
        for method in methods
        for c in method.controls
    }


def at_first(*checkpoints: Checkpoint) -> dict[str, Any]:
    """Return what pages begin with: the cards' settings, of Dual RS and routing also the sweep.

    It proves more than the paper's min, and a quantile is chosen for it.
    """
    swept = any(METHODS[c.card.method].options is dual.Options for c in checkpoints)
    cards = {k: v for c in checkpoints for k, v in c.card.run.items()}
    return ({"rule": "sweep"} if swept else {}) | cards


def pick(checkpoint: Checkpoint) -> tuple[tuple[str, Any], ...]:
    """Show the controls of a checkpoint's method; return its settings and those of the card."""
    given = at_first(checkpoint)
    return tuple(sorted((given | pick_values(METHODS[checkpoint.card.method], given)).items()))


def pick_values(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """Show the controls of a method, as ``given`` at first; return what they say, by setting."""
    values = {}
    for control in method.controls:
        assert method.options is not None  # its fields are what controls turn
        default = given.get(control.setting, getattr(method.options(), control.setting))
        values[control.setting] = _show(control, default)
    return values


def _show(control: Control, default: Any) -> Any:
    """Show one control and return its value."""
    key, offered, help_text = key_of(control), control.offered, control.help or None
    if isinstance(offered, Range):
        return st.slider(
            control.label,
            offered.low,
            offered.high,
            min(max(float(default), offered.low), offered.high),
            offered.step,
            key=key,
            bind="query-params",
            help=help_text,
        )
    if not isinstance(default, str):
        nearest = min(offered, key=lambda value: abs(float(value) - default))
        return st.select_slider(
            control.label, offered, nearest, key=key, bind="query-params", help=help_text
        )
    chosen = st.segmented_control(
        control.label,
        offered,
        default=default,
        required=True,
        key=key,
        bind="query-params",
        format_func=lambda word: control.words.get(word, word),
        help=help_text,
    )
    return chosen or default
