"""Logs of attacks: what is written is read, resumed, and refused where it is another's."""

import pytest

from rsviz.core.errors import UserError
from rsviz.evaluation import attack_logs, row_checks
from rsviz.evaluation.attack_logs import AttackRow

HEAD = attack_logs.head_of("ab", {"budgets": [0.99, 2.0], "n": 100}, {"n": 200}, "attack it")
ROWS = [
    AttackRow("shapes/test/0", 3, 0.5, ((0.99, "holds"), (2.0, "broken"))),
    AttackRow("shapes/test/50", -1, 0.0, ()),
]


@pytest.fixture
def out(tmp_path):
    file = tmp_path / "attacks.csv"
    assert attack_logs.opened(file, HEAD) == set()
    with row_checks.appending(file) as append:
        for row in ROWS:
            append(attack_logs.row_of(row))
    return file


def test_what_is_written_is_read(out):
    head, rows = attack_logs.read(out)
    assert rows == ROWS
    assert (head.checkpoint_sha256, head.n, head.n_predict) == ("ab", 200, 100)


def test_it_goes_on_after_its_last_whole_row(out):
    out.write_text(out.read_text()[:-9])
    assert attack_logs.opened(out, HEAD | {"command": "from elsewhere"}) == {"shapes/test/0"}
    assert attack_logs.read(out)[1] == ROWS[:1]


def test_another_attack_and_another_file_are_refused_and_stay(out, tmp_path):
    whole = out.read_text()
    with pytest.raises(UserError, match="other settings"):
        attack_logs.opened(out, HEAD | {"n_predict": 7})
    assert out.read_text() == whole
    for text in ("nonsense\n", '# {"format": "rsviz-log-1"}\nimage\n', ""):
        other = tmp_path / "other.csv"
        other.write_text(text)
        with pytest.raises(UserError, match="no log of attacks"):
            attack_logs.read(other)


def test_a_changed_row_is_found(out):
    out.write_text(out.read_text().replace("2:broken", "2:holds"))
    with pytest.raises(UserError, match="was changed"):
        attack_logs.read(out)
