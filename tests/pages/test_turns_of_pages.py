"""The first page of a visitor is drawn before what others have on their screens already."""

from contextlib import contextmanager

from rsviz.ui import frame


class Line:
    """Records for whom a turn was taken."""

    def __init__(self):
        self.firsts = []

    @contextmanager
    def turn(self, first=False):
        self.firsts.append(first)
        yield


def test_a_page_takes_its_turn_as_a_first_page_once(open_page, monkeypatch):
    line = Line()
    monkeypatch.setattr(frame, "LINE", line)
    app = open_page()
    app.run()
    assert line.firsts[0] is True and len(line.firsts) >= 3
    assert not any(line.firsts[1:])
