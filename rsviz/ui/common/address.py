"""What an address asks of a page's controls: used if possible, otherwise explained in a sentence.

Streamlit binds a control to the address by itself, but drops what it cannot use without a word, and
a value that is the control's default does not win over what the control held.
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rsviz.core.errors import UserError
from rsviz.core.spec import QUERY, RunSpec
from rsviz.ui.common import state


@dataclass(frozen=True)
class Between:
    """Any number from low to high, a whole one if both are."""

    low: float
    high: float


Takes = Sequence[Any] | Between
OLD_NAMES: Mapping[str, Mapping[str, str]] = {  # of controls, by page: links made before still open
    "home": {"noise": "sigma"},
    "compare": {
        "network": "checkpoint",
        "level": "sigma",
        "each": "n",
        "votes": "n",
        "ballots": "n",
        "noise": "seed",
    },
    "levels": {"noise_n": "n", "noise_seed": "seed"},
    "masks": {
        "mask_network": "checkpoint",
        "mask_sigma": "sigma",
        "mask_n": "n",
        "mask_seed": "seed",
    },
}
SHARED = (*QUERY, "two_class", "engine")  # the names of a run, which several pages ask for
ANY_RUN = RunSpec("", "", None)
LONGEST = 200  # no control has a value longer than this
TOLD_MOST = 8  # of what a control can be


# Markdown makes a link of these even where they are escaped, unless something stands in between.
LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
JOINER = "\u2060"  # of no width


def plain(text: str, most: int = 60) -> str:
    """Return foreign text, shortened and escaped: Markdown shows no link, picture or formula."""
    short = text if len(text) <= most else text[:most] + "..."
    short = LINKED.sub(JOINER, short)
    return re.sub(r"([\\`*_\[\]<>$~:#|!&@])", r"\\\1", " ".join(short.split()))


def restore() -> None:
    """Restore what a link to this page says and Streamlit dropped from the address.

    Between pages it drops every name that a control of the last page also had. Here controls of one
    name ask the same question, so the value of the link applies.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    for name, given in parse_qs(context.query_string, keep_blank_values=True).items():
        if name in SHARED and name not in st.query_params:
            st.query_params[name] = given[-1]


def rename(page: str) -> None:
    """Replace old names in the address of the page being opened by current ones."""
    if not state.ENTERED.get():
        return
    asked = {}
    for old, new in OLD_NAMES.get(page, {}).items():
        if old in st.query_params:
            if new not in st.query_params:
                asked[new] = st.query_params[old]
            drop(old)
    state.ASKED.set(asked)
    for name, given in asked.items():
        with suppress(StreamlitAPIException):  # a control of the last page still holds the name
            st.query_params[name] = given


def asked(name: str) -> str | None:
    """Return what the address asks of a control, under its old or new name; None if nothing."""
    held: str | None = st.query_params.get(name)
    return state.ASKED.get().get(name, held) if state.ENTERED.get() else held


def drop_infinite() -> None:
    """Remove infinite numbers from the address and run again: Streamlit's fields fail at them."""
    given_ = dict(st.query_params.items())
    found = {name: given for name, given in given_.items() if _infinite(given) and drop(name)}
    if not found:
        return
    state.INFINITE.set(tuple(_beyond(name, given) for name, given in found.items()))
    st.rerun()


def drop(name: str) -> bool:
    """Remove a name from the address, unless a control holds it, as a field of text may."""
    try:
        del st.query_params[name]
    except StreamlitAPIException:
        return False
    return True


def _beyond(name: str, given: str) -> str:
    return (
        f"The address asks for {plain(name)}={plain(given)}, which no control can be. The default "
        f"is used."
    )


def tell_infinite() -> None:
    """While this page is open, say which infinite numbers were removed from its address."""
    told = state.INFINITE.get()
    state.INFINITE.clear()
    if state.ENTERED.get() or told:
        state.DROPPED.set(told)
    for sentence in state.DROPPED.get():
        st.warning(sentence, icon=":material/link_off:")


def _infinite(given: str) -> bool:
    try:
        return math.isinf(float(given))
    except ValueError:
        return False


