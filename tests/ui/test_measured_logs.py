"""Logs of one network at one noise, told apart by name; what is shown first is the plain one."""

import shutil

from rsviz.checkpoints import catalog
from rsviz.ui.compare import measured_logs


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
