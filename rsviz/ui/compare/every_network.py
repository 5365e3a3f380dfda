"""One image by every network: the choice, the run in the background, the board, what it proves."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import streamlit as st
from torch import Tensor

from rsviz.certification import every_network
from rsviz.certification.every_network import Contender, Panorama, Row
from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.radius import down
from rsviz.core.spec import Norm, RunSpec
from rsviz.data import datasets
from rsviz.data.catalog import CLASSES
from rsviz.evaluation import per_image
from rsviz.figures.report import Part
from rsviz.ui.common import address, job_panel, picture_picker, sessions, story, tried
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.pictures import Source
from rsviz.ui.common.run_controls import (
    OFFERED,
    default_image,
    pick_rest,
    pick_votes,
)
from rsviz.ui.compare import network_board
from rsviz.ui.compare.measured_logs import measured

POLL_SECONDS = 0.7
ENDED = ("done", "measured")
NOBODY, UNPINNED = "nobody", "nobody: no row is pinned"


def show() -> None:
    """Show one image by every network of a data set, side by side as each lands."""
    with st.expander("Picture", icon=":material/image:", expanded=True):
        source = picture_picker.pick(_default())
        picture = picture_picker.cut(source, 32)
        dataset = _dataset(source.dataset.partition("-k")[0])
    found = every_network.contestants(dataset)
    if not found:
        raise UserError(f"There is no trained network for {dataset} in {catalog.root()}.")
    chosen, counts, device = _settings(found)
    name = picture.name if "-k" not in picture.name.split("/")[0] else ""
    contenders = [
        every_network.enter(c, picture.x_CHW, name, picture.flags, **counts) for c in chosen
    ]
    left, right = st.columns([1, 3], gap="medium")
    with left:
        st.image(picture.original.resize((256, 256), 0) if name else picture.original, width=160)
        if not source.dataset:
            source = picture_picker.ask_label(source, CLASSES[dataset])
        label = source.label if name or not source.dataset else None
        if label is not None:
            picture_picker.show_label(source, CLASSES[dataset])
    with right:
        rows = _show_board(contenders, CLASSES[dataset], source, label, device)
    _tell(rows, CLASSES[dataset], label, picture.x_CHW)


def _tell(rows: Sequence[Row], classes: Sequence[str], label: int | None, x_CHW: Tensor) -> None:
    """Add what the networks that landed proved to the story of their picture."""
    landed = [r for r in rows if r.state in ENDED and r.certificate is not None]
    if not landed:
        return
    table = [_in_numbers(r, classes) for r in landed]
    words = every_network.summary(landed, classes, label)
    part = Part(f"{len(landed)} networks", x_CHW, classes, words=words, table=table)
    story.tell("compare", tuple(sorted({r.name.partition("-")[0] for r in landed})), part)


def _default() -> str:
    return "cifar10/test/20" if datasets.available("cifar10") else default_image()


def _dataset(own: str) -> str:
    """Return the data set whose networks look at the picture: its own, or the one chosen."""
    if own:
        return own
    names = [n for n in ("cifar10", "shapes") if every_network.contestants(n)] or ["shapes"]
    chosen = st.segmented_control(
        "Networks of",
        names,
        default=names[0],
        format_func=picture_picker.TITLES.__getitem__,
        key="of",
    )
    return chosen or names[0]


def _settings(found: Sequence[Checkpoint]) -> tuple[list[Checkpoint], dict[str, int], str]:
    with st.expander("Networks, votes, seed", icon=":material/tune:"):
        names = [c.name for c in found]
        key = f"nets-{found[0].card.dataset}"
        address.check(**{key: names}, n0=OFFERED["n0"], n=OFFERED["n"])
        chosen = st.multiselect(
            "Networks",
            names,
            names,
            key=key,
            bind="query-params",
            on_change=address.forget,
            args=(key,),
        )
        n = pick_votes(1000)
        rest, device = pick_rest()
    return [c for c in found if c.name in chosen] or list(found), {"n": n, **rest}, device


def _show_board(
    contenders: Sequence[Contender],
    classes: Sequence[str],
    source: Source,
    label: int | None,
    device: str,
) -> Sequence[Row]:
    """Show the board, and return its rows; none while networks vote."""
    key = (tuple(c.spec for c in contenders), device)
    job = sessions.desk("networks").job
    if job is not None and job.active and job.key != key:
        job.stop()
    names = [NOBODY] + [c.row.name for c in contenders]
    titles = {NOBODY: UNPINNED} | {c.row.name: c.row.title for c in contenders}
    address.check(pin=list(titles.values()))
    pin = st.selectbox(
        "Set the others against",
        names,
        format_func=lambda name: titles.get(name, UNPINNED),
        key="pin",
        bind="query-params",
        on_change=address.forget,
        args=("pin",),
        help="Pins a row: every bar marks its radius and shows the difference to it.",
    )
    if job is not None and job.active and job.key == key:
        job_panel.show_job(
            job, partial(_show_latest, job, classes, label, pin), "end", POLL_SECONDS
        )
        return ()
    rows = _remembered(source, _rows(contenders, key))
    waiting = sum(r.state not in ("done", "failed") for r in rows)
    if waiting:
        st.button(
            "Certify by all" if waiting == len(rows) else f"Certify the other {waiting}",
            key="all",
            type="primary",
            icon=":material/play_arrow:",
            on_click=start,
            args=(contenders, key, device),
        )
    _show_rows(rows, classes, label, pin)
    _show_details(rows, classes)
    return rows


def start(contenders: Sequence[Contender], key: object, device: str) -> None:
    """Start all networks that have not landed yet for this tab."""
    landed = _landed()
    sessions.desk("networks").start(
        Job(
            key,
            device,
            lambda cancel: every_network.watch(
                contenders, lambda c: weights.load_nets(c, device), device, cancel, landed
            ),
        )
    )


def _landed() -> dict[RunSpec, Row]:
    """Return every row that finished in this tab, by its run."""
    return {
        spec: row
        for job in sessions.desk("networks").history
        if job.latest is not None
        for spec, row in zip(job.key[0], job.latest.rows, strict=True)
        if row.state == "done"
    }


def _rows(contenders: Sequence[Contender], key: object) -> list[Row]:
    """Return what is known of each network: its run here, else its log, else nothing."""
    job, landed = sessions.desk("networks").job, _landed()
    last = job.latest.rows if job is not None and job.key == key and job.latest else ()
    ended = {r.name: r for r in last if r.state in ("done", "stopped", "failed")}
    return [
        landed.get(c.spec) or ended.get(c.row.name) or _measured(c) or c.row for c in contenders
    ]


def _remembered(source: Source, rows: Sequence[Row]) -> list[Row]:
    """Return the rows, each certificate with what a claim chosen among all is worth."""
    landed = [r.certificate for r in rows if r.state in ENDED and r.certificate is not None]
    marked = iter(tried.told(source, *landed))
    return [
        replace(r, certificate=next(marked)) if r.state in ENDED and r.certificate else r
        for r in rows
    ]


def _measured(contender: Contender) -> Row | None:
    """Return the row of a test image that the network's shipped log holds at its own noise."""
    name = contender.spec.image.split("/")
    if len(name) != 3 or name[1] != "test":
        return None
    for entry in measured()[0].values():
        log = entry.log
        if log is None or entry.checkpoint != contender.checkpoint.name:
            continue
        if _other_weighting(contender.checkpoint, log.source):
            continue
        if log.sigma in (None, contender.spec.sigma) and log.dataset == name[0]:
            return per_image.from_log(contender.checkpoint, log, int(name[2]))
    return None


