"""What the address of a page asks for, and a sentence for each value that no control offers."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from rsviz.ui.shared import plain

LONGEST = 200  # a value longer than this is no choice of any control


def means(option: object, given: str | None) -> bool:
    """Whether an address means this option: by its name, or by its value, as 1 means 1.0."""
    if given is None or len(given) > LONGEST:
        return False
    try:
        return (isinstance(option, int | float) and float(given) == option) or str(option) == given
    except ValueError:
        return str(option) == given


def complaints(names: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a sentence for each value in the address that its control does not offer."""
    found = []
    for key, options in names.items():
        wrong = [g for g in st.query_params.get_all(key) if not any(means(o, g) for o in options)]
        if wrong:
            asked = ", ".join(plain(g) for g in wrong)
            offered = ", ".join(str(o) for o in options) or "none"
            found.append(f"The address asks for {key}={asked}, but {key} can be {offered}.")
    return found


def check(**offered: Sequence[Any]) -> None:
    """Tell which of the address's values are not used, until their control is changed.

    Call it before the controls, which put right what the address says; each needs `forget`.

    Parameters
    ----------
    offered : what each control of the address offers, as the address spells it.
    """
    for key, options in offered.items():
        if found := complaints({key: options}):
            st.session_state[_held(key)] = found[0]
        if told := st.session_state.get(_held(key)):
            st.warning(told, icon=":material/link_off:")


def forget(key: str) -> None:
    """Tell no more what the address asked of a control, which was changed since."""
    st.session_state.pop(_held(key), None)


def _held(key: str) -> str:
    return f"_unoffered_{key}"
