import json
from dataclasses import dataclass

import msgspec
import pytest

from rsviz.checkpoints import catalog
from rsviz.core.errors import UserError
from rsviz.core.records import Count, Share, read_record
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec
from rsviz.evaluation import examples, logs
from tests.helpers import constant_network, make_checkpoints

SPEC = RunSpec("shapes/test/3", "net", 0.5, settings=(("lam", 0.2), ("levels", "1,2")))
CERTIFICATE = Certificate(
    predicted=2,
    abstained=False,
    norm=Norm.L2,
    radius=0.25,
    sigma=0.5,
    counts=(0, 1, 99),
    n0=10,
    n=100,
    alpha=0.001,
    p_a_lower=0.9,
    seed=0,
    method="gaussian",
    checkpoint="net",
    guarantee="so it is",
    stages={"predict": [1, 2]},
    detail={"why": "so"},
)


def certificate(**changes):
    stated = json.loads(CERTIFICATE.to_json()) | changes
    del stated["check"]  # as certificates made before had none
    return Certificate.from_json(json.dumps(stated))


def test_a_certificate_comes_back_as_it_was():
    assert certificate() == CERTIFICATE
    assert type(certificate().norm) is Norm and type(certificate().bound) is Bound
    assert certificate(radius=0).radius == 0.0  # a whole number is a number


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"radius": "wide"}, "radius must be a number, not text"),
        ({"radius": True}, "radius must be a number, not true or false"),
        ({"radius": float("nan")}, "radius must be a number of at least 0"),
        ({"radius": float("inf")}, "radius must be a number of at most 1,000,000"),
        ({"radius": -0.1}, "radius must be a number of at least 0"),
        ({"p_a_lower": 1.1}, "p_a_lower must be a number of at most 1"),
        ({"predicted": 1.5}, "predicted must be a whole number or empty, not a number"),
        ({"abstained": "no"}, "abstained must be true or false, not text"),
        ({"counts": "many"}, "counts must be a list, not text"),
        ({"counts": [1, -2]}, r"counts\[1\] must be a whole number of at least 0"),
        ({"norm": "L7"}, "norm cannot be 'L7'"),
        ({"ended": "soon"}, "ended cannot be 'soon'"),
        ({"stages": 3}, "stages must be a list of names with values, not a whole number"),
        ({"stages": {"x": [1, "two"]}}, r"stages\[1\] must be a whole number, not text"),
        ({"settings": {"q": [1]}}, "settings must be a number or text, not a list"),
        ({"alpha": None}, "alpha must be a number, not empty"),
        ({"surprise": 1}, "it has an unknown entry, surprise"),
    ],
)
def test_what_is_no_certificate_is_refused_in_one_sentence(changes, says):
    with pytest.raises(UserError, match=f"^This file is not an rsviz certificate: {says}.$"):
        certificate(**changes)


@pytest.mark.parametrize("text", ["", "[1]", "null", "7", "{}", "{", "[" * 100_000])
def test_what_is_no_record_at_all_is_refused_too(text):
    with pytest.raises(UserError, match="not an rsviz certificate"):
        Certificate.from_json(text)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("[" * 100_000 + "]" * 100_000, "it is nested too deeply"),
        ("9" * 5000, "a number in it has too many digits"),
    ],
)
def test_what_python_cannot_hold_is_refused_in_words_of_ours(value, says):
    text = CERTIFICATE.to_json().replace('"seed": 0', f'"seed": {value}')
    with pytest.raises(UserError, match=f"^This file is not an rsviz certificate: {says}.$"):
        Certificate.from_json(text)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sigma": "loud"}, "its card is wrong: sigma must be a number or empty, not text"),
        ({"sigma": -1}, "its card is wrong: sigma must be"),
        ({"measured": 3}, "its card is wrong: measured must be a list"),
        ({"measured": [{"n": "many"}]}, r"measured\[0\], n must be a whole number, not text"),
        ({"run": {"lam": []}}, "its card is wrong: run must be a number or text"),
        ({"members": [{"name": 7}]}, r"members\[0\], name must be text"),
    ],
)
def test_a_card_of_another_shape_is_a_problem_in_words(tmp_path, changes, says):
    made = constant_network(tmp_path / "net")
    catalog.write_card(made.folder, dict(made.stored) | changes)
    found = catalog.inspect(made.folder)
    with pytest.raises(UserError, match=f"^Checkpoint net cannot be used: .*{says}"):
        found.require_usable()
    assert found.card == catalog.Card()


