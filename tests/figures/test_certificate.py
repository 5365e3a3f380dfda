import json
from html import escape

from rsviz.core import reading, stopping
from rsviz.core.live_bounds import Trace
from rsviz.core.spec import RunSpec, Votes
from rsviz.figures import ballot, certificate

CLASSES = ("disc", "ring", "star")


def bars(figure):
    """Each class of a figure: its votes, their share, and the name of its group of bars."""
    return {
        label: (votes, share, group.name)
        for group in figure.data
        for label, votes, share in zip(group.y, group.x, group.customdata, strict=True)
    }


def test_bars_hold_every_class_in_its_place_and_mark_the_chosen():
    figure = certificate.vote_bars((5, 0, 15), CLASSES, 2)
    assert bars(figure) == {
        "disc": (5, 0.25, "other classes"),
        "ring": (0, 0, "other classes"),
        "star": (15, 0.75, "chosen class"),
    }
    assert list(figure.layout.yaxis.categoryarray) == list(CLASSES)
    assert figure.layout.yaxis.categoryorder == "array"
    chosen, others = figure.data
    assert chosen.marker.color != others.marker.color
    assert (list(chosen.text), list(others.text)) == (["15"], ["5", "0"])


def test_the_axis_of_votes_reads_as_shares_and_marks_one_half():
    figure = certificate.vote_bars((5, 0, 15), CLASSES, 2)
    axis = figure.layout.xaxis
    assert dict(zip(axis.ticktext, axis.tickvals, strict=True))["50%"] == 10
    assert axis.range[1] > 20  # room for the count beside a full bar
    assert [(s.name, s.x0) for s in figure.layout.shapes] == [("half of the votes", 10)]


def test_bars_before_the_first_vote_are_empty():
    found = bars(certificate.vote_bars((), CLASSES, None))
    assert found == dict.fromkeys(CLASSES, (0, 0, "other classes"))


def names(figure):
    return [trace.name for trace in figure.data]


def test_the_trace_shows_clopper_pearson_only_when_there_is_one():
    line = Trace((100, 200), (0.1, 0.2), (0.5, 1.1))
    running = certificate.radius_trace(line, 1000, 1.2, None).figure()
    done = certificate.radius_trace(line, 1000, 1.2, 0.7).figure()
    assert not [n for n in names(running) if "Clopper" in n]
    (point,) = [t for t in done.data if "Clopper" in t.name]
    assert (point.x[0], point.y[0]) == (1000, 0.7)
    (band,) = [t for t in running.data if "may still end" in t.name]
    assert tuple(band.y) == (0.5, 1.1, 0.2, 0.1)


def test_axes_name_their_units():
    figure = certificate.radius_trace(Trace(), 1000, 1.2, None).figure()
    assert figure.layout.xaxis.title.text == "votes"
    assert "pixels in [0, 1]" in figure.layout.yaxis.title.text


def test_words_say_what_the_trace_shows_and_round_down():
    text = certificate.trace_in_words(Trace((100,), (0.1239,), (0.5009,)), 1.2268)
    assert "0.123" in text and "0.500" in text and "1.226" in text
    assert "No votes" in certificate.trace_in_words(Trace(), 1.2)


def test_words_name_the_leading_classes():
    assert certificate.votes_in_words((5, 0, 15), CLASSES) == "Votes by class: star 15, disc 5."
    assert "No votes" in certificate.votes_in_words((), CLASSES)


def test_votes_lie_on_a_log_axis_that_holds_all_of_them():
    line = Trace((100, 200, 800), (0.1, 0.2, 0.3), (0.5, 1.1, 1.0))
    figure = certificate.radius_trace(line, 10_000, 1.2, 0.7).figure()
    axis = figure.layout.xaxis
    assert axis.type == "log" and 10 ** axis.range[0] < 100 and 10 ** axis.range[1] > 10_000
    assert all(x > 0 for trace in figure.data for x in trace.x)


