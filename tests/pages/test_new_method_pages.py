"""A registered method is on the pages: its network, its controls, its certificate, its attack."""

import pytest

from rsviz.certification import attack
from rsviz.checkpoints import catalog
from rsviz.methods.registry import METHODS
from rsviz.ui import attack as attack_parts
from rsviz.ui.compare import every_network
from tests import mirror
from tests.helpers import ALWAYS, constant_network
from tests.pages.test_certify_page import NAME, press, words


@pytest.fixture
def folder(monkeypatch, tmp_path, open_page):
    """A folder with one network of the method, whose every vote is for class ALWAYS."""
    monkeypatch.setitem(METHODS, "mirror", mirror.METHOD)
    made = constant_network(tmp_path / "shapes-mirror-0.5")
    catalog.write_card(made.folder, dict(made.stored) | {"method": "mirror"})
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("RSVIZ_LOGS", str(tmp_path / "logs"))
    return tmp_path


def test_certify_shows_its_control_and_its_guarantee(folder, open_page):
    app = open_page(n=500, image="shapes/test/8")
    assert not app.exception
    assert app.selectbox(key="checkpoint").value == "shapes-mirror-0.5"
    assert app.segmented_control(key="axis").options == ["left to right", "down"]
    app.segmented_control(key="axis").set_value("down").run()
    press(app)
    assert not app.exception and f"{NAME}, certified" in words(app)
    assert mirror.GUARANTEE in words(app)
    assert ALWAYS == 4


def test_an_address_sets_its_control(folder, open_page):
    app = open_page(n=500, axis="down")
    assert app.segmented_control(key="axis").value == "down" and not app.exception


def test_it_is_attacked(folder, open_page, monkeypatch):
    quick = attack.AttackSpec
    monkeypatch.setattr(attack_parts, "BUDGETS", (0.99, 3.0))
    monkeypatch.setattr(
        attack_parts, "AttackSpec", lambda *a, **k: quick(*a, **k, steps=1, draws=1, n=100)
    )
    app = open_page("attack", n=100, image="shapes/test/8")
    assert not app.exception
    app.button(key="certify").click().run()
    assert not app.exception and "keeps its answer" in words(app)


def test_it_stands_among_the_networks_of_compare(folder, open_page, monkeypatch):
    monkeypatch.setattr(every_network, "_default", lambda: "shapes/test/5")
    app = open_page("compare", view="One image", n="100")
    assert not app.exception
    app = press(app, "all")
    assert app.dataframe[0].value.iloc[0]["network"] == "shapes-mirror-0.5"
    app = open_page("compare", view="Evaluate", n="100", which="first")
    app.number_input(key="number-first").set_value(2).run()
    app = press(app, "evaluate")
    (log,) = (folder / "logs").glob("shapes-mirror-0.5-*.csv")
    assert len(log.read_text().splitlines()) == 2 + 2 and not app.exception


@pytest.mark.parametrize("page", ["attack", "levels"])
def test_dual_rs_begins_with_the_sweep_on_both_its_pages(page, open_page, monkeypatch):
    monkeypatch.delenv("RSVIZ_CHECKPOINTS")
    found = catalog.find("shapes-dual-trunk")
    assert "rule" not in found.card.run  # which is why pages could differ
    app = open_page(page, checkpoint=found.name, image="shapes/test/3", n=100)
    assert not app.exception
    assert app.segmented_control(key="rule").value == "sweep"