def test_a_card_may_hold_more_than_is_read(tmp_path):
    made = constant_network(tmp_path / "net")
    catalog.write_card(made.folder, dict(made.stored) | {"colour": "red"})
    found = catalog.inspect(made.folder)
    assert found.verified and found.card == made.card and found.stored["colour"] == "red"


def test_every_shipped_card_example_and_log_reads(tmp_path):
    for checkpoint in catalog.list_checkpoints():
        assert checkpoint.problem is None
        for measured in checkpoint.card.measured:
            file = checkpoint.folder / measured.log
            with file.open(encoding="utf-8") as lines:
                head = logs.read_head(next(lines), measured.log)
            assert (head.n, head.alpha, head.sigma) == (measured.n, measured.alpha, measured.sigma)
        if (checkpoint.folder / examples.FILE).is_file():
            assert examples.load(checkpoint)
    made = make_checkpoints(tmp_path / "made")
    assert examples.load(catalog.find("shapes-constant", made))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n": "many"}, "n must be a whole number, not text"),
        ({"n": 0}, "n must be a whole number from 1"),
        ({"sigma": 11}, "sigma must be"),
        ({"norm": "L0"}, "norm cannot be 'L0'"),
        ({"dataset": None}, "dataset must be text, not empty"),
    ],
)
def test_a_head_of_another_shape_is_refused(changes, says):
    spec = {"dataset": "shapes", "method": "m", "network": "n", "sigma": 0.5, "n0": 1, "n": 9}
    spec |= {"alpha": 0.01} | changes
    with pytest.raises(UserError, match=says):
        logs.read_head("# " + json.dumps({"format": logs.FORMAT, "spec": spec}), "log")


def test_a_limit_a_struct_and_a_dataclass_are_told_alike():
    class Loose(msgspec.Struct):
        share: Share = 0.0

    @dataclass(frozen=True)
    class Strict:
        count: Count = 0

    assert read_record({"share": 1, "more": 2}, Loose, "It").share == 1
    with pytest.raises(UserError, match=r"^It: share must be a number of at most 1.$"):
        read_record({"share": 1.01}, Loose, "It")
    with pytest.raises(
        UserError, match=r"^It: count must be a whole number of at most 10,000,000.$"
    ):
        read_record({"count": 10**8}, Strict, "It")
    with pytest.raises(UserError, match=r"^It: it has an unknown entry, more.$"):
        read_record({"more": 2}, Strict, "It")


def flipped(text, at, bit):
    data = bytearray(text.encode())
    data[at] ^= 1 << bit
    return bytes(data).decode("utf-8", "replace")


def test_a_certificate_of_which_any_bit_is_flipped_is_refused_or_the_same():
    text = CERTIFICATE.to_json()
    for at in range(len(text)):
        for bit in range(8):
            try:
                c = Certificate.from_json(flipped(text, at, bit))
            except UserError as error:
                assert len(str(error)) < 300
                continue
            if '"check"' in flipped(text, at, bit):  # else the flip took away that there was one
                assert c == CERTIFICATE, (at, bit)


def test_a_card_of_which_any_bit_is_flipped_is_refused_or_the_same(tmp_path):
    made = constant_network(tmp_path / "net")
    file = made.folder / catalog.CARD
    text = file.read_text()
    for at in range(0, len(text), 3):
        for bit in range(8):
            file.write_bytes(flipped(text, at, bit).encode())
            found = catalog.inspect(made.folder)
            if '"check"' in flipped(text, at, bit) and found.problem is None:
                assert found.card == made.card, (at, bit)
    stated = json.loads(text)
    del stated["check"]  # as cards made before have none
    file.write_text(json.dumps(stated))
    assert catalog.inspect(made.folder).verified
    file.write_text(json.dumps(json.loads(text) | {"sigma": 0.25}))
    assert "it was changed since" in (catalog.inspect(made.folder).problem or "")