def test_a_question_is_drawn_with_the_boundaries_that_settle_it():
    spec = RunSpec("i", "c", 0.5, n0=10, n=2_000, until_radius=0.25)
    select = Votes("select", (0, 10), 10, "complete")
    moments = [
        reading.read(select, Votes("bound", (n // 5, n - n // 5), 2_000, ended), spec, "g")
        for n, ended in ((50, "running"), (100, "running"), (150, "settled"))
    ]
    plain, told = certificate.radius_of_run(moments[-1], moments)
    figure = plain.figure()
    plan = stopping.plan_of(moments[-1])
    yes, no, needed, share = figure.data
    assert "yes" in yes.name and "no certificate" in no.name and set(needed.y) == {plan.p}
    assert list(share.x) == [50, 100, 150] and list(share.y) == [0.8, 0.8, 0.8]
    at = dict(zip(yes.x, yes.y, strict=True))
    assert min(at.values()) > plan.p > max(no.y) and at[2_000] == min(at.values())
    assert figure.layout.xaxis.type == "log"
    assert "After 150 votes the share is 0.800" in told and moments[-1].detail["why"] in told


def test_a_class_is_named_as_text_whatever_it_holds():
    link = '<a href="https://example.org">a</a>'
    drawn = (
        certificate.vote_bars([3, 1], (link, "b"), 0),
        ballot.tally([3, 1], (link, "b"), 0, 0.6),
    )
    for figure in drawn:
        assert escape(link) in {name for group in figure.data for name in group.y or ()}


def test_a_run_read_in_the_two_class_form_is_drawn_in_it_to_its_end():
    """A page keeps its readings as they came in, in the field's form, and reads the last anew."""
    spec = RunSpec("i", "c", 0.5, n0=1, n=2_000, bound="split")
    moments = [
        reading.read(
            Votes("select", (1, 0, 0), 1, "complete"),
            Votes("bound", (9 * n // 10, n // 15, n // 10 - n // 15), 2_000, ended),
            spec,
            "",
        )
        for n, ended in ((300, "running"), (900, "running"), (2_000, "complete"))
    ]
    c = reading.two_sided(moments[-1])
    assert c.radius > moments[-1].radius + 0.04
    figure = certificate.radius_of_run(c, moments)[0].figure()
    (line,) = [t for t in figure.data if t.name == "certified so far"]
    (band,) = [t for t in figure.data if "may still end" in t.name]
    assert line.y[-1] == c.radius and max(band.y[: len(line.y)]) >= c.radius
    assert band.y[len(line.y) - 1] >= c.radius


def test_what_changes_while_votes_come_in_is_drawn_as_plotly_would():
    spec = RunSpec("i", "c", 0.5, n0=10, n=200, until_radius=0.25)
    select, bound = (
        Votes("select", (0, 10), 10, "complete"),
        Votes("bound", (9, 41), 200, "running"),
    )
    asked = reading.read(select, bound, spec, "g")
    line = Trace((100, 200, 800), (0.1, 0.2, 0.3), (0.5, 1.1, 1.0))
    for figure in (
        certificate.plain_bars((5, 0, 15), CLASSES, 2),
        certificate.plain_bars((), CLASSES, None),
        certificate.radius_trace(line, 10_000, 1.2, 0.7),
        certificate.radius_of_run(asked, [asked])[0],
    ):
        found, checked = json.loads(figure.to_json()), json.loads(figure.figure().to_json())
        for one in (found, checked):  # the page's own is laid over it; arrays are packed
            one["layout"].pop("template", None)
        assert found["layout"] == checked["layout"]
        for here, there in zip(found["data"], checked["data"], strict=True):
            assert set(here) == set(there)
            packed = {
                key for key in there if isinstance(there[key], dict) and "bdata" in there[key]
            }
            assert packed <= {"x", "y"}
            assert {k: here[k] for k in set(here) - packed} == {
                k: there[k] for k in set(there) - packed
            }
