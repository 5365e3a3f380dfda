"""The log of ``attack``: continued by the same command, refused to another, of many images only."""

import pytest

from rsviz.cli.main import main
from rsviz.evaluation import attack_logs
from tests.helpers import make_checkpoints

COMMAND = "attack --checkpoint shapes-constant --every 700 --budgets 0.99,2 --n 100 --n-predict 50"
QUICK = f"{COMMAND} --steps 1 --draws 1"


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    make_checkpoints(tmp_path)
    return tmp_path / "attacks.csv"


def test_the_same_command_goes_on_and_tells_of_all_images(out, capsys):
    words = [*QUICK.split(), "--out", str(out)]
    assert main(words) == 0
    told, whole = capsys.readouterr().out, out.read_text()
    assert "3 images, 0 abstained" in told and "0 of 3 broken, 3 hold" in told
    out.write_text(whole[: whole.rstrip("\n").rfind("\n") + 5])  # as a kill tears the last row
    assert main(words) == 0
    again = capsys.readouterr()
    assert again.out == told and again.err.count("shapes/test/") == 1
    assert out.read_text() == whole
    assert [row.image for row in attack_logs.read(out)[1]] == [
        f"shapes/test/{i}" for i in (0, 700, 1400)
    ]


def test_another_attack_or_one_image_is_one_sentence(out, capsys):
    words = [*QUICK.split(), "--out", str(out)]
    assert main(words) == 0
    assert main([*words, "--seed", "1"]) == 2
    assert "other settings" in capsys.readouterr().err
    one = ["attack", "shapes/test/3", "--checkpoint", "shapes-constant", "--out", str(out)]
    assert main(one) == 2
    assert "--out needs --every" in capsys.readouterr().err
