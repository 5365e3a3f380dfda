"""Choose how a picture is certified: checkpoint, noise, votes, seed, device; and the presets.

One question has one function and one key, which is its name in every page's address. So an answer
is kept from page to page. A control left at its default starts at the default of the next page.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rsviz.certification import engine_choice
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.spec import RADIUS_MAX, Bound, RunSpec
from rsviz.data import datasets
from rsviz.data.catalog import CLASSES
from rsviz.evaluation import examples
from rsviz.methods.registry import METHODS
from rsviz.smoothing import engines
from rsviz.smoothing.engine import REFERENCE, Engine
from rsviz.ui.common import address, method_controls, state
from rsviz.ui.common.address import complaints, plain
from rsviz.ui.common.sessions import devices
from rsviz.ui.page_list import PAGES, page_path

SIGMAS = (0.12, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
VOTES = (100, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)
ALPHAS = (0.1, 0.05, 0.01, 0.001, 0.0001)
FIRST_VOTES = (10, 20, 50, 100, 200, 500, 1000)
BOUNDS = (Bound.CLOPPER_PEARSON, Bound.ANYTIME, Bound.SPLIT)  # quick enough for a page that moves
N, N0, ALPHA, SEED = 10000, 100, 0.001, 0
FIRST_LOOK = 1000  # votes that are counted unasked; the button counts the rest
SEED_MAX = 2**31 - 1
OFFERED: dict[str, address.Takes] = {  # what the controls of a run can be, by key
    "sigma": SIGMAS,
    "n0": FIRST_VOTES,
    "n": VOTES,
    "alpha": ALPHAS,
    "bound": BOUNDS,
    "seed": address.Between(0, SEED_MAX),
}
Width = int | Literal["stretch"]


def usable(dataset: str, pages: Sequence[str] = ("certify",)) -> list[Checkpoint]:
    """Return the checkpoints for a data set (any, for a file), the best guess first.

    Parameters
    ----------
    pages : those that show the methods wanted live.
    """
    found = [c for c in catalog.list_checkpoints() if c.verified]
    known = [c for c in found if c.card.dataset in CLASSES and METHODS[c.card.method].page in pages]
    fitting = [c for c in known if not dataset or c.card.dataset == dataset]

    def rank(c: Checkpoint) -> tuple[bool, bool, float, bool, str]:
        middle = c.card.sigma == 0.5
        chooses = METHODS[c.card.method].chooses_sigma
        photographs = c.card.dataset == "cifar10"
        right = _right(c) if photographs else 0.0
        return (not dataset and not photographs, chooses, -right, not middle, c.name)

    return sorted(fitting, key=rank)


def _right(c: Checkpoint) -> float:
    """Return the share of test images that a network gets right at its own noise, if measured."""
    own = (m for m in c.card.each_once if c.card.sigma in (None, m.sigma))
    return max((m.accuracy.get("0", 0.0) for m in own), default=0.0)


def adopt_address() -> None:
    """When the page is opened, let the address override what the controls held.

    Streamlit does so itself, except for values that are a control's default.
    """
    if not state.ENTERED.get():
        return
    names = [c.name for c in catalog.list_checkpoints()]
    asked = st.query_params.to_dict()
    for key, takes in {"checkpoint": names, **OFFERED}.items():
        if key in asked and (found := address.read(key, asked[key], takes)):
            st.session_state[key] = found[0]
    if "image" in asked:
        st.session_state["image"] = asked["image"]


def carried() -> list[str]:
    """Return the networks chosen on any page, which the address may still name on the next."""
    return [name for page, *_ in PAGES if (name := state.CHOSEN.of(page).get())]


def check_address(names: list[str]) -> None:
    """Say which values of the address are not used, until Certify is pressed or the page left."""
    told = complaints({"checkpoint": list(dict.fromkeys([*names, *carried()])), **OFFERED})
    if told or state.ENTERED.get():
        state.COMPLAINTS.set(tuple(told))
    for sentence in state.COMPLAINTS.get():
        st.warning(f"{sentence} The default is used.", icon=":material/link_off:")


def pick_checkpoint(
    dataset: str,
    pages: Sequence[str] = ("certify",),
    notes: DeltaGenerator | None = None,
) -> Checkpoint:
    """Show the choice of network for a data set (any, for a file); a new one brings its noise.

    Folders that cannot be used are named, with the reason.

    Parameters
    ----------
    pages : those that show the methods wanted live.
    notes : where it is told what of the address is not used; here if None.
    """
    found = usable(dataset, pages)
    names = [c.name for c in found]
    if dataset != state.DATASET.get() and not state.ENTERED.get():
        state.COMPLAINTS.clear()  # of networks for another picture
    with notes or nullcontext():
        check_address(names)
    for c in catalog.list_checkpoints():
        if c.problem:
            told = f"Checkpoint {c.name} cannot be used: {c.problem}."
            st.caption(f":material/block: {plain(told, 300)}")
    if not found:
        raise UserError(
            f"There is no trained network for {dataset or 'this picture'} in {catalog.root()}; "
            "'python -m rsviz recipes run' makes them."
        )
    new_file = not dataset and state.DATASET.get() != ""
    state.DATASET.set(dataset)
    if new_file:
        st.session_state["checkpoint"] = names[0]
    return pick_network(
        found,
        "Network",
        "Which trained classifier votes. The number is the noise it was trained with; a universal "
        "one was trained with all of them.",
    )


def pick_network(
    found: Sequence[Checkpoint], label: str, about: str, width: Width = "stretch"
) -> Checkpoint:
    """Show the choice among networks, the first one by default; a new one brings its noise."""
    names, page = [c.name for c in found], state.PAGE.get() or "home"
    if st.session_state.get("checkpoint", names[0]) not in names:
        remembered = state.CHOSEN.of(page).get()
        st.session_state["checkpoint"] = remembered if remembered in names else names[0]
    if state.ENTERED.get():
        _begin("checkpoint", names[0], names)
        if address.asked("sigma") is not None:  # the noise asked for, not the one it brings
            state.CHECKPOINT.clear()
    name = st.selectbox(
        label,
        names,
        key="checkpoint",
        bind="query-params",
        on_change=address.forget,
        args=("checkpoint",),
        help=about,
        width=width,
    )
    chosen = next((c for c in found if c.name == name), found[0])
    if state.CHECKPOINT.get() not in (None, chosen.name):
        st.session_state["sigma"] = trained_sigma(chosen)
    state.CHECKPOINT.set(chosen.name)
    state.CHOSEN.of(page).set(chosen.name)
    link_to_card(chosen)
    return chosen


def link_to_card(chosen: Checkpoint) -> None:
    """Link to what Compare says of a network, if it was measured."""
    if chosen.card.each_once and page_path("compare").exists():
        st.page_link(
            page_path("compare"),
            label="About this network",
            icon=":material/info:",
            query_params={"view": "Networks", "about": chosen.name},
            width="content",
        )


def _begin(key: str, default: Any, offered: address.Takes) -> None:
    """Let a control begin with what the address asks, or another page's answer, or the default.

    An answer that was left at its default, or is not offered here, begins at the default.
    """
    defaults, held = state.DEFAULTS.get(), st.session_state
    given = address.asked(key) if state.ENTERED.get() else None
    if given is not None and (found := address.read(key, given, offered)):
        held[key] = found[0]
    elif key in held:
        left = key in defaults and held[key] == defaults[key] and held[key] != default
        if left or not address.offers(offered, held[key]):
            held[key] = default
    state.DEFAULTS.set({**defaults, key: default})


def pick_sigma(
    default: float,
    offered: Sequence[float] = SIGMAS,
    *,
    label: str = "Noise, sigma",
    about: str | None = None,
    width: Width = "stretch",
) -> float:
    """Ask for the standard deviation of the noise."""
    _begin("sigma", default, offered)
    sigma = st.select_slider(
        label,
        offered,
        default,
        key="sigma",
        bind="query-params",
        on_change=address.forget,
        args=("sigma",),
        help=about,
        width=width,
    )
    return float(sigma)


def pick_votes(
    default: int = N,
    *,
    label: str = "Votes, n",
    about: str | None = None,
    width: Width = "stretch",
) -> int:
    """Ask for the number of votes."""
    _begin("n", default, VOTES)
    n = st.select_slider(
        label,
        VOTES,
        default,
        key="n",
        bind="query-params",
        on_change=address.forget,
        args=("n",),
        help=about,
        width=width,
    )
    return int(n)


def pick_first_votes(width: Width = "stretch") -> int:
    """Ask for the number of votes that choose the class before others bound it."""
    _begin("n0", N0, FIRST_VOTES)
    n0 = st.select_slider(
        "Votes that choose the class, n0",
        FIRST_VOTES,
        N0,
        key="n0",
        bind="query-params",
        on_change=address.forget,
        args=("n0",),
        help="These votes only choose the class. Fresh votes then bound its probability.",
        width=width,
    )
    return int(n0)


def pick_seed(about: str | None = None, width: Width = "stretch") -> int:
    """Ask for the seed of all noise."""
    _begin("seed", SEED, address.Between(0, SEED_MAX))
    seed = st.number_input(
        "Seed", 0, SEED_MAX, SEED, key="seed", bind="query-params", help=about, width=width
    )
    return int(seed)


def pick_alpha(width: Width = "stretch") -> float:
    """Ask for the chance, over the noise, that a certificate is wrong."""
    _begin("alpha", ALPHA, ALPHAS)
    alpha = st.select_slider(
        "alpha, the chance to be wrong",
        ALPHAS,
        ALPHA,
        key="alpha",
        bind="query-params",
        width=width,
    )
    return float(alpha)


def pick_device() -> str:
    """Ask for the device on which votes are counted; kept on every page, but in no address."""
    chosen = st.radio("Device", devices(), horizontal=True, key="device", persist_state="session")
    return chosen or devices()[0]


def pick_rest(about_seed: str | None = None) -> tuple[dict[str, int], str]:
    """Ask for what is rarely changed: n0 and seed of a run, and the device."""
    n0, seed = pick_first_votes(), pick_seed(about_seed)
    return {"n0": n0, "seed": seed}, pick_device()


def trained_sigma(checkpoint: Checkpoint) -> float:
    """Return the offered noise level nearest to what the checkpoint was trained at."""
    sigma = checkpoint.card.sigma
    return min(SIGMAS, key=lambda s: abs(s - (0.5 if sigma is None else sigma)))


def pick_settings(checkpoint: Checkpoint) -> tuple[dict[str, Any], str]:
    """Show sigma or the method's own settings, n, n0, seed and device; return run and device."""
    sigma, method = None, METHODS[checkpoint.card.method]
    if method.chooses_sigma:
        st.caption("This network chooses the noise of each picture itself.")
    else:
        sigma = pick_sigma(
            trained_sigma(checkpoint),
            about="Standard deviation of the noise added to every pixel, where black is 0 and "
            "white 1. More noise can certify larger distances, but hides the picture.",
        )
    own: dict[str, Any] = {}
    if method.controls:
        own = {"settings": method_controls.pick(checkpoint)}
    with st.expander("Votes, seed, device", icon=":material/tune:"):
        n = pick_votes(
            about="How many noisy copies vote. More votes prove more and take longer; before them, "
            "n0 others choose the class."
        )
        rest, device = pick_rest(
            "Fixes the noise. Another seed is another experiment; both results stay."
        )
    return {"sigma": sigma, "n": n, **rest, **own}, device


