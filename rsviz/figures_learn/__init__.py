"""The pictures of Learn: the values of a scene's controls in, a figure and what it shows out."""

from collections.abc import Callable

from rsviz.figures_learn.base import Picture
from rsviz.figures_learn.bound import peek, price
from rsviz.figures_learn.levels import chosen, envelope
from rsviz.figures_learn.limits import hunt, wrong
from rsviz.figures_learn.masks import budget_picture, mask, root
from rsviz.figures_learn.training import pair, push
from rsviz.figures_learn.votes import votes
from rsviz.figures_learn.worst_case import slide

# scene key -> its picture, called with the values of the scene's controls by name
PICTURES: dict[str, Callable[..., Picture]] = {
    "votes": votes,
    "price": price,
    "peek": peek,
    "slide": slide,
    "envelope": envelope,
    "chosen": chosen,
    "budget": budget_picture,
    "mask": mask,
    "root": root,
    "push": push,
    "pair": pair,
    "wrong": wrong,
    "hunt": hunt,
}

__all__ = ["PICTURES", "Picture"]
