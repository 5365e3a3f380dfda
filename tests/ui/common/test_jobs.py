import threading
import time

import pytest

from rsviz.certification.certify import Progress
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, Norm
from rsviz.smoothing import turns
from rsviz.ui.common import drawing, jobs
from rsviz.ui.common.jobs import READINGS_MAX, Device, Job, Session, Threads, device
from tests.helpers import wait


def progress(ended):
    certificate = Certificate(
        0, True, Norm.L2, 0.0, 0.5, (0,), 1, 1, 0.001, 0.0, 0, "m", "c", "g", ended=ended
    )
    return Progress(certificate, 0, 1, 0.0)


def endless(cancel):
    while not cancel.is_set():
        yield progress("running")
        time.sleep(0.005)
        turns.give_way(ends=False)
    yield progress("stopped")


def short(cancel):
    yield progress("complete")


def test_runs_of_one_device_are_under_way_together_and_know_of_each_other():
    device = Device()
    first = device.submit(Job("a", "cpu", endless))
    wait(lambda: first.readings)
    second = device.submit(Job("b", "cpu", short))
    wait(lambda: second.state == "done")  # beside one that does not end
    assert first.state == "running" and device.beside(first) == 0
    third = device.submit(Job("c", "cpu", endless))
    wait(lambda: third.readings)
    assert (device.beside(first), device.beside(third)) == (1, 1)
    first.stop(), third.stop()
    wait(lambda: not device.jobs)
    assert first.state == "cancelled"
    assert first.latest.certificate.ended == "stopped"


def test_a_run_that_is_stopped_before_its_first_turn_never_starts():
    device, free = Device(), threading.Event()

    def hold(cancel):
        free.wait(5)
        yield progress("complete")

    first = device.submit(Job("a", "cpu", hold))
    wait(lambda: first.state == "running")
    second = device.submit(Job("b", "cpu", short))
    assert second.state == "queued"
    second.stop()
    wait(lambda: not second.active)
    assert second.state == "cancelled" and second.readings == []
    free.set()
    wait(lambda: first.state == "done")


def test_runs_do_not_keep_the_process_alive():
    """A server told to end must not wait for a run of many votes."""
    seen = []
    Threads().submit(lambda: seen.append(threading.current_thread().daemon))
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
    assert device("test-device") is device("test-device")
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


class OutOfMemoryError(RuntimeError):
    """By the name of torch's."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(28, "No space left on device", "/data/log.csv"),
            "log.csv: no space left on device",
        ),
        (OSError(30, "Read-only file system"), "cannot go on: read-only file system"),
        (MemoryError(), "not enough memory"),
        (OutOfMemoryError("CUDA out of memory"), "not enough memory"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence_and_not_unexpected(caplog, error, says):
    def steps(cancel):
        yield progress("running")
        raise error

    job = Job("a", "cpu", steps)
    job.work()
    assert job.state == "failed" and says in job.error and "/data" not in job.error
    assert not caplog.text


def test_a_full_device_refuses_a_run_in_a_sentence(monkeypatch):
    monkeypatch.setattr(jobs, "JOBS_MAX", 3)
    device, held = Device(), [Job(i, "cpu", endless) for i in range(4)]
    for job in held:
        device.submit(job)
    assert held[3].state == "failed" and "3 runs share this device already" in held[3].error
    held[0].stop()
    wait(lambda: len(device.jobs) == 2)
    held[3] = device.submit(Job("a", "cpu", endless))
    wait(lambda: held[3].readings)
    for job in held:
        job.stop()
    wait(lambda: not device.jobs)


def test_a_run_that_has_votes_waits_a_while_for_pages_that_have_none(monkeypatch):
    line, asked = drawing.Line(), []
    monkeypatch.setattr(drawing, "LINE", line)
    monkeypatch.setattr(drawing, "PATIENCE", 0.2)

    def steps(cancel):
        for _ in range(3):
            asked.append(time.perf_counter())
            yield progress("running")
        yield progress("complete")

    with line.turn(first=True):
        begun = Job("a", "cpu", steps)
        begun.work()  # no other page waits: this one draws
        assert begun.state == "done" and asked[-1] - asked[0] < 0.1
        page = threading.Thread(target=lambda: line.turn(first=True).__enter__())
        page.start()
        wait(lambda: line.is_long)
        asked.clear()
        put_off = Device().submit(Job("b", "cpu", steps))
        wait(lambda: put_off.readings)
        assert len(asked) == 1  # its first votes come at once
        wait(lambda: put_off.state == "done")  # and all others, whatever that page does
        assert 0.15 < asked[-1] - asked[0] < 2
    page.join(5)
    assert len(put_off.readings) == 4
