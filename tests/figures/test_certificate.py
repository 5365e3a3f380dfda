"""TODO: what lives here."""

from rsviz.core.live_bounds import Trace
from rsviz.figures import certificate

CLASSES = ("disc", "ring", "star")


def rows(chart):
    """The rows of the bars, wherever Altair put them in its specification."""
    found = [chart.to_dict()]
    for node in found:
        values = node.get("values") if isinstance(node, dict) else None
        if isinstance(values, list) and "class" in values[0]:
            return values
        children = node.values() if isinstance(node, dict) else node
        found += [child for child in children if isinstance(child, dict | list)]
    raise AssertionError("no bars")


def test_bars_hold_every_class_in_its_place_and_mark_the_chosen():
    found = rows(certificate.vote_bars((5, 0, 15), CLASSES, 2))
    assert [(r["class"], r["votes"], r["chosen"]) for r in found] == [
        ("disc", 5, "no"),
        ("ring", 0, "no"),
        ("star", 15, "yes"),
    ]
    assert [r["share"] for r in found] == [0.25, 0, 0.75]


def test_bars_before_the_first_vote_are_empty():
    assert [r["votes"] for r in rows(certificate.vote_bars((), CLASSES, None))] == [0, 0, 0]


def names(figure):
    return [trace.name for trace in figure.data]


def test_the_trace_shows_clopper_pearson_only_when_there_is_one():
    line = Trace((100, 200), (0.1, 0.2), (0.5, 1.1))
    running = certificate.radius_trace(line, 1000, 1.2, None)
    done = certificate.radius_trace(line, 1000, 1.2, 0.7)
    assert not [n for n in names(running) if "Clopper" in n]
    (point,) = [t for t in done.data if "Clopper" in t.name]
    assert (point.x[0], point.y[0]) == (1000, 0.7)
    (band,) = [t for t in running.data if "may still end" in t.name]
    assert tuple(band.y) == (0.5, 1.1, 0.2, 0.1)


def test_axes_name_their_units():
    figure = certificate.radius_trace(Trace(), 1000, 1.2, None)
    assert figure.layout.xaxis.title.text == "votes"
    assert "pixels in [0, 1]" in figure.layout.yaxis.title.text


def test_words_say_what_the_trace_shows_and_round_down():
    text = certificate.trace_in_words(Trace((100,), (0.1239,), (0.5009,)), 1.2268)
    assert "0.123" in text and "0.500" in text and "1.226" in text
    assert "No votes" in certificate.trace_in_words(Trace(), 1.2)


def test_words_name_the_leading_classes():
    assert certificate.votes_in_words((5, 0, 15), CLASSES) == "Votes by class: star 15, disc 5."
    assert "No votes" in certificate.votes_in_words((), CLASSES)
