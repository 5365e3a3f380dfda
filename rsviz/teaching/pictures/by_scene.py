"""The pictures of Learn: the values of a scene's controls in, a figure and what it shows out."""

from collections.abc import Callable

from rsviz.teaching.pictures.base import Picture
from rsviz.teaching.pictures.bound import peek, price
from rsviz.teaching.pictures.cascade import settles
from rsviz.teaching.pictures.levels import chosen, envelope
from rsviz.teaching.pictures.limits import hunt, wrong
from rsviz.teaching.pictures.masks import budget_picture, mask, root
from rsviz.teaching.pictures.radius import slide
from rsviz.teaching.pictures.training import pair, push
from rsviz.teaching.pictures.votes import votes

# scene key -> its picture, called with the values of the scene's controls by name
PICTURES: dict[str, Callable[..., Picture]] = {
    "votes": votes,
    "price": price,
    "peek": peek,
    "slide": slide,
    "envelope": envelope,
    "chosen": chosen,
    "settles": settles,
    "budget": budget_picture,
    "mask": mask,
    "root": root,
    "push": push,
    "pair": pair,
    "wrong": wrong,
    "hunt": hunt,
}
