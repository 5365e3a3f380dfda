"""Logs of one network at one noise, told apart by name; what is shown first is the plain one."""

import shutil

from rsviz.checkpoints import catalog
from rsviz.evaluation import comparison, published
from rsviz.ui.compare import curves, measured_logs


def test_a_log_in_int8_is_named_so_and_is_not_shown_first(tmp_path, monkeypatch):
    for name in ("cifar10-gaussian-0.25", "cifar10-gaussian-0.5", "cifar10-gaussian-1.0"):
        shutil.copytree(catalog.SHIPPED / name, tmp_path / name)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("RSVIZ_LOGS", str(tmp_path / "logs"))
    found, refused = measured_logs.measured()
    assert not refused
    assert {"cifar10-gaussian-0.25, σ 0.25", "cifar10-gaussian-0.25, σ 0.25, int8"} <= set(found)
    assert measured_logs.default_names(found) == [
        f"cifar10-gaussian-{s}, σ {float(s):g}" for s in ("0.25", "0.5", "1.0")
    ]


def test_what_is_shown_first_has_the_most_votes_and_its_published_namesake_the_same(monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(catalog.SHIPPED))
    found, _ = measured_logs.measured()
    names = measured_logs.default_names(found)
    assert len(names) == 3 and {found[n].curve.n for n in names} == {10_000}
    first = curves._first(found)
    (paper,) = first["published"]
    assert first["measured"] == names
    entry = next(p for p in map(comparison.from_published, published.load()) if p.name == paper)
    assert comparison.marks([found[names[1]], entry])[paper] == ()


def test_a_files_name_is_told_in_words(monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(catalog.SHIPPED))
    found, _ = measured_logs.measured()
    told = found["shapes-gaussian-0.5, σ 0.5, n 10,000, every 2nd"]
    assert (told.curve.n, told.curve.images) == (10_000, 1_000)
