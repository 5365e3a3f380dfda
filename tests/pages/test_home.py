import json
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from rsviz.checkpoints import weights
from rsviz.data import shapes
from rsviz.networks import classifiers

APP = str(Path(__file__).parents[2] / "app.py")


def figure(at):
    return json.loads(at.get("plotly_chart")[0].proto.spec)


@pytest.fixture
def empty(monkeypatch, tmp_path):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """A network that says 'heart' of nearly everything: its last bias is set so."""
    torch.manual_seed(0)
    net = classifiers.build("compact", "shapes")
    with torch.no_grad():
        list(net.parameters())[-1][shapes.CLASSES.index("heart")] += 100
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}
    weights.save(net, tmp_path / "shapes-gaussian-0.5", card)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))


def test_home_is_not_blank_without_any_checkpoint(empty):
    at = AppTest.from_file(APP, default_timeout=60).run()
    assert not at.error and not at.exception
    assert any("Randomized smoothing" in m.value for m in at.markdown)
    assert any(t.get("name") == "disc certified by the votes" for t in figure(at)["data"])


def test_home_counts_real_votes_and_says_what_they_prove(trained):
    at = AppTest.from_file(APP, default_timeout=60).run()
    assert not at.error and not at.exception
    votes = figure(at)["data"][0]
    assert votes["y"][0] == "heart" and votes["text"][0] == "400"
    # The ceiling of 400 votes, .5 PhiInv(.001^(1/400)) = 1.0577, is never rounded up.
    assert "R = 1.05" in at.success[0].value


def test_the_radius_follows_the_noise(trained):
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.select_slider(key="sigma").set_value(1.0).run()
    assert "R = 2.11" in at.success[0].value


def test_a_link_opens_the_very_picture_and_nonsense_the_usual_one(trained):
    at = AppTest.from_file(APP, default_timeout=60)
    at.query_params["sigma"] = "0.25"
    assert at.run().select_slider(key="sigma").value == 0.25
    at = AppTest.from_file(APP, default_timeout=60)
    at.query_params["sigma"] = "<b>"
    assert at.run().select_slider(key="sigma").value == 0.5
    assert not at.error


def test_a_wrong_answer_that_is_certified_is_called_wrong(trained):
    at = AppTest.from_file(APP, default_timeout=60).run()
    assert at.success and not at.error
    at.segmented_control(key="picture").set_value("arrow").run()
    assert not at.success
    assert "Certified, and wrong" in at.error[0].value
