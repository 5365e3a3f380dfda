"""Networks shared by all sessions, each session's own jobs, and what a page shows of a run.

Shape suffixes: C channels, H height, W width.
"""

import gc
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import streamlit as st
import torch
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from torch import Tensor, nn

from rsviz.certification import certify as running
from rsviz.certification import engine_choice
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, Certificate, RunSpec
from rsviz.data import images
from rsviz.data.catalog import CLASSES
from rsviz.evaluation import examples
from rsviz.evaluation.examples import Walk
from rsviz.methods.registry import METHODS
from rsviz.smoothing import driver
from rsviz.smoothing.engine import REFERENCE, Engine
from rsviz.ui.common import state
from rsviz.ui.common.drawing import LINE
from rsviz.ui.common.jobs import Job, Session

GRACE_SECONDS = 1.0  # from a lost connection to the pause of what runs
READ_SECONDS = 0.03  # between readings of a run: each costs the worker 2 ms
IMAGE = "image"  # the desk of certificates and attacks: one of them runs at a time in a tab


@dataclass(frozen=True)
class Key:
    """What decides the votes; alpha and bound, which only read them, are left out."""

    image: str
    spec: RunSpec
    device: str
    engine: Engine = REFERENCE


@dataclass(frozen=True, eq=False)
class Shown:
    """A certificate on the page, the readings before it, and whether it is stored or live.

    ``claimed``: its votes are those of a link, and were not counted here. ``walks`` are stored with
    it, by the name of their direction.
    """

    certificate: Certificate
    readings: tuple[Certificate, ...]
    stored: bool
    claimed: bool = False
    walks: Mapping[str, Walk] = field(default_factory=dict)


@st.cache_resource(max_entries=8, show_spinner="Loading the network")
def _networks(name: str, sha256: str, device: str, engine: Engine) -> dict[str, nn.Module]:
    found = catalog.find(name)
    if found.sha256 != sha256:  # its votes would be told of the one that was there before
        raise UserError(f"Checkpoint {name} was changed meanwhile; reload the page.")
    nets = engine_choice.load(found, device, engine)
    gc.freeze()  # what stays need not be searched for garbage
    return nets


def networks(
    checkpoint: Checkpoint, device: str, engine: Engine | None = None
) -> dict[str, nn.Module]:
    """Return a checkpoint's networks by name, loaded once for all sessions and never changed.

    A visitor's own network stays in the session it was brought to, and torch computes it.

    Parameters
    ----------
    engine : that counts the votes; None takes the fastest that keeps the certified radius.
    """
    own = state.OWN.get()
    if own is not None and own.checkpoint is checkpoint:
        return {name: net.to(device) for name, net in own.nets.items()}
    engine = engine or engine_choice.default(checkpoint, device).engine
    return _networks(checkpoint.name, checkpoint.sha256, device, engine)


def network(checkpoint: Checkpoint, device: str) -> nn.Module:
    """Return a checkpoint's classifier; see `networks`."""
    return networks(checkpoint, device)["classifier"]


def desk(name: str) -> Session:
    """Return this browser tab's jobs of one kind.

    They lie in the session's own state, which no other visitor's message can clear and which
    outlives a short loss of the connection. Closing the tab, or losing the connection, stops what
    runs; whoever comes back finds the history, and the run begun again.

    Parameters
    ----------
    name : ``image`` for certificates and attacks of one image, else the view: ``levels``,
        ``masks``, ``networks``, ``weightings``, ``evaluate``.
    """
    held = state.DESK.of(name).get()
    if held is None:
        held = Session()
        state.DESK.of(name).set(held)
    held.resume()
    _presence().desks[name] = held
    return held


@dataclass(eq=False)
class _Presence:
    """What is to be paused when the tab with this session id has lost its connection."""

    session_id: str
    desks: dict[str, Session] = field(default_factory=dict)

    def release(self) -> None:
        """Pause its jobs a moment later, unless the tab is there still.

        Streamlit releases at a lost connection, and also when anyone clears its caches.
        """
        later = threading.Timer(GRACE_SECONDS, self._pause_if_gone)
        later.daemon = True
        later.start()

    def _pause_if_gone(self) -> None:
        if not (runtime.exists() and runtime.get_instance().is_active_session(self.session_id)):
            for held in self.desks.values():
                held.pause()


@st.cache_resource(scope="session", on_release=_Presence.release, show_spinner=False)
def _presence() -> _Presence:
    context = get_script_run_ctx()
    return _Presence(context.session_id if context else "")


