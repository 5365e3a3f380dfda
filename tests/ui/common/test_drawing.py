"""Pages are drawn one at a time, first those of who has seen nothing, and nobody waits for long."""

import threading
import time

import pytest

from rsviz.ui.common import drawing
from rsviz.ui.common.drawing import Line
from tests.helpers import wait


class Pages:
    """Pages that draw in threads of their own, and what of them was drawn when."""

    def __init__(self):
        self.line, self.drawn, self.held, self.threads = Line(), [], {}, []

    def open(self, name, first=True, aside=False, halves=False):
        """Begin to draw a page, in halves if so; it goes on when ``held[name]`` is set."""
        held, there = self.held.setdefault(name, threading.Event()), len(self.line._pages) + 1

        def draw():
            with self.line.turn(first):
                self.drawn.append(name)
                if aside:
                    with self.line.aside():
                        held.wait(10)
                    self.drawn.append(f"{name} again")
                else:
                    held.wait(10)
                if halves:
                    self.line.give_way()
                    self.drawn.append(f"{name} below")

        self.threads.append(threading.Thread(target=draw))
        self.threads[-1].start()
        wait(lambda: len(self.line._pages) >= there)

    def end(self):
        for held in self.held.values():
            held.set()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()
        assert not self.line._pages
        return self.drawn


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.setattr(drawing, "PATIENCE", 60.0)
    monkeypatch.setattr(drawing, "LONGEST", 60.0)
    monkeypatch.setattr(drawing, "LOOK", 0.02)
    return Pages()


def test_one_page_at_a_time_and_first_pages_first_as_they_came(pages):
    pages.open("a")
    pages.open("look", first=False)
    for name in "bcd":
        pages.open(name)
    time.sleep(0.1)
    assert pages.drawn == ["a"]
    assert pages.end() == ["a", "b", "c", "d", "look"]


def test_who_waits_for_votes_lets_others_draw_and_keeps_its_place(pages):
    pages.open("a", aside=True)
    pages.open("b")
    wait(lambda: pages.drawn == ["a", "b"])
    pages.open("c")
    pages.held["a"].set()
    wait(lambda: sum(page.waits for page in pages.line._pages) == 2)
    assert pages.end() == ["a", "b", "a again", "c"]


def test_who_is_next_is_woken_and_nobody_else(pages, monkeypatch):
    monkeypatch.setattr(drawing, "LOOK", 60.0)  # nobody looks by itself
    looks, names = [], [f"{i}" for i in range(20)]
    next_page = Line._next
    monkeypatch.setattr(Line, "_next", lambda line: looks.append(line) or next_page(line))
    for name in names:
        pages.open(name)
    assert pages.end() == names
    assert len(looks) < 6 * len(names)  # all that wait, each time, would be 200 and more


def test_what_is_below_the_first_votes_waits_for_those_of_others(pages):
    pages.open("a", halves=True)
    pages.open("look", first=False)
    pages.open("b", halves=True)
    pages.open("again", first=False, halves=True)  # has the whole of its turn
    time.sleep(0.05)
    drawn = pages.end()
    assert drawn[:2] == ["a", "b"] and drawn.index("a below") < drawn.index("b below")
    assert drawn.index("again below") == drawn.index("again") + 1 and len(drawn) == 7
    pages.line.give_way()  # a thread that draws nothing


def test_a_page_that_runs_again_is_put_off_for_a_while_only(pages, monkeypatch):
    pages.open("a")
    pages.open("look", first=False)
    pages.open("b")
    time.sleep(0.05)
    monkeypatch.setattr(drawing, "PATIENCE", 0.01)  # it came before b
    assert pages.end() == ["a", "look", "b"]


def test_a_page_that_takes_long_holds_nobody_up(pages, monkeypatch):
    pages.open("stuck")
    pages.open("b")
    time.sleep(0.05)
    assert pages.drawn == ["stuck"]
    monkeypatch.setattr(drawing, "LONGEST", 0.01)
    wait(lambda: pages.drawn == ["stuck", "b"])
    pages.end()


def test_a_part_of_a_page_has_the_turn_of_the_page(pages):
    with pages.line.turn(), pages.line.turn(first=True):
        assert len(pages.line._pages) == 1
    with pages.line.aside():  # a thread that draws nothing
        pass
    with pytest.raises(ZeroDivisionError), pages.line.turn():
        raise ZeroDivisionError
    assert not pages.line._pages


def test_votes_pass_only_first_pages_that_wait_and_only_so_long(pages):
    go_on, stopped = threading.Event(), threading.Event()
    stopped.set()
    pages.open("a")
    assert pages.line.let_pass(5, go_on) < 1  # it draws, perhaps these very votes
    pages.open("look", first=False)
    assert not pages.line.is_long
    pages.open("b")
    assert pages.line.is_long
    assert 0.05 <= pages.line.let_pass(0.05, go_on) < 1
    assert pages.line.let_pass(5, stopped) < 1
    threading.Timer(0.05, pages.held["a"].set).start()
    assert pages.line.let_pass(5, go_on) < 2
    pages.end()
