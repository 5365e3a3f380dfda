import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.networks import classifiers, normalisation
from rsviz.networks.normalisation import Normalisation, parse

OWN = Normalisation((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))


@pytest.mark.parametrize(
    "text",
    [
        "0.49,0.48,0.45/0.25,0.24,0.26",
        "0.49, 0.48, 0.45 / 0.25, 0.24, 0.26",
        "(0.49 0.48 0.45) / [0.25;0.24;0.26]",
        ".49,.48,.45/.25,.24,.26",
    ],
)
def test_numbers_are_read_as_people_write_them(text):
    assert parse(text) == OWN


def test_one_number_is_for_every_channel():
    assert parse("0.5/0.25") == Normalisation((0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    "how",
    [OWN, Normalisation(), normalisation.of_dataset("cifar10"), normalisation.mean_only("cifar10")],
)
def test_what_is_written_is_read_again_and_so_is_a_card(how):
    assert parse(str(how)) == how
    assert normalisation.of_card(normalisation.to_card(how)) == how


def test_none_is_none():
    assert str(Normalisation()) == "none"
    assert parse(" None ") == Normalisation()
    assert normalisation.of_card(None) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no normalisation"),
        ("0.5", "is no normalisation"),
        ("a/b", "is no normalisation"),
        ("0.5,0.5/0.25", "is no normalisation"),
        ("0.5/0.25/0.1", "is no normalisation"),
        ("125.3,123,113.9/63,62.1,66.7", "divide"),
        ("0.5/0", "above 0"),
        ("-0.1/0.25", "between 0 and 1"),
        ("nan/0.25", "three means"),
        ("0.5/inf", "three means"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(text, says):
    with pytest.raises(UserError, match=says):
        parse(text)


@pytest.mark.parametrize("stated", [{}, {"mean": 1, "std": 2}, {"mean": [0, 0], "std": [1, 1]}])
def test_a_card_that_states_something_else_is_refused_in_a_sentence(stated):
    with pytest.raises(UserError, match="three means and three stds"):
        normalisation.of_card(stated)


@pytest.mark.parametrize("how", [OWN, Normalisation()])
def test_it_stands_in_front_of_the_network(how):
    x = torch.rand(2, 3, 32, 32)
    torch.manual_seed(0)
    net = classifiers.build("compact", "cifar10", normalisation=how).eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (how.mean, how.std))
    with torch.no_grad():
        assert torch.allclose(net(x), net[1]((x - mean) / std), atol=1e-6)
    if how == Normalisation():
        assert torch.equal(net[0](x), x)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (Normalisation(), "pixels are taken as they are, from 0 to 1"),
        (normalisation.mean_only("cifar10"), "nothing is divided"),
        (OWN, r"the mean \(0.49, 0.48, 0.45\) is subtracted .* std \(0.25, 0.24, 0.26\)"),
    ],
)
def test_it_is_said_in_words(how, says):
    import re

    assert re.search(says, normalisation.in_words(how))
