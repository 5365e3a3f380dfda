"""Commands killed at any change they make of a file: what is there is whole or absent, and the
same command goes on to what the unbroken run made (`tests.killed`).

Two kills of two commands by default; ``RSVIZ_KILLS=all pytest -m slow`` kills every command at
every change, for an hour or so.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.killed import COMMANDS

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
]


def kills(tmp_path, first, step, most, *names):
    """Return what was found after each kill, by command: the change, the folders, the rerun."""
    words = [sys.executable, "-m", "tests.killed", str(tmp_path / "home")]
    words += map(str, (first, step, most, *names))
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def hold(found):
    """Hold every stop to the promise."""
    for name, change, folders, code, told, unlike in found:
        for folder, now in folders.items():
            whole = " " not in now  # a hash, no problem
            assert whole or now == "it has no card.json", (name, change, folder, now)
        assert (code, told, unlike) == (0, "", []), (name, change)


def test_commands_killed_twice_are_whole_or_absent_and_go_on(tmp_path):
    found = kills(tmp_path, 4, 18, 2, "train", "multiscale")
    hold(found)
    assert {name for name, *_ in found} == {"train", "multiscale"}
    # The second stop of a training is between the weights and their card, which fits beside.
    assert [list(folders) for name, _, folders, *_ in found if name == "train"] == [[], ["new"]]


@pytest.mark.skipif("RSVIZ_KILLS" not in os.environ, reason="RSVIZ_KILLS does not ask for it")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_every_change_is_whole_or_absent_and_goes_on(tmp_path, name):
    if "quantize" in name:
        pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    found = kills(tmp_path, 0, 1, 100, name)
    hold(found)
    assert len(found) > 2
