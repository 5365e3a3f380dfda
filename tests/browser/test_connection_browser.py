"""Another visitor's message ends nobody's run, and who loses the connection finds all again."""

import re
import time

import pytest

pytestmark = pytest.mark.browser
websockets = pytest.importorskip("websockets.sync.client")


def long_run(tab):
    page = tab("/certify?image=shapes/test/8&n=100000")
    page.set_default_timeout(150_000)
    button(page, "Certify").dispatch_event("click")  # does not wait for a busy page to be still
    button(page, "Stop").wait_for()
    return page


def button(page, name):
    """A button of the page itself: while a script runs, the frame has a Stop of its own."""
    return page.get_by_test_id("stMain").get_by_role("button", name=name).first


def counted(page):
    """How many votes of the run the page shows."""
    text = page.locator("body").inner_text()
    found = re.findall(r"([\d,]+) of [\d,]+ votes", text)
    return max((int(n.replace(",", "")) for n in found), default=0)


def grows(page, above=0):
    for _ in range(480):
        if (now := counted(page)) > above:
            return now
        time.sleep(0.25)
    raise AssertionError(f"no more than {above} votes: {page.locator('body').inner_text()[:2000]}")


def test_a_message_that_clears_all_caches_ends_nobodys_run(tab, server):
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ClientState_pb2 import ClientState

    page = long_run(tab)
    grows(page)
    address = server.replace("http", "ws") + "/_stcore/stream"
    with websockets.connect(address, subprotocols=["streamlit"], origin=server) as stranger:
        stranger.send(BackMsg(rerun_script=ClientState()).SerializeToString())
        stranger.recv(timeout=30)
        stranger.send(BackMsg(clear_cache=True).SerializeToString())
        time.sleep(3)
    grows(page, counted(page))  # still, and not only until the message came
    button(page, "Stop").dispatch_event("click")


def test_who_loses_the_connection_finds_the_run_again(browser, server):
    context = browser.new_context()
    page, held = context.new_page(), []

    def through(socket):
        held.append((socket, socket.connect_to_server()))

    page.route_web_socket(re.compile("/_stcore/stream"), through)
    run = long_run(lambda address: page.goto(server + address) and page)
    grows(run)
    for ends in held[-1]:
        ends.close()  # as when a telephone sleeps
    time.sleep(3)
    button(page, "Stop").wait_for()
    grows(page)
    assert len(held) > 1
    context.close()
