"""Compare's view of networks, on the shipped ones."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rsviz.checkpoints import catalog

APP = str(Path(__file__).parents[2] / "app.py")
WIDE = "cifar10-consistency-w64-0.5"


@pytest.fixture(scope="module")
def opened():
    at = AppTest.from_file(APP, default_timeout=120)
    at.query_params["view"] = "Networks"
    at.query_params["about"] = WIDE
    at.run()
    at.switch_page("pages/compare.py").run()
    assert not at.exception and not at.error
    return at


def text(at):
    return " ".join(m.value for m in at.markdown)


def test_a_link_opens_the_card_of_its_network_beside_its_published_namesake(opened):
    assert opened.selectbox(key="about").value == WIDE
    card = catalog.find(WIDE).card
    assert "Consistency" in text(opened) and "continues from `cifar10-gaussian-w64-0.5`" in text(
        opened
    )
    (far,) = [m for m in card.precisions["bfloat16"].measured if m.n == 100_000]
    told = [card.command, card.measured[0].command, far.command]
    assert [c.value for c in opened.code] == told
    assert "In int8 its ACR is" in text(opened) and "In bfloat16 its ACR is" in text(opened)
    assert [e.label.split(": ")[1] for e in opened.expander if "Measured" in e.label][1:] == [
        "σ 0.5, n 100,000, test, every 20th, torch bfloat16"
    ]
    drawn = json.loads(opened.get("plotly_chart")[0].proto.spec)["data"]
    names = [t["name"] for t in drawn if t.get("name")]
    assert names[0].startswith(WIDE)
    # Ours of most votes comes first, and what papers have of those images and votes is like it.
    assert "n 100,000" in names[0]
    (beside,) = [n for n in names if n.startswith("Consistency, Sun et al. 2025") and "≠" not in n]
    assert beside == "Consistency, Sun et al. 2025, σ 0.5, every 20th"


def test_filters_narrow_the_table_and_none_left_is_said(opened):
    opened.multiselect(key="in_method").set_value(["macer"]).run()
    rows = opened.dataframe[0].value
    assert set(rows["method"]) == {"MACER"} and len(rows) >= 3
    opened.text_input(key="find").set_value("no such network").run()
    assert "No network passes these filters" in opened.info[0].value
    opened.text_input(key="find").set_value("").run()
    opened.multiselect(key="in_method").set_value([]).run()
    assert len(opened.dataframe[0].value) > 40


def test_every_network_has_a_card_without_an_error(opened):
    for c in catalog.list_checkpoints()[::6]:
        opened.selectbox(key="about").set_value(c.name).run()
        assert not opened.exception and not opened.error, c.name


def test_a_network_measured_in_int8_alone_has_a_card_too(opened):
    name = "cifar10-ensemble-best-1.0"
    assert not catalog.find(name).card.measured
    opened.selectbox(key="about").set_value(name).run()
    assert not opened.exception and not opened.error
    assert any("It is made of `cifar10-consistency-w64-1.0`" in m.value for m in opened.markdown)
    assert opened.get("plotly_chart") and any("int8" in e.label for e in opened.expander)
