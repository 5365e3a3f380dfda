"""All results of the picture in use, kept for the session in the order they are told in."""

from collections.abc import Hashable

from rsviz.data.images import image_id
from rsviz.figures.report import Part
from rsviz.ui.common import state

ORDER = ("certify", "attack", "levels", "masks", "compare")  # the pages that results come from
KEPT = 60  # results of a session, the newest


def tell(page: str, run: Hashable, part: Part) -> None:
    """Keep a result of the picture in use; it replaces what the same run had come to before."""
    picture = state.PICTURE.get()
    if picture is None:
        return
    key = (image_id(picture.x_CHW), page, run)
    held = {k: v for k, v in state.STORY.get().items() if k != key} | {key: part}
    state.STORY.set(dict(list(held.items())[-KEPT:]))


def parts() -> list[tuple[str, Part]]:
    """Return the results of the picture in use with the page each is of, in order."""
    picture = state.PICTURE.get()
    if picture is None:
        return []
    own = image_id(picture.x_CHW)
    mine = [(page, part) for (image, page, _), part in state.STORY.get().items() if image == own]
    return sorted(mine, key=lambda told: ORDER.index(told[0]))