def _other_weighting(checkpoint: Checkpoint, source: str) -> bool:
    """Whether a log is of an ensemble's members weighed in another way than it votes with."""
    folder, _, file = source.rpartition("/")
    return folder.endswith("weightings") and file != f"{checkpoint.card.weighting}.csv"


def _show_latest(job: Job, classes: Sequence[str], label: int | None, pin: str | None) -> None:
    now: Panorama | None = job.latest
    if now is not None:
        landed = sum(r.state in ("done", "failed") for r in now.rows)
        st.caption(f"{landed} of {len(now.rows)} networks are done.")
        _show_rows(now.rows, classes, label, pin)


def _show_rows(
    rows: Sequence[Row], classes: Sequence[str], label: int | None, pin: str | None
) -> None:
    pinned = next((r for r in rows if r.name == pin), None)
    st.markdown(every_network.summary(rows, classes, label))
    st.html(network_board.html(rows, classes, label, pinned))
    st.caption(
        "A bar is the certified radius, blue where right, hatched red where wrong; the dotted "
        "mark is the most that its votes could certify."
    )


def _show_details(rows: Sequence[Row], classes: Sequence[str]) -> None:
    """Show all rows as a table, what exactly each guarantees, and all certificates as JSON."""
    told = [r for r in rows if r.certificate is not None]
    if not told:
        return
    st.dataframe([_in_numbers(r, classes) for r in told], hide_index=True, height="content")
    with st.expander("What exactly is guaranteed", icon=":material/verified:"):
        about: dict[str, list[str]] = {}
        for r in told:
            assert r.certificate is not None
            about.setdefault(r.certificate.guarantee, []).append(r.title)
        st.markdown("\n".join(f"- **{', '.join(names)}**: {g}" for g, names in about.items()))
        among = max(
            (r.certificate.tries for r in told if r.certificate and r.certificate.tries),
            key=lambda tries: tries.alpha,
            default=None,
        )
        st.caption(
            "Each statement is of one network alone, at its own alpha; the largest of several "
            "radii is chosen after looking, so it is wrong more often than any one"
            + (f": with probability at most {among.alpha:.2g}." if among else ".")
        )
    text = ",\n".join(r.certificate.to_json() for r in told if r.certificate is not None)
    st.download_button(
        "Certificates (JSON)", f"[{text}]\n", "panorama.json", "application/json", on_click="ignore"
    )


def _in_numbers(row: Row, classes: Sequence[str]) -> dict[str, object]:
    c = row.certificate
    assert c is not None
    name = classes[c.predicted] if row.stands and c.predicted is not None else "abstains"
    digits = 3 if row.norm is Norm.L2 else 5
    return {
        "network": row.name,
        "class": name,
        "radius": float(down(row.radius, digits)) if row.stands else None,
        "norm": str(row.norm),
        "sigma": row.sigma,
        "votes": row.done,
        "seconds": round(row.seconds, 2) if row.seconds else None,
        "state": row.state,
        "flags": ", ".join(c.flags) or None,
    }
