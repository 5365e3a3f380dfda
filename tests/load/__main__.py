"""How the app serves many visitors at once: ``python -m tests.load``, in short ``--short``.

It starts the app, sends it visitors (`visitors`), and prints times as multiples of one visitor's
alone in the same run, and what the server holds before and after. It ends with an error if a visit
does not end, shows what is another visitor's, or if a bound below is broken.
"""

import argparse
import io
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

import rsviz
from rsviz.core.radius import down
from rsviz.core.spec import Bound
from tests.browser.conftest import ROOT, serving
from tests.load.visitors import Visitor

CHECKPOINT = "shapes-gaussian-0.5"
SIGMAS = (0.25, 0.5, 0.75, 1.0)
VOTES = r"^[1-9][\d,]* of [\d,]+ votes|votes counted"
FIRST_AT_MOST = 5.0  # times the first reading of a visitor alone, for the slowest of all
BESIDE_AT_MOST = 2.0  # times a short run alone, beside a long one
ENDS_WITHIN = 2.5  # seconds; a panel looks every half second
GROWTH_AT_MOST = 0.05  # of memory, over certificates in one tab
SAME = 10  # grey levels on average, what a JPEG leaves; two pictures are 60 apart
KEPT = 125  # seconds; a lost session is kept for two minutes, then let go at the next visit
BACK_WITHIN = 10  # seconds from there
OF_A_NETWORK = 3  # threads, while it is kept for all visitors; who wandered last decides of which
PLACES = (  # of a visitor who wanders
    ("certify", "image=shapes/test/{i}&n=1000&seed={i}"),
    ("attack", "image=shapes/test/{i}&n=500"),
    ("levels", "image=shapes/test/{i}&n=500"),
    ("masks", "n=200&seed={i}"),
    ("compare", ""),
    ("compare", "view=Claims"),
    ("compare", "view=Networks"),
    ("learn", "chapter=votes"),
    ("learn", "chapter=radius"),
    ("", "noise=0.25"),
    ("story", ""),
)
# Streamlit closes a connection once more that its visitor closed at that moment, and logs it.
LEFT = 'WebSocketDisconnected: Cannot call "send" once a close message has been sent.'
PRESSED = ("New seed", "Certify", "Again", "Attack", "Stop")


@dataclass(frozen=True)
class Ask:
    """What one visitor asks of the app: a picture and settings that no other visitor has."""

    image: int
    n: int = 2000

    @property
    def query(self):
        return (
            f"image=shapes/test/{self.image}&checkpoint={CHECKPOINT}&sigma={self.sigma}"
            f"&n={self.n}&seed={self.image}"
        )

    @property
    def sigma(self):
        return SIGMAS[self.image % len(SIGMAS)]

    @property
    def x_CHW(self):
        return rsviz.find_image(f"shapes/test/{self.image}")[0]

    def radius(self):
        """Return the radius as the page writes it, from a run of the library alone."""
        checkpoint = rsviz.find_checkpoint(CHECKPOINT, ROOT / "checkpoints")
        c = rsviz.certify(
            self.x_CHW, checkpoint, sigma=self.sigma, n=self.n, seed=self.image, bound=Bound.SPLIT
        )
        return "–" if c.abstained else down(c.radius, 3)


@dataclass(frozen=True)
class Visit:
    """How one visit went, and what its page showed.

    ``first`` are the seconds from opening the page to the first votes on it, ``whole`` those from
    pressing Certify to the end.
    """

    ask: Ask
    first: float
    whole: float
    radius: str
    pictures: tuple[bytes, ...]


def visit(server, ask, seen=lambda: None):
    """Open a page, wait for its run of ``ask.n`` votes, close the page.

    Parameters
    ----------
    seen : called once the page has its first votes.
    """
    visitor = Visitor(server, "certify", ask.query)
    try:
        first = visitor.wait(lambda: visitor.says(VOTES))
        seen()
        asked = visitor.wait(lambda: "Certify" in visitor.buttons or visitor.says("live, complete"))
        if "Certify" not in visitor.buttons:
            raise SystemExit(f"The first look counts all {ask.n:,} votes here; give more --votes.")
        visitor.press("Certify")
        whole = visitor.wait(lambda: visitor.says("live, complete")) - asked
        visitor.wait(lambda: visitor.still)
        radius = visitor.hear(r"Radius \(L2\): (.*)")[1]
        seen = set(visitor.fetch_pictures())
        for _ in range(20):
            if any(distance(data, ask.x_CHW) < SAME for data in seen):
                break
            time.sleep(0.5)  # the page is drawn once more after its run has ended
            seen |= set(visitor.fetch_pictures())
        return Visit(ask, first, whole, radius, tuple(seen))
    finally:
        visitor.close()


