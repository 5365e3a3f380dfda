"""What links are made by is what pages read them by: one round trip, of every control of a run."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsviz.core.spec import QUERY, Bound, RunSpec, link_to
from rsviz.teaching import lessons, tour
from rsviz.ui.common import address
from rsviz.ui.common.address import Between
from rsviz.ui.common.run_controls import OFFERED

LINKS = [s.link.query for chapter in lessons.CHAPTERS for s in chapter.scenes]
LINKS += [stop.query for stop in tour.STOPS]
RUN = RunSpec("shapes/test/3", "shapes-gaussian-0.5", 0.5)


def answers(takes):
    """Any answer that a control can give."""
    if isinstance(takes, Between):
        return st.integers(int(takes.low), int(takes.high))
    return st.sampled_from(takes)


ANSWERS = st.sampled_from(sorted(OFFERED)).flatmap(
    lambda name: st.tuples(st.just(name), answers(OFFERED[name]))
)


@settings(derandomize=True, deadline=None)
@given(answer=ANSWERS)
def test_what_a_control_answers_comes_back_from_a_link(answer):
    name, value = answer
    for query in (link_to(**{name: value}), replace(RUN, **{name: value}).to_query()):
        (back,) = address.read(name, query[name], OFFERED[name])
        assert back == value and type(back) is type(value)


def test_every_question_of_a_link_has_a_control():
    assert set(OFFERED) == set(QUERY) - {"image", "checkpoint"}
    assert set(QUERY) <= set(address.SHARED)


@settings(derandomize=True, deadline=None)
@given(name=st.sampled_from(sorted(OFFERED)), text=st.text(max_size=60))
def test_whatever_stands_in_an_address_is_an_answer_or_nothing(name, text):
    found = address.read(name, text, OFFERED[name])
    assert all(address.offers(OFFERED[name], value) for value in found)


@pytest.mark.parametrize("text", ["٣", "0x1", "1_0", " 1", "1e999", "9" * 6000, "nan", "True", ""])
@pytest.mark.parametrize("name", sorted(OFFERED))
def test_what_is_no_plain_number_is_no_answer(name, text):
    assert address.read(name, text, OFFERED[name]) == []


@pytest.mark.parametrize("query", LINKS, ids=str)
def test_links_of_lessons_and_tour_ask_for_what_there_is(query):
    run = {name: said for name, said in query.items() if name in QUERY}
    assert link_to(**{n: getattr(RUN.from_query(run), n) for n in run}) == run
    for name in set(run) & set(OFFERED):
        assert address.read(name, run[name], OFFERED[name]), name


def test_a_link_leaves_out_what_is_not_stated():
    assert link_to(image="shapes/test/3", sigma=None) == {"image": "shapes/test/3"}
    assert link_to(bound=Bound.ANYTIME, n=1000) == {"bound": "anytime", "n": "1000"}
