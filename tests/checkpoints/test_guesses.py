"""The normalisation of a foreign network is guessed, and held against noisy test images."""

import pytest
import torch

from rsviz.checkpoints import catalog, foreign, guesses, weights
from rsviz.data import datasets
from rsviz.networks.normalisation import Normalisation, of_dataset
from tests.checkpoints.test_foreign import STATE, named, saved


def read(content, dataset="shapes"):
    return foreign.read_foreign(saved(content), "a.pt", dataset)


@pytest.mark.parametrize(
    ("prefix", "likeliest"),
    [
        ("1.", "mean-std"),
        ("module.1.", "mean-std"),
        ("1.module.", "mean-std"),
        ("", "none"),
        ("module.", "none"),
        ("model.", "none"),
        ("_orig_mod.", "none"),
        ("_orig_mod.1.", "mean-std"),
    ],
)
def test_the_guess_follows_the_names_of_the_weights(prefix, likeliest):
    assert guesses.guess(read(named(STATE, prefix)))[0] == likeliest


@pytest.fixture(scope="module")
def shipped():
    """A shipped network of Shapes, as a file of the field would hold it."""
    net = weights.load(catalog.find("shapes-gaussian-0.25"), ready=False)
    return {f"module.{key}": value for key, value in net[1].state_dict().items()}


def test_each_choice_is_held_against_the_same_noisy_images(shipped):
    found = read({"net": shipped})
    among = guesses.choices(found, "shapes")
    accuracy = guesses.accuracy_of_each(found, "shapes", 0.25, among)
    assert set(accuracy) == {"none", "mean-std", "mean"}
    data = datasets.load("shapes", "test")
    at_N = torch.linspace(0, len(data) - 1, guesses.IMAGES).round().long()
    x_NCHW = data.x_NCHW[at_N].float() / 255
    noise = torch.randn(x_NCHW.shape, generator=torch.Generator().manual_seed(0))
    net = weights.load(catalog.find("shapes-gaussian-0.25"))
    with torch.no_grad():
        right = net(x_NCHW + 0.25 * noise).argmax(1) == data.y_N[at_N]
    assert accuracy["mean-std"] == pytest.approx(float(right.float().mean()), abs=0.01)
    assert accuracy["mean-std"] > accuracy["none"] + guesses.MUCH
    said = guesses.doubt(accuracy, among, Normalisation(), 10)
    assert "0.25" in said and f"{100 * accuracy['mean-std']:.0f} %" in said
    assert guesses.doubt(accuracy, among, of_dataset("shapes"), 10) == ""


def test_without_the_images_nothing_is_checked(monkeypatch, shipped):
    monkeypatch.setattr(datasets, "available", lambda name: False)
    found = read({"net": shipped})
    among = guesses.choices(found, "shapes")
    assert guesses.accuracy_of_each(found, "shapes", 0.25, among) == {}
    assert guesses.doubt({}, among, Normalisation(), 10) == ""


def test_a_network_that_only_guesses_is_told():
    among = guesses.choices(read({"net": STATE}), "shapes")
    accuracy = {"none": 0.09, "mean-std": 0.11, "mean": 0.1}
    assert "at most" in guesses.doubt(accuracy, among, Normalisation(), 10)
    assert guesses.doubt({**accuracy, "none": 0.21}, among, Normalisation(), 10) == ""


def test_answers_that_are_not_numbers_are_never_right():
    """Weights may be numbers and the answers still none; argmax of a row of NaN is class 0."""
    state = dict(STATE)
    for key, value in state.items():
        if value.is_floating_point() and value.ndim > 1:
            state[key] = torch.full_like(value, 1e30)
    found = read({"net": state})
    accuracy = guesses.accuracy_of_each(found, "shapes", 0.25, {"none": Normalisation()})
    assert accuracy == {"none": 0.0}
