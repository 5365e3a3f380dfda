"""The board of one image by many networks, as HTML of its own: legible at any width and theme."""

from collections.abc import Sequence
from html import escape

from rsviz.certification.every_network import Row, against
from rsviz.core.radius import down
from rsviz.core.spec import Norm
from rsviz.figures.style import GREY, RIGHT, WRONG

TRACK = "color-mix(in srgb, currentColor 12%, transparent)"
LINE = "color-mix(in srgb, currentColor 18%, transparent)"
UNITS = {Norm.L2: "L2 radius", Norm.LINF: "Linf radius, on canvases"}
DIGITS = {Norm.L2: 3, Norm.LINF: 5}
WORDS = {"waiting": "waiting", "running": "so far", "stopped": "stopped", "done": "complete"}


def html(rows: Sequence[Row], classes: Sequence[str], label: int | None, pinned: Row | None) -> str:
    """Return the board: a bar a network, one scale for each norm, the pinned radius marked."""
    parts = []
    for norm in Norm:
        mine = [r for r in rows if r.norm is norm]
        if not mine:
            continue
        scale = max(1e-9, *(max(r.top, r.radius) for r in mine))
        parts.append(
            f'<div style="display:flex;justify-content:space-between;font-size:.875rem;opacity:.7;'
            f'margin-top:.6rem"><span>{UNITS[norm]} →</span>'
            f"<span>{down(scale, DIGITS[norm])}</span></div>"
        )
        parts += [_card(r, classes, label, pinned, scale) for r in mine]
    return f'<div role="list" style="max-width:56rem">{"".join(parts)}</div>'


def _card(
    row: Row, classes: Sequence[str], label: int | None, pinned: Row | None, scale: float
) -> str:
    held = pinned is not None and pinned.name == row.name
    name = ("📌 " if held else "") + escape(row.title)
    left = f'<span style="font-weight:600">{name}</span>'
    right = f'<span style="font-size:1.25rem">{_answer(row, classes)}</span>'
    faint = "opacity:.55;" if row.state in ("waiting", "failed") else ""
    return (
        f'<div role="listitem" style="padding:.5rem 0 .6rem;border-top:1px solid {LINE};{faint}">'
        '<div style="display:flex;flex-wrap:wrap;justify-content:space-between;'
        f'align-items:baseline;column-gap:.75rem">{left}{right}</div>'
        f"{_bar(row, label, pinned, scale)}"
        '<div style="display:flex;flex-wrap:wrap;column-gap:.75rem;font-size:.875rem;opacity:.8">'
        f"{_facts(row, label, pinned)}</div></div>"
    )


def _answer(row: Row, classes: Sequence[str]) -> str:
    c = row.certificate
    if row.state == "failed":
        return "cannot run"
    if c is None:
        return "…" if row.state == "running" else "waiting"
    if not row.stands:
        return "nothing proved yet" if c.ended == "running" else "abstains"
    assert c.predicted is not None
    return f"{escape(classes[c.predicted])} · <b>{down(row.radius, DIGITS[row.norm])}</b>"


def _bar(row: Row, label: int | None, pinned: Row | None, scale: float) -> str:
    c = row.certificate
    wrong = c is not None and label is not None and c.predicted != label
    colour = WRONG if wrong else RIGHT
    fill = f"repeating-linear-gradient(45deg,{WRONG} 0 7px,{WRONG}99 7px 14px)" if wrong else RIGHT
    if row.state in ("running", "stopped"):
        fill = f"repeating-linear-gradient(90deg,{colour} 0 6px,transparent 6px 9px)"
    marks = ""
    if row.top > 0:
        marks += _mark(row.top / scale, f"2px dotted {GREY}", "the most these votes could certify")
    if pinned is not None and pinned.norm is row.norm and pinned.radius:
        marks += _mark(pinned.radius / scale, "2px solid currentColor", "the pinned radius")
    width = 100 * min(row.radius / scale, 1)
    return (
        f'<div style="position:relative;height:16px;border-radius:8px;background:{TRACK};'
        f'margin:.3rem 0"><div style="width:{width:.2f}%;height:100%;border-radius:8px;'
        f'background:{fill}"></div>{marks}</div>'
    )


def _mark(share: float, border: str, told: str) -> str:
    return (
        f'<div title="{told}" style="position:absolute;top:-3px;bottom:-3px;'
        f'left:calc({100 * min(share, 1):.2f}% - 2px);border-left:{border}"></div>'
    )


def _facts(row: Row, label: int | None, pinned: Row | None) -> str:
    c = row.certificate
    if row.state == "failed":
        return f"<span>{escape(row.error)}</span>"
    facts = []
    if c is not None and label is not None and row.stands:
        facts.append("✓ right" if c.predicted == label else "✗ wrong class")
    if row.sigma is not None:
        chosen = "" if f"σ {row.sigma:g}" in row.title else f"σ {row.sigma:g}"
        facts += [chosen] if chosen else []
    elif c is None:
        facts.append("σ chosen for the image")
    if row.state == "measured":
        facts.append(f"from its log, n {c.n:,}" if c else "from its log")
    elif row.done:
        facts.append(f"{row.done:,} of {row.planned:,} votes, {row.seconds:.1f} s")
        facts.append(WORDS[row.state])
    if pinned is not None and pinned.name != row.name:
        gap = against(row, pinned)
        if gap is not None:
            facts.append(f"<b>{gap:+.3f}</b> against the pinned")
        elif pinned.norm is not row.norm:
            facts.append("another norm than the pinned")
    return "".join(f"<span>{fact}</span>" for fact in facts)
