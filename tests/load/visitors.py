"""Visitors of a running app who are no browsers: each is a WebSocket that speaks Streamlit's own.

A visitor opens an address, presses buttons, lets panels look again as a browser does, and keeps
what the page says. It shares the server's cores, where a browser has its own: until its first votes
one takes about 12 ms of processor, the server 80 for it.
"""

import re
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


class Visitor:
    """One tab: ``texts`` are the words of its page, by place; ``buttons`` their ids, by label."""

    def __init__(self, server, page, query):
        self.server, self.page, self.query = server, page, query
        self.texts, self.buttons, self.pictures, self.ended = {}, {}, {}, []
        self.still = False  # no run of its page, or of a part of it, is under way
        self.closed, self._looks, self._script = threading.Event(), {}, ""
        self._stirred = threading.Event()  # there is another panel, or the tab was closed
        self.opened = time.perf_counter()
        self._changed, self._cached = threading.Condition(), {}
        address = server.replace("http", "ws") + "/_stcore/stream"
        browsers = {"ping_interval": None, "max_size": None, "max_queue": None}  # do not ping
        self._socket = connect(address, subprotocols=["streamlit"], origin=server, **browsers)
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._look)
        ]
        for thread in self._threads:
            thread.start()
        self._ask()

    def press(self, label):
        """Press the button of this label, once it is there."""
        found = []  # taken where it is seen: a page that is drawn anew has no buttons for a moment
        self.wait(lambda: label in self.buttons and not found.append(self.buttons[label]))
        self._ask(press=found[0])

    def hear(self, pattern):
        """Wait for words that match a pattern, and return the match."""
        found = []
        self.wait(lambda: (match := self.says(pattern)) and not found.append(match))
        return found[0]

    def says(self, pattern):
        """The newest match of a pattern among the words of the page, None if there is none."""
        for text in list(self.texts.values()):
            if found := re.search(pattern, text):
                return found
        return None

    def wait(self, condition, seconds=120):
        """Wait for a condition; return the seconds since the visitor came."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition() or self.closed.is_set(), seconds):
                raise AssertionError(f"{self.query}: {' | '.join(self.texts.values())[:1500]}")
        assert not self.closed.is_set(), f"{self.query}: the connection was lost"
        return time.perf_counter() - self.opened

    def fetch_pictures(self):
        """Fetch every picture on the page, as bytes; one may be replaced meanwhile."""
        found = []
        for address in set(self.pictures.values()):
            with (
                suppress(urllib.error.HTTPError),
                urllib.request.urlopen(
                    address if address.startswith("data:") else self.server + address, timeout=60
                ) as answer,
            ):
                found.append(answer.read())
        return found

    def close(self):
        """Close the tab."""
        self.closed.set()
        self._stirred.set()
        self._socket.close()
        for thread in self._threads:
            thread.join(30)

    def _ask(self, press="", fragment=""):
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        if self._script:
            state.page_script_hash = self._script
        else:
            state.page_name = self.page
        if press:
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = press, True
        if fragment:
            state.fragment_id, state.is_auto_rerun = fragment, True
        try:
            self._socket.send(message.SerializeToString())
        except ConnectionClosed:
            pass

    def _look(self):
        """Let every panel that asks for it run again, as often as it asks; sleep in between."""
        due = {}
        while not self.closed.is_set():
            now, looks = time.perf_counter(), dict(self._looks)
            due = {fragment: due.get(fragment, now + every) for fragment, every in looks.items()}
            for fragment, every in looks.items():
                if now >= due[fragment]:
                    due[fragment] = now + every
                    self._ask(fragment=fragment)
            self._stirred.wait(max(0, min(due.values()) - time.perf_counter()) if due else None)
            self._stirred.clear()

    def _listen(self):
        try:
            for data in self._socket:
                self._hear(ForwardMsg.FromString(data))
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()
            self._stirred.set()

    def _hear(self, message):
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            message = self._cached[message.ref_hash]
            kind = message.WhichOneof("type")
        elif message.metadata.cacheable:
            self._cached[message.hash] = message
        with self._changed:
            if kind == "new_session" and not message.metadata.run.fragment_ids:
                self._looks, self.buttons, self.texts, self.pictures = {}, {}, {}, {}
            if kind == "new_session":
                self.still = False
            if kind == "script_finished":
                self.still = True
            if kind == "navigation":
                self._script = message.navigation.page_script_hash
            if kind == "auto_rerun":
                self._looks[message.auto_rerun.fragment_id] = message.auto_rerun.interval
                self._stirred.set()
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._keep(tuple(message.metadata.delta_path), message.delta.new_element)
            self._changed.notify_all()

    def _keep(self, place, element):
        kind = element.WhichOneof("type")
        if kind == "button":
            self.buttons[element.button.label] = element.button.id
        elif kind == "imgs":
            self.pictures[place] = element.imgs.imgs[0].url
        elif kind == "metric":
            self.texts[place] = f"{element.metric.label}: {element.metric.body}"
        elif kind == "progress":
            self.texts[place] = element.progress.text
        elif kind in ("markdown", "alert"):
            self.texts[place] = getattr(element, kind).body
            if "live, complete" in self.texts[place]:
                self.ended.append(self.texts[place])
        elif kind == "exception":
            self.texts[place] = f"exception: {element.exception.message}"