def pick_question(checkpoint: Checkpoint) -> float | None:
    """Ask whether one radius is wanted, with the votes that this needs; None for none.

    A method that reads its radius from several counts is not asked.
    """
    if METHODS[checkpoint.card.method].chooses_sigma:
        return None
    address.adopt({"until_radius": address.Between(0.0, RADIUS_MAX)})
    return st.number_input(
        "Is it robust to this L2 radius?",
        0.0,
        RADIUS_MAX,
        None,
        step=0.25,
        placeholder="no radius: how far is it robust?",
        key="until_radius",
        bind="query-params",
        help="With a radius, votes end as soon as they settle whether it is certified, or that no "
        "number of votes would certify it; n is the most. With none, all n votes are counted.",
    )


def pick_engine(checkpoint: Checkpoint, device: str) -> Engine:
    """Ask what counts the votes; the fastest that keeps the certified radius is the default."""
    if checkpoint.name in state.OWN_CLASSES.get():
        st.caption(f"Votes of a network of your own are counted by {REFERENCE} on {device}.")
        return REFERENCE
    choice = engine_choice.default(checkpoint, device)
    offered = [
        engine
        for engine in engines.usable(device)
        if engine.precision != "int8" or engine_choice.has_files(checkpoint)
    ]
    names = [str(engine) for engine in offered]
    _begin("engine", str(choice.engine), names)
    address.check(engine=names)
    name = st.selectbox(
        "Votes counted by",
        names,
        names.index(str(choice.engine)),
        key="engine",
        bind="query-params",
        on_change=address.forget,
        args=("engine",),
        help="Which library computes the network, and how precisely. A network in another "
        "precision is another classifier: its votes are its own, and so is its certificate.",
    )
    if choice.why:
        st.caption(choice.why)
    return dict(zip(names, offered, strict=True)).get(name or "", choice.engine)


