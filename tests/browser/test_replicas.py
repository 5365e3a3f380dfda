"""Two replicas behind the nginx of .deploy: who stays where, and what is lost with one of them."""

import re
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest

from tests.browser.conftest import ROOT, free_port, serving
from tests.browser.test_connection_browser import button, counted, grows, long_run
from tests.helpers import make_checkpoints

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(NGINX is None, reason="there is no nginx on this machine"),
]


@contextmanager
def proxy(folder, ports):
    """Run nginx as .deploy configures it, on a free port, the replicas at ports of this machine."""
    own = free_port()
    text = (ROOT / ".deploy" / "nginx.conf").read_text().replace("8080", str(own))
    for host, port in zip((11, 12), ports, strict=True):
        text = text.replace(f"172.31.85.{host}:8501", f"127.0.0.1:{port}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(text.replace("http {", f"http {{ access_log off; {temporary}", 1))
    rest = f"daemon off; pid {folder}/pid; error_log {folder}/error.log;"
    process = subprocess.Popen([NGINX, "-p", folder, "-c", file, "-g", rest])
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://localhost:{own}/_stcore/health", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://localhost:{own}"
    finally:
        process.terminate()
        process.wait(10)


def replica(context):
    """The port of the replica that a visitor is with."""
    (cookie,) = [c["value"] for c in context.cookies() if c["name"] == "rsviz"]
    return int(cookie.rpartition(":")[2])


def visitor(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    return context, long_run(lambda at: page.goto(address + at) and page)


def test_a_session_stays_and_a_lost_replica_takes_only_its_own_runs(browser, tmp_path):
    checkpoints, ports = make_checkpoints(tmp_path / "checkpoints"), (free_port(), free_port())
    with ExitStack() as stack:
        held = []
        for port in ports:
            (tmp_path / str(port)).mkdir()
            own = stack.enter_context(ExitStack())
            own.enter_context(serving(tmp_path / str(port), checkpoints, port))
            held.append(own)
        address = stack.enter_context(proxy(tmp_path, ports))
        visitors = {}
        for _ in range(6):
            context, page = visitor(browser, address)
            visitors.setdefault(replica(context), (context, page))
            if len(visitors) == 2:
                break
        assert sorted(visitors) == sorted(ports)  # both have somebody
        (lost, away), (kept, stays) = visitors[ports[0]], visitors[ports[1]]
        for _, page in visitors.values():
            grows(page)
        assert replica(lost) == ports[0] and replica(kept) == ports[1]
        held[0].close()
        grows(stays, counted(stays))
        assert replica(kept) == ports[1]
        for _ in range(600):  # the page connects again by itself, and is with the other one
            if replica(lost) == ports[1]:
                break
            time.sleep(0.25)
        assert replica(lost) == ports[1], away.locator("body").inner_text()[:1500]
        button(away, re.compile("Certify|Stop")).wait_for()
        stack.enter_context(serving(tmp_path / str(ports[0]), checkpoints, ports[0]))
        away.reload()
        button(away, re.compile("Certify|Stop")).wait_for()
        assert replica(lost) == ports[1]  # it stays where it went
        grows(stays, counted(stays))
        lost.close()
        kept.close()
