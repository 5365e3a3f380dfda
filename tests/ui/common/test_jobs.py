import threading
import time

from rsviz.certification.certify import Progress
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, Norm
from rsviz.ui.common.jobs import READINGS_MAX, Job, Queue, Session, Worker, queue


def progress(ended):
    certificate = Certificate(
        0, True, Norm.L2, 0.0, 0.5, (0,), 1, 1, 0.001, 0.0, 0, "m", "c", "g", ended=ended
    )
    return Progress(certificate, 0, 1, 0.0)


def endless(cancel):
    while not cancel.is_set():
        yield progress("running")
        time.sleep(0.005)
    yield progress("stopped")


def short(cancel):
    yield progress("complete")


def wait(condition):
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


def test_jobs_run_one_after_another_and_know_their_place():
    line = Queue(Worker("test"))
    first = line.submit(Job("a", "cpu", endless))
    second = line.submit(Job("b", "cpu", short))
    wait(lambda: first.state == "running")
    assert second.state == "queued"
    assert (line.position(first), line.position(second)) == (0, 1)
    first.stop()
    wait(lambda: second.state == "done")
    assert first.state == "cancelled"
    assert first.latest.certificate.ended == "stopped"
    assert line.position(second) == 0


def test_a_queued_job_that_is_stopped_never_starts():
    line = Queue(Worker("test"))
    first, second = Job("a", "cpu", endless), Job("b", "cpu", short)
    line.submit(first), line.submit(second)
    second.stop()
    first.stop()
    wait(lambda: not second.active)
    assert second.state == "cancelled"
    assert second.readings == []


def test_the_worker_does_not_keep_the_process_alive():
    """A server told to end must not wait for a run of many votes."""
    seen = []
    Worker("test").submit(lambda: seen.append(threading.current_thread().daemon))
    wait(lambda: seen)
    assert seen == [True]


def test_errors_become_sentences(caplog):
    def refuse(cancel):
        raise UserError("n must be smaller.")
        yield

    def crash(cancel):
        raise ZeroDivisionError
        yield

    refused, crashed = Job("a", "cpu", refuse), Job("b", "cpu", crash)
    refused.work(), crashed.work()
    assert (refused.state, refused.error) == ("failed", "n must be smaller.")
    assert crashed.state == "failed"
    assert "ZeroDivisionError" not in crashed.error
    assert "ZeroDivisionError" in caplog.text


def test_one_tab_does_not_disturb_another():
    mine, theirs = Session(), Session()
    ours = [mine.start(Job("a", "test-device", endless))]
    other = theirs.start(Job("b", "test-device", endless))
    ours.append(mine.start(Job("c", "test-device", short)))
    wait(lambda: ours[0].state == "cancelled")
    wait(lambda: other.state == "running")
    mine.stop()
    assert not other.cancel.is_set()
    theirs.stop()
    wait(lambda: not other.active)
    assert mine.history == ours
    assert queue("test-device") is queue("test-device")
    assert threading.active_count() < 50


def test_a_long_job_keeps_few_readings_the_newest_last():
    def long(cancel):
        yield from (progress("running") for _ in range(3 * READINGS_MAX))
        yield progress("complete")

    job = Job("a", "cpu", long)
    job.work()
    assert len(job.readings) <= READINGS_MAX
    assert job.latest.certificate.ended == "complete"
    assert job.state == "done"


def test_a_lost_connection_pauses_a_run_and_coming_back_begins_it_again():
    tab = Session()
    first = tab.start(Job("a", "test-device", endless))
    wait(lambda: first.state == "running")
    tab.pause()
    wait(lambda: first.state == "cancelled")
    tab.resume()
    assert tab.job is not first and tab.job.key == "a" and tab.history == [tab.job]
    wait(lambda: tab.job.state == "running")
    tab.stop()
    tab.resume()  # what its owner stopped stays so
    wait(lambda: tab.job.state == "cancelled")
    assert tab.history == [tab.job]


def test_what_has_ended_is_not_begun_again():
    tab = Session()
    job = tab.start(Job("a", "test-device", short))
    wait(lambda: not job.active)
    tab.pause()
    tab.resume()
    assert tab.job is job and tab.history == [job]


def test_a_tab_that_is_gone_for_good_leaves_nothing_running():
    tab = Session()
    job = tab.start(Job("a", "test-device", endless))
    del tab
    wait(lambda: not job.active)