def means(option: object, given: str | None) -> bool:
    """Whether an address means this option: by its name, or by its value, as 1 means 1.0."""
    if given is None or len(given) > LONGEST:
        return False
    if str(option) == given:
        return True
    if isinstance(option, bool):
        return given.lower() == str(option).lower()
    try:
        return given.isascii() and isinstance(option, int | float) and float(given) == option
    except ValueError:
        return False


def adopt(
    controls: Mapping[str, Takes],
    asides: Mapping[str, Takes] | None = None,
) -> dict[str, Any]:
    """Set controls from the address when the page is opened; say which of its values are not used.

    Parameters
    ----------
    controls : by key, which is also their name in the address: what they can be.
    asides : names of no control here, which the page reads itself; they leave the address.

    Returns
    -------
    What was set or read just now, by key.
    """
    adopted: dict[str, Any] = {}
    if state.ENTERED.get():
        told = []
        asides = asides or {}
        takes = {**controls, **asides}
        for name in takes:
            given = asked(name)
            if given is None:
                continue
            found = read(name, given, takes[name])
            if found:
                adopted[name] = found[0]
            else:
                told.append(_refusal(name, given, takes[name]))
            if name in asides:
                drop(name)
        st.session_state.update({k: v for k, v in adopted.items() if k not in asides})
        state.REFUSED.set(tuple(told))
    for sentence in state.REFUSED.get():
        st.warning(sentence, icon=":material/link_off:")
    return adopted


def offers(takes: Takes, value: Any) -> bool:
    """Whether a control can be this."""
    return takes.low <= value <= takes.high if isinstance(takes, Between) else value in takes


def read(name: str, given: str, takes: Takes) -> list[Any]:
    """Return the value an address means, in a list, which is empty if there is none.

    The fields of a run are read by `RunSpec.from_query`, the inverse of what makes links.
    """
    if name in QUERY:
        try:
            value = getattr(ANY_RUN.from_query({name: given}), name)
        except UserError:
            return []
        return [value] if offers(takes, value) else []
    if not isinstance(takes, Between):
        return [option for option in takes if means(option, given)][:1]
    whole = isinstance(takes.low, int) and isinstance(takes.high, int)
    try:
        if not given.isascii() or len(given) > 20:
            return []
        value = int(given) if whole else float(given)
    except ValueError:
        return []
    return [value] if takes.low <= value <= takes.high else []


def _in_words(takes: Takes) -> str:
    if isinstance(takes, Between):
        return f"any number from {takes.low:,} to {takes.high:,}"
    some = [str(option) for option in takes[:TOLD_MOST]]
    rest = f" or one of {len(takes) - len(some)} more" if len(takes) > len(some) else ""
    return ", ".join(some) + rest or "nothing here"


def _refusal(name: str, given: str, takes: Takes) -> str:
    return (
        f"The address asks for {name}={plain(given)}, but {name} can be {_in_words(takes)}. The "
        "default is used."
    )


def complaints(names: Mapping[str, Takes]) -> list[str]:
    """Return a sentence for each value in the address that its control does not offer."""
    found = []
    for key, takes in names.items():
        wrong = [g for g in st.query_params.get_all(key) if not read(key, g, takes)]
        if wrong:
            asked = ", ".join(plain(g) for g in wrong)
            found.append(
                f"The address asks for {key}={asked}, but {key} can be {_in_words(takes)}."
            )
    return found


def check(**offered: Takes) -> None:
    """Say which values of the address are not used, until their control is changed.

    Call it before the controls, which put right what the address says; each needs `forget`.

    Parameters
    ----------
    offered : what each control of the address offers, as the address spells it.
    """
    for key, options in offered.items():
        if state.ENTERED.get():  # what another page's address asked for is no matter here
            state.UNOFFERED.of(key).clear()
        if found := complaints({key: options}):
            state.UNOFFERED.of(key).set(found[0])
        if told := state.UNOFFERED.of(key).get():
            st.warning(told, icon=":material/link_off:")


def forget(key: str) -> None:
    """Drop the warning about a control that was changed since."""
    state.UNOFFERED.of(key).clear()
