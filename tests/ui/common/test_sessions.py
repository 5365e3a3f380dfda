"""What a visitor needs lies in no cache that anyone's message can clear."""

import pytest

from rsviz.ui.common import sessions
from rsviz.ui.common.jobs import Job, Session


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