def press_run(label: str, all_counted: bool = False) -> None:
    """Show the button that starts a whole run; `wants_all` says that it was pressed."""
    st.button(
        label,
        key="certify",
        type="secondary" if all_counted else "primary",
        icon=":material/replay:" if all_counted else ":material/play_arrow:",
        shortcut="Ctrl+Enter",
        width="stretch",
        on_click=state.COMPLAINTS.clear,
    )


def wants_all() -> bool:
    """Whether the button of `press_run`, drawn further down the page, was pressed just now."""
    return bool(st.session_state.get("certify", False))


def press_new_seed(running: bool) -> None:
    """Show the button that repeats a run with other noise; `wants_seed` says it was pressed.

    Parameters
    ----------
    running : a run is under way, which another seed would stop.
    """
    st.button(
        "New seed",
        key="again",
        disabled=running,
        icon=":material/casino:",
        help="Repeat the experiment with other noise; the result is added to the list below.",
        on_click=_next_seed,
    )


def wants_seed() -> bool:
    """Whether the button of `press_new_seed`, drawn further down the page, was pressed just now."""
    return bool(st.session_state.get("again", False))


def _next_seed() -> None:
    st.session_state["seed"] = (st.session_state.get("seed", 0) + 1) % SEED_MAX


def pick_reading() -> tuple[float, Bound]:
    """Show alpha and the bound, which only read the votes again."""
    with st.expander("Read the same votes otherwise", icon=":material/menu_book:"):
        alpha = pick_alpha()
        bound = st.segmented_control(
            "Bound",
            BOUNDS,
            default=Bound.SPLIT,
            format_func=str,
            key="bound",
            bind="query-params",
            required=True,
            help="How a proved share is read from the votes. Anytime holds whenever you look; "
            "Clopper-Pearson only at the planned number of votes; split does both and divides "
            "alpha between them.",
        )
    return alpha, Bound(bound or Bound.SPLIT)