def distance(data, x_CHW):
    """Return how far, in grey levels on average, a square file is from a picture of a data set."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    W = x_CHW.shape[2]
    if image.width != image.height or image.width < 2 * W:
        return float("inf")
    middle_W = ((np.arange(W) + 0.5) * image.width / W).astype(int)
    seen_HWC = np.asarray(image, np.float32)[np.ix_(middle_W, middle_W)]
    return float(np.abs(seen_HWC - 255 * np.moveaxis(np.asarray(x_CHW), 0, 2)).mean())


def shows(visit, x_CHW):
    """Whether a picture is on a visitor's page."""
    return any(distance(data, x_CHW) < SAME for data in visit.pictures)


def together(servers, count, n, seen):
    """Let so many visitors come at once, to replicas in turn; return visits that are their own."""
    asks = [Ask(100 + i, n) for i in range(count)]
    with ThreadPoolExecutor(count) as pool:
        visits = list(pool.map(partial(visit, seen=seen), itertools.cycle(servers), asks))
    pictures = {ask.image: ask.x_CHW for ask in asks}
    for one in visits:
        want = one.ask.radius()
        assert one.radius == want, f"{one.ask.query}: radius {one.radius}, alone {want}"
        whose = [image for image, x_CHW in pictures.items() if shows(one, x_CHW)]
        assert whose == [one.ask.image], f"the page of picture {one.ask.image} shows {whose}"
    return visits


@contextmanager
def replicas(count, n):
    """Start more servers, each with its network loaded; give process and address of each."""
    with ExitStack() as running:
        found = []
        for _ in range(count):
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            address = running.enter_context(serving(folder, ROOT / "checkpoints"))
            visit(address, Ask(200, n))
            found.append((int((folder / "pid").read_text()), address))
        yield found


def beside(server, times):
    """Return seconds of a short run alone and beside one of 100,000 votes, in turn."""
    alone, shared = [], []
    for i in range(times):
        alone.append(visit(server, Ask(300 + 2 * i)).whole)
        long = Visitor(server, "certify", Ask(301 + 2 * i, 100_000).query)
        long.wait(lambda: "Certify" in long.buttons)  # noqa: B023
        long.press("Certify")
        long.wait(lambda: long.says(r"of 100,100 votes · "))  # noqa: B023
        shared.append(visit(server, Ask(300 + 2 * i)).whole)
        assert not long.says("live, complete"), "the long run had ended"
        long.close()
    return alone, shared


def seconds_after_closing(server):
    """Return how long, after a tab with a long run is closed, another one still shares with it."""
    stays, leaves = (Visitor(server, "certify", Ask(i, 100_000).query) for i in (400, 401))
    for visitor in (stays, leaves):
        visitor.wait(lambda: "Certify" in visitor.buttons)  # noqa: B023
        visitor.press("Certify")
    stays.wait(lambda: stays.says("shared with 1 other run"))
    closed = time.perf_counter()
    leaves.close()
    stays.wait(lambda: not stays.says("shared with 1 other run"))
    assert not stays.says("live, complete"), "the run that stays had ended"
    stays.close()
    return time.perf_counter() - closed