def class_names(checkpoint: str) -> tuple[str, ...]:
    """Return the names of the classes that a checkpoint knows."""
    own = state.OWN_CLASSES.get()
    if checkpoint in own:
        return own[checkpoint]
    listed = (c for c in catalog.list_checkpoints() if c.name == checkpoint)  # once a page
    return CLASSES[(next(listed, None) or catalog.find(checkpoint)).card.dataset]


def devices() -> list[str]:
    """Return the devices votes can be counted on here."""
    return (["cuda"] if torch.cuda.is_available() else []) + ["cpu"]


@st.cache_resource(max_entries=64, show_spinner=False)
def _noisy(
    key: Key, first: int, _x_CHW: Tensor, _nets: Mapping[str, nn.Module]
) -> tuple[Tensor, Tensor]:
    return _ask_noisy(key, first, _x_CHW, _nets)


def _ask_noisy(
    key: Key, first: int, x_CHW: Tensor, nets: Mapping[str, nn.Module]
) -> tuple[Tensor, Tensor]:
    ask = next(METHODS[key.spec.method].certify(x_CHW, nets, key.spec))
    return driver.noisy_votes(ask.voter, x_CHW, key.spec, first, key.device)


def noisy(
    key: Key, x_CHW: Tensor, nets: Mapping[str, nn.Module], first: int = 9
) -> tuple[Tensor, Tensor]:
    """Return the first noisy copies (N, C, H, W) that a run counts, and their votes class_N."""
    own = key.spec.checkpoint in state.OWN_CLASSES.get()  # kept in no shared cache
    with LINE.aside():
        return (_ask_noisy if own else _noisy)(key, first, x_CHW, nets)


def key_of(x_CHW: Tensor, spec: RunSpec, device: str, engine: Engine = REFERENCE) -> Key:
    """Return what decides the votes of a run, equal for equal votes.

    alpha only matters for reading votes, unless it decides when they end.
    """
    alpha = 0.001 if spec.until_radius is None else spec.alpha
    key_spec = replace(spec, alpha=alpha, bound=Bound.SPLIT)
    return Key(images.image_id(x_CHW), key_spec, device, engine)


def start(
    key: Key,
    x_CHW: Tensor,
    spec: RunSpec,
    nets: Mapping[str, nn.Module],
    pause: int | None = None,
) -> Job:
    """Start a run for this session in place of what runs for it, unless that is the very run.

    Parameters
    ----------
    pause : stop it after about so many votes, as Stop would: what holds at any time holds then.
    """
    split = replace(spec, bound=Bound.SPLIT)

    def steps(cancel: threading.Event) -> Iterator[running.Progress]:
        for progress in running.watch(x_CHW, nets, split, key.device, cancel, READ_SECONDS):
            if pause is not None and progress.done >= pause:
                cancel.set()
            yield progress

    return desk(IMAGE).start_once(Job(key, key.device, steps))


def was_started(key: Key) -> bool:
    """Whether this session began a run of these votes before, however it ended."""
    return any(job.key == key for job in desk(IMAGE).history)


def shown_of(job: Job) -> Shown | None:
    """Return what a job has to show, None before its first reading."""
    readings = tuple(p.certificate for p in job.readings)
    if not readings:
        return None
    return Shown(readings[-1], readings, False)


def shown_running(job: Job) -> Shown | None:
    """Return what a job under way has to show, which is never less than was seen of its votes.

    A run that was stopped, or paused after a first look, is counted again from its first vote.
    Until the job has come as far, what that run had counted stays: the same votes.
    """
    now = shown_of(job)
    for other in reversed(desk(IMAGE).history):
        if other is job or other.key != job.key or other.latest is None or other.latest.complete:
            continue
        if now is None or job.latest.done < other.latest.done:
            seen = other.latest.certificate
            readings = tuple(p.certificate for p in other.readings)
            return Shown(replace(seen, ended="running"), readings, False)
    return now


def find_shown(key: Key, checkpoint: Checkpoint) -> Shown | None:
    """Return the newest run of this session with these votes, else a stored one, else None."""
    for job in reversed(desk(IMAGE).history):
        if job.key == key and (shown := shown_of(job)) is not None:
            return shown
    fastest = engine_choice.default(checkpoint, key.device).engine
    for example in examples.load(checkpoint):
        c = example.certificate
        if key.spec.until_radius is not None:  # stored certificates ask for no radius
            break
        if key.engine not in (fastest, engine_choice.engine_of(c.path)):
            continue  # these votes are another classifier's
        same = (c.image_sha256, c.sigma, c.n0, c.n, c.seed) == (
            key.image,
            key.spec.sigma,
            key.spec.n0,
            key.spec.n,
            key.spec.seed,
        )
        if same:
            return Shown(c, example.readings, True, walks=example.walks)
    return None