def pick_two_class(about: str) -> bool:
    """Ask whether votes are read in the two-class form, another protocol than the field's."""
    return st.toggle(
        "Two-class form",
        key="two_class",
        bind="query-params",
        help=about,
    )


def announce_presets(checkpoint: Checkpoint) -> list[examples.Example]:
    """Say that `show_presets` follows; return the presets stored with a checkpoint.

    Beside a network without any stand those of another for the same pictures, which they choose.
    """
    others = usable(checkpoint.card.dataset)
    stored = next(filter(None, map(examples.load, [checkpoint, *others])), [])
    if stored:
        st.caption("Try one:", width="content")
    return stored


def show_presets(stored: Sequence[examples.Example]) -> None:
    """Show presets, each of which sets picture, noise, votes and seed."""
    for example in stored:
        st.button(
            example.title,
            key=f"preset-{example.preset}",
            help=f"{example.certificate.image} by {example.certificate.checkpoint} at sigma "
            f"{example.certificate.sigma:g}",
            on_click=_set_example,
            args=(example,),
        )


def keep_noise(checkpoint: str) -> None:
    """Let this network be chosen without bringing its own noise level."""
    state.CHECKPOINT.set(checkpoint)


def _set_example(example: examples.Example) -> None:
    c = example.certificate
    keep_noise(c.checkpoint)
    st.session_state.update(
        source="gallery",
        image=c.image,
        checkpoint=c.checkpoint,
        sigma=c.sigma,
        n0=c.n0,
        n=c.n,
        seed=c.seed,
    )


def link_of(spec: RunSpec) -> dict[str, str]:
    """Return the query of a link that opens a page with this picture, network and settings."""
    names = ["image", "sigma", "n0", "n", "alpha", "seed"]
    if spec.checkpoint not in state.OWN_CLASSES.get():  # which no link holds
        names += ["checkpoint"]
    return spec.to_query(names)


def default_image() -> str:
    """Return a picture of Shapes: the one of a stored certificate, if there is one."""
    return _stored_image(usable("shapes")) or "shapes/test/3"


def first_image() -> str:
    """Return the picture of the first paint, of the data set of the network the address asks for.

    It is that of a stored certificate, if there is one.
    """
    name = address.asked("checkpoint")
    asked = [c for c in usable("cifar10") if c.name == name] if name else []
    if asked and datasets.available("cifar10"):
        return _stored_image(asked) or "cifar10/test/20"
    return default_image()


def _stored_image(found: Sequence[Checkpoint]) -> str:
    """Return the picture of the first stored certificate of these networks, empty if none."""
    stored = (e.certificate.image for checkpoint in found for e in examples.load(checkpoint))
    return next(stored, "")
