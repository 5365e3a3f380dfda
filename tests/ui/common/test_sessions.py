"""What a visitor needs lies in no cache that anyone's message can clear."""

from dataclasses import dataclass, replace

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate
from rsviz.networks import classifiers
from rsviz.ui.common import sessions
from rsviz.ui.common.jobs import Job, Session
from tests.core.test_records import CERTIFICATE
from tests.helpers import TINY, constant_network


@dataclass(frozen=True)
class Counted:
    """A reading of so many votes."""

    done: int
    complete: bool
    certificate: Certificate


class Runtime:
    """A server that has, or has not, a tab open."""

    def __init__(self, active):
        self.active = active

    def is_active_session(self, session_id):
        return self.active


@pytest.mark.parametrize("active", [True, False])
def test_released_caches_pause_the_jobs_of_a_lost_tab_alone(monkeypatch, active):
    monkeypatch.setattr(sessions.runtime, "exists", lambda: True)
    monkeypatch.setattr(sessions.runtime, "get_instance", lambda: Runtime(active))
    tab = Session(Job("a", "cpu", lambda cancel: iter(())))
    presence = sessions._Presence("id", {"image": tab})
    presence._pause_if_gone()
    assert tab.paused is not active and tab.job.cancel.is_set() is not active


def test_a_release_waits_a_moment(monkeypatch):
    made = []
    monkeypatch.setattr(sessions.threading, "Timer", lambda *given: made.append(given) or Later())
    sessions._Presence("id").release()
    assert made[0][0] == sessions.GRACE_SECONDS <= 1


class Later:
    daemon = False

    def start(self):
        assert self.daemon


def test_what_was_seen_of_a_run_stays_until_its_second_beginning_is_past_it(monkeypatch):
    tab = Session()
    monkeypatch.setattr(sessions, "desk", lambda name: tab)

    def job(key, *done, complete=False):
        one = Job(key, "cpu", lambda cancel: iter(()))
        one.readings = [reading(n, complete) for n in done]
        tab.history.append(one)
        return one

    def reading(n, complete=False):
        return Counted(n, complete, replace(CERTIFICATE, counts=(n, 0), ended="stopped"))

    seen, again = job("a", 60, 100), job("a")
    shown = sessions.shown_running(again)
    assert shown.certificate == replace(seen.latest.certificate, ended="running")
    assert len(shown.readings) == 2
    again.readings = [reading(60)]
    assert sessions.shown_running(again).certificate.counts == (100, 0)
    again.readings = [reading(120)]
    assert sessions.shown_running(again).certificate == again.latest.certificate
    assert sessions.shown_running(job("b")) is None  # other votes
    job("c", 100, complete=True)
    assert sessions.shown_running(job("c")) is None  # begun again on purpose, to be watched


def test_a_network_trained_anew_does_not_vote_for_the_one_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    shown = constant_network(tmp_path / "net")
    card = dict(shown.stored)
    weights.save(classifiers.build(TINY, "shapes"), tmp_path / "net", card)
    with pytest.raises(UserError, match="net was changed meanwhile; reload the page"):
        sessions.networks(shown, "cpu")
    assert sessions.networks(catalog.find("net"), "cpu")
