import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from rsviz.checkpoints import catalog
from rsviz.cli import checkpoints
from rsviz.evaluation import curves, logs, published
from rsviz.methods.base import Method

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_five_lines_run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(code, names)
    predicted, radius = capsys.readouterr().out.split()
    assert int(predicted) in range(10)
    assert 0 <= float(radius) < 1.4
    assert sum(names["c"].counts) == 2000
    assert "Plotly.newPlot(" in (tmp_path / "votes.html").read_text()


def test_the_table_is_what_the_cards_say():
    table = README.split("<!-- python -m rsviz checkpoints --markdown --best -->\n")[1]
    table = table.split("<!-- end -->")[0].strip()
    assert table == checkpoints.markdown_table(catalog.list_checkpoints(), best=True)


def test_the_table_beside_published_networks_is_what_cards_and_papers_say():
    rows = re.findall(r"^\| ([\d.]+) \|((?: \.\d{3} \|){4}) (\.\d{3}) \((\w+)\) \|$", README, re.M)
    assert [sigma for sigma, *_ in rows] == ["0.25", "0.5", "1"]
    for sigma, four, top, whose in rows:
        at = {c.curve.name: c.curve.acr for c in published.load()}
        theirs = {
            method: at[f"{method}, Sun et al. 2025, σ {sigma}, at n 10,000"]
            for method in ("Gaussian", "SmoothAdv", "MACER", "Consistency", "SmoothMix")
        }
        assert whose == max(theirs, key=lambda method: theirs[method])
        shown = [float(cell) for cell in four.replace("|", "").split()]
        for method, ours, beside in zip(
            ("Gaussian", "Consistency"), shown[::2], shown[1::2], strict=True
        ):
            card = catalog.find(f"cifar10-{method.lower()}-w64-{float(sigma)}").card
            (measured,) = card.measured
            assert (measured.n, measured.subset) == (10_000, "test, every 20th")
            assert ours == round(measured.acr, 3) and beside == round(theirs[method], 3)
        assert float(top) == round(theirs[whose], 3)


def test_the_table_of_canvases_is_what_the_logs_say():
    rows = re.findall(r"^\| (\d\d) \| (\d+) \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    assert [k for k, *_ in rows] == ["32", "48", "64"]
    for k, *shown in rows:
        for method, share in zip(("adaptive", "static", "plain"), shown, strict=True):
            assert round(share_of(f"shapes-k{k}-{method}-1.0", 4)) == int(share)
    (shown,) = re.findall(r"\(`cifar10-k48-\*`\): ([\d.]+), ([\d.]+) and ([\d.]+)\.", README)
    for method, share in zip(("adaptive", "static", "plain"), shown, strict=True):
        assert share_of(f"cifar10-k48-{method}-0.5", 2) == pytest.approx(float(share))


def share_of(name, levels):
    """Per cent certified at a radius in grey levels."""
    log = logs.read_log(catalog.find(name).folder / "certified.csv")
    return 100 * curves.accuracy_at(log, levels / 255)


def test_the_set_up_lines_are_one_command_each():
    for end in ("streamlit run app.py", "pytest"):
        assert re.search(rf"^python3 -m venv .*{end}$", README, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_add_a_method_names_every_field_and_the_example():
    text = README.split("## Add a method")[1].split("## ")[0]
    named = set(re.findall(r"`(\w+)`", text))
    assert {field.name for field in fields(Method)} <= named
    assert "`tests/mirror.py`" in text and (ROOT / "tests/mirror.py").exists()
    required = [f.name for f in fields(Method) if f.default is f.default_factory is MISSING]
    assert len(required) == 6
