import pytest

from rsviz.teaching import lessons, tour
from rsviz.ui import home
from rsviz.ui.page_list import PAGES, page_path

NAMES = [name for name, _, _ in PAGES]


def test_every_stop_is_a_page_or_left_out():
    there = tour.stops(NAMES)
    assert 5 <= len(there) <= 8
    assert all(page_path(stop.page).exists() for stop in there)
    assert [stop.page for stop in tour.stops(["compare", "home"])] == ["home", "compare"]


def test_what_stops_ask_for_exists():
    slugs = [chapter.slug for chapter in lessons.CHAPTERS]
    assert all(stop.query.get("chapter", slugs[0]) in slugs for stop in tour.STOPS)
    assert all("tour" not in stop.query for stop in tour.STOPS)


@pytest.mark.parametrize(
    ("given", "step"),
    [("1", 1), ("6", 6), ("7", None), ("0", None), ("-1", None), ("<b>", None), (None, None)],
)
def test_an_address_asks_for_a_step_or_for_nothing(given, step):
    assert tour.step_of(given, 6) == step


def test_a_card_of_home_for_every_other_page():
    assert set(NAMES[1:]) <= set(home.CARDS)
