"""What the first drawing of a page costs: ``python -m tests.load.drawing``.

It opens pages as new visitors do and prints the milliseconds of processor that the thread of a page
takes, the least and the median of so many, without votes, which other threads count. With
``--beside FOLDER`` another checkout draws the same pages in turn, so that both have the same
machine. Few numbers need few visits; what else the machine does moves them.
"""

import argparse
import logging
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "certify": "image=shapes/test/{i}&checkpoint=shapes-gaussian-0.5&n=5000&seed={i}",
    "attack": "image=shapes/test/{i}&checkpoint=shapes-gaussian-0.5&n=500&seed={i}",
    "levels": "image=shapes/test/{i}&n=500&seed={i}",
    "masks": "n=200&seed={i}",
}


def draw(folder, page, visits, first):
    """Print the milliseconds of each of so many first drawings, after two that load what they need.

    Parameters
    ----------
    folder : the checkout whose app draws.
    first : the number of the first picture.
    """
    from streamlit.testing.v1 import AppTest

    from rsviz.ui import frame

    logging.disable(logging.WARNING)
    run, spent = frame._run, []

    def timed():
        begun = time.thread_time()
        try:
            run()
        finally:
            spent.append(1000 * (time.thread_time() - begun))

    frame._run = timed
    for i in range(first, first + visits + 2):
        app = AppTest.from_file(str(folder / "app.py"), default_timeout=120)
        app.switch_page(f"pages/{page}.py")
        for pair in PAGES[page].format(i=i).split("&"):
            key, _, value = pair.partition("=")
            app.query_params[key] = value
        spent.clear()
        app.run()
        assert not app.exception, app.exception
        if i >= first + 2:
            print(spent[0], flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.load.drawing", description=__doc__)
    parser.add_argument("--visits", type=int, default=20, help="of each page, in each of 3 rounds")
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--page", choices=PAGES, action="append")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)  # draw here, in this process
    args = parser.parse_args()
    pages = args.page or list(PAGES)
    if args.first is not None:
        draw(Path.cwd(), pages[0], args.visits, args.first)
        return
    folders = [ROOT, *([args.beside.resolve()] if args.beside else [])]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for page in pages:
        found = {folder: [] for folder in folders}
        for number in range(3):
            for folder in folders:
                asked = ["--page", page, "--visits", str(args.visits)]
                command = [sys.executable, __file__, *asked, "--first", str(100 * number)]
                environment = os.environ | {"PYTHONPATH": str(folder)}
                out = subprocess.run(
                    command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE
                ).stdout
                found[folder] += map(float, out.split())
        for folder, ms in found.items():
            told = f"least {min(ms):.0f} ms, median {statistics.median(ms):.0f} ms"
            print(f"{page}: {told} of {len(ms)} in {folder}", flush=True)


if __name__ == "__main__":
    main()