def held(pid):
    """Return what a process holds: threads, open files, and resident memory in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return int(status["Threads"]), files, int(status["VmRSS"].split()[0]) / 1024


def back(now, start, spare=0):
    """Whether threads, but for so many, and open files are no more than at the start."""
    return now[0] <= start[0] + spare and now[1] <= start[1]


def processor(pid):
    """Return the seconds that a process has computed."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def certificates(server, pid, count):
    """Count so many certificates in one tab; return memory in MB after the first tenth and all."""
    visitor = Visitor(server, "certify", Ask(500, 500).query)
    visitor.wait(lambda: visitor.says("live, complete"))
    memory = []
    for done in range(count):
        before = len(visitor.ended)
        visitor.wait(lambda: "New seed" in visitor.buttons)
        visitor.press("New seed")
        visitor.wait(lambda: len(visitor.ended) > before)  # noqa: B023
        if done + 1 in (count // 10, count):
            memory.append(held(pid)[2])
    visitor.close()
    return memory


def wander(server, number):
    """Visit one page, press one of its buttons, leave; return whether the page failed."""
    chance = random.Random(number)
    page, query = chance.choice(PLACES)
    visitor = Visitor(server, page, query.format(i=chance.randrange(2000)))
    try:
        visitor.wait(lambda: visitor.still)
        time.sleep(chance.uniform(0, 2))
        for label in chance.sample(PRESSED, len(PRESSED)):
            if label in visitor.buttons:
                visitor.press(label)
                time.sleep(chance.uniform(0.2, 2))
                break
        visitor.wait(lambda: visitor.still)
        return bool(visitor.says("failed unexpectedly"))
    finally:
        visitor.close()


def mixed(server, pid, minutes):
    """Let three visitors at a time wander for so long; return memory in MB by minute, failures."""
    begun, memory, failed, number = time.monotonic(), [], 0, 0
    with ThreadPoolExecutor(3) as pool:
        while time.monotonic() < begun + 60 * minutes:
            failed += sum(pool.map(partial(wander, server), range(number, number + 3)))
            number += 3
            if time.monotonic() > begun + 60 * (len(memory) + 1):
                memory.append(held(pid)[2])
    return memory, number, failed


def say(words):
    print(words, flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few visitors, no long runs")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--votes", type=int, default=5000, help="of each visitor")
    parser.add_argument("--certificates", type=int, default=200, help="in one tab")
    parser.add_argument(
        "--replicas", type=int, default=1, help="processes that the visitors at once are dealt to"
    )
    parser.add_argument("--mixed", type=float, default=0, help="minutes of wandering visitors")
    args = parser.parse_args()
    if args.short:
        args.sessions, args.votes, args.certificates = 4, 2000, 0
    broken = []

    def bound(name, value, most):
        say(f"{name}: {value:.2f} (at most {most:g})")
        if value > most:
            broken.append(name)

    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), ROOT / "checkpoints") as at:
        pid = int((Path(folder) / "pid").read_text())
        say(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        visit(at, Ask(200, args.votes))  # loads torch, the network, the pictures
        spare = OF_A_NETWORK if args.mixed else 0
        if args.mixed:
            for number in range(2 * len(PLACES)):
                wander(at, number)
        start = held(pid)
        alone = [visit(at, Ask(201 + i, args.votes)) for i in range(1 if args.short else 3)]
        first = statistics.median(v.first for v in alone)
        say(f"alone: first votes after {first:.2f} s, the end after {alone[-1].whole:.2f} s")
        with replicas(args.replicas - 1, args.votes) as others:
            pids = [pid, *(other for other, _ in others)]
            seen = []  # what server and visitors have computed whenever one sees first votes

            def note():
                seen.append((sum(map(processor, pids)), time.process_time()))

            note()
            servers = [at, *(address for _, address in others)]
            visits = together(servers, args.sessions, args.votes, note)
            spent = sum(map(processor, pids)) - seen[0][0]
        told = f", {args.replicas} replicas" if others else ""
        say(
            f"{args.sessions} at once{told}: all ended, each with its own picture, settings and "
            "numbers"
        )
        say(f"the server computed {spent:.1f} s for them")
        until = [end - begin for begin, end in zip(seen[0], max(seen), strict=True)]
        say(f"until all had first votes it computed {until[0]:.2f} s, visitors {until[1]:.2f} s")
        slowest = max(v.first for v in visits)
        say(f"slowest end: {max(v.whole for v in visits) / alone[-1].whole:.1f} times that alone")
        most = FIRST_AT_MOST if not args.short else float("inf")
        bound("slowest first votes, times those alone", slowest / first, most)
        ends = seconds_after_closing(at)
        bound("seconds that a closed tab's run goes on, and a look", ends, ENDS_WITHIN)
        if not args.short:
            short, shared = (statistics.median(t) for t in beside(at, 3))
            bound("a short run beside n = 100,000, times alone", shared / short, BESIDE_AT_MOST)
        if args.certificates:
            early, late = certificates(at, pid, args.certificates)
            say(f"memory over {args.certificates} certificates: {early:.0f} to {late:.0f} MB")
            bound("growth of memory", late / early - 1, GROWTH_AT_MOST)
        if args.mixed:
            memory, number, failed = mixed(at, pid, args.mixed)
            told = ", ".join(f"{mb:.0f}" for mb in memory)
            say(
                f"{number} visits of all pages; MB after each minute: {told}; {failed} pages failed"
            )
            bound("pages that failed", failed, 0)
        time.sleep(KEPT)
        visit(at, Ask(200, args.votes))
        end = time.monotonic() + BACK_WITHIN
        while not back(now := held(pid), start, spare) and time.monotonic() < end:
            time.sleep(1)
        say(
            f"threads {start[0]} before, {now[0]} after; open files {start[1]}, {now[1]}; "
            f"{KEPT} s after the last tab closed"
        )
        if not back(now, start, spare):
            broken.append("threads or open files")
        say(f"load of the machine after: {os.getloadavg()[0]:.1f}")
        log = (Path(folder) / "log").read_text()
    errors = log.split("Traceback (most recent call last):")[1:]
    ours = [block for block in errors if LEFT not in block]
    say(f"errors in the server's log: {len(ours)}; {len(errors) - len(ours)} of visitors who left")
    if ours:
        say(ours[-1][-3000:])
        broken.append("an error in the server's log")
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    main()
