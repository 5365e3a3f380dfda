"""What a chapter of Learn is made of, as data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """One slider of a scene: its steps, where it starts, and the glossary term that explains it."""

    key: str
    label: str
    options: tuple[float | int, ...]
    default: float | int
    format: str = "{:g}"
    term: str = ""
    names: tuple[str, ...] = ()  # shown in place of the steps, one for each

    def show(self, option: float | int) -> str:
        """Return what the slider says at a step."""
        if self.names:
            return self.names[self.options.index(option)]
        return self.format.format(option)


@dataclass(frozen=True)
class Question:
    """A prediction the reader makes before the answer, which the picture computes, is shown."""

    prompt: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """The way into a live page with everything set."""

    page: str
    label: str
    query: Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Scene:
    """One idea: what is said, what can be moved, what is asked, where it leads."""

    key: str
    title: str
    sentences: tuple[str, str, str]
    controls: tuple[Control, ...]
    question: Question
    link: Link


@dataclass(frozen=True)
class Chapter:
    """A few scenes under one heading; ``slug`` is its name in the address bar."""

    number: int
    slug: str
    title: str
    scenes: tuple[Scene, ...]
