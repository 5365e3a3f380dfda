"""Compare's view of experiments: without logs, with shipped ones, and from an address."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rsviz.checkpoints import catalog
from rsviz.evaluation import experiment_rows
from rsviz.evaluation.experiments import EXPERIMENTS, find

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture(scope="module")
def shipped():
    at = AppTest.from_file(APP, default_timeout=120)
    at.query_params["view"] = "Experiments"
    at.query_params["experiment"] = "split"
    at.run()
    at.switch_page("pages/compare.py").run()
    assert not at.exception and not at.error
    return at


def text(at):
    return " ".join(element.value for element in (*at.markdown, *at.caption))


def test_a_link_opens_its_experiment_with_its_numbers_and_commands(shipped):
    assert shipped.selectbox(key="experiment").value == "split" and not shipped.warning
    found = experiment_rows.result(find("split"), catalog.root())
    assert found.headline in text(shipped) and "Radii are Linf" in text(shipped)
    drawn = json.loads(shipped.get("plotly_chart")[0].proto.spec)["data"]
    assert {t["name"] for t in drawn} == set(find("split").series)
    rows = shipped.dataframe[0].value
    assert len(rows) == len(find("split").points)
    assert "python -m rsviz evaluate" in " ".join(c.value for c in shipped.code)
    for judged in found.judged:
        assert judged.expected.text in text(shipped)


def test_another_measure_is_read_from_the_same_logs(shipped):
    control = shipped.segmented_control(key="measure")
    control.set_value("accuracy at 0").run()
    assert not shipped.exception and "accuracy at 0" in shipped.dataframe[0].value
    shipped.segmented_control(key="measure").set_value("ACR").run()


def test_every_experiment_without_logs_says_how_it_is_measured(open_page):
    at = open_page("compare", view="Experiments")
    for experiment in EXPERIMENTS:
        at.selectbox(key="experiment").set_value(experiment.key).run()
        assert not at.exception and not at.error and not at.warning, experiment.key
        assert "Not measured yet." in text(at)
        assert experiment.points[0].command in at.code[0].value


def test_an_unknown_experiment_or_measure_is_one_sentence(open_page):
    at = open_page("compare", view="Experiments", experiment="nothing")
    assert not at.exception and len(at.warning) == 1
    assert "experiment=nothing" in at.warning[0].value
    at = open_page("compare", view="Experiments", experiment="split", measure="luck")
    assert len(at.warning) == 1 and "measure=luck" in at.warning[0].value
