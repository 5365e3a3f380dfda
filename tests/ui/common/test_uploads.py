from types import SimpleNamespace

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from rsviz.ui.common import uploads
from rsviz.ui.common.uploads import Bounded


@pytest.fixture
def server(monkeypatch):
    """Keep at most 2 MB of a tab and 5 of all; ``open`` are the tabs that are not closed."""
    monkeypatch.setattr(uploads, "TAB_MEGABYTES", 2)
    monkeypatch.setattr(uploads, "ALL_MEGABYTES", 5)
    tabs = set("abcd")
    instance = SimpleNamespace(is_active_session=lambda session_id: session_id in tabs)
    monkeypatch.setattr(uploads.runtime, "get_instance", lambda: instance)
    manager = MemoryUploadedFileManager("/upload")
    manager.add_file = Bounded(manager)
    return SimpleNamespace(manager=manager, open=tabs)


def bring(server, tab, name, megabytes):
    file = UploadedFileRec(f"{tab}{name}", name, "", b"0" * int(megabytes * 10**6))
    server.manager.add_file(tab, file)
    return len(server.manager.get_files(tab, [file.file_id])[0].data) / 10**6


def test_a_tab_keeps_files_up_to_its_bound_and_is_told_of_what_does_not_fit(server):
    assert bring(server, "a", "one", 1.5) == 1.5
    assert bring(server, "a", "two", 0.6) == 0
    assert "this tab holds 2 MB at most" in server.manager.add_file.told["a"]
    assert bring(server, "b", "one", 2) == 2  # another tab's is its own
    assert "b" not in server.manager.add_file.told
    server.manager.remove_file("a", "aone")
    assert bring(server, "a", "three", 2) == 2


def test_all_tabs_together_keep_no_more_than_the_bound_and_closed_ones_make_room(server):
    assert [bring(server, tab, "one", 2) for tab in "abc"] == [2, 2, 0]
    assert "all visitors' files together take 5 MB at most" in server.manager.add_file.told["c"]
    server.open.remove("a")
    assert bring(server, "d", "one", 2) == 2
    assert server.manager.get_files("a", ["aone"]) == []
