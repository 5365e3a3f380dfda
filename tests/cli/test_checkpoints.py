"""The table of what was measured: every log once, and the best of each kind at the common votes."""

from dataclasses import replace

import pytest

from rsviz.checkpoints.catalog import Card, Checkpoint, Difference, Measured, Precision
from rsviz.cli.checkpoints import markdown_table

AT = {r: 0.5 for r in ("0", "0.25", "0.5", "0.75", "1", "1.5")}


def log(name, n, acr, engine="", **more):
    return Measured(log=name, sigma=0.5, n=n, acr=acr, accuracy=AT, engine=engine, **more)


@pytest.fixture
def found(tmp_path):
    beside = Difference(0.0, -0.1, 0.1, "certified.csv")
    in_int8 = (
        log("certified-int8.csv", 2_000, 0.41, "openvino int8", difference=beside),
        log("certified-n10000.csv", 10_000, 0.45, "openvino int8"),
        log("certified-n100000.csv", 100_000, 0.5, "openvino int8"),
    )
    card = Card(
        name="a", method="gaussian", dataset="shapes", measured=(log("certified.csv", 2_000, 0.4),),
        precisions={"int8": Precision(measured=in_int8)},
    )  # fmt: skip
    return [Checkpoint("a", tmp_path, card, "", None)]


def cells(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_a_log_that_no_float32_is_beside_is_told_with_what_it_was_counted_in(found):
    """One that is beside float32 says the same again."""
    told = [(sigma, n, acr) for _, sigma, _, n, acr, *_ in cells(markdown_table(found))]
    assert told == [
        ("0.5", "2,000", "0.400"),
        ("0.5, int8", "10,000", "0.450"),
        ("0.5, int8", "100,000", "0.500"),
    ]


def test_the_best_is_that_of_most_votes_up_to_those_of_the_others(found):
    more = replace(found[0], name="b", card=Card(
        name="b", method="gaussian", dataset="shapes", measured=(log("c.csv", 10_000, 0.44),)
    ))  # fmt: skip
    assert [row[0] for row in cells(markdown_table([*found, more], best=True))] == ["`a`"]
    assert cells(markdown_table([more], best=True))[0][4] == "0.440"
