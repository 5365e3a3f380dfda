"""Bounds on the memory that visitors' files take: of one tab, and of all; Streamlit has none.

A file beyond them is not kept, and the next run of its page says so.
"""

import streamlit as st
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

TAB_MEGABYTES = 150  # a network, pictures, some logs
ALL_MEGABYTES = 1000


class Bounded:
    """An uploaded file manager's `add_file` that empties what does not fit any more.

    Files of tabs that are closed make room first. ``told`` are the sentences that a tab is owed.
    """

    def __init__(self, manager: MemoryUploadedFileManager) -> None:
        self.manager, self.told = manager, dict[str, str]()
        self._add = manager.add_file

    def __call__(self, session_id: str, file: UploadedFileRec) -> None:
        """Keep a file of a tab, or only its name."""
        of_tab = self._held(session_id) + len(file.data)
        if of_tab > TAB_MEGABYTES * 10**6:
            file = self._refuse(session_id, file, f"this tab holds {TAB_MEGABYTES} MB")
        elif self._total() + len(file.data) > ALL_MEGABYTES * 10**6:
            self._forget_closed()
            if self._total() + len(file.data) > ALL_MEGABYTES * 10**6:
                why = f"all visitors' files together take {ALL_MEGABYTES} MB"
                file = self._refuse(session_id, file, why)
        self._add(session_id, file)

    def _refuse(self, session_id: str, file: UploadedFileRec, why: str) -> UploadedFileRec:
        self.told[session_id] = (
            f"A file was not kept, since {why} at most; take away others, or try again later."
        )
        return file._replace(data=b"")

    def _held(self, session_id: str) -> int:
        files = self.manager.file_storage.get(session_id, {})
        return sum(len(file.data) for file in list(files.values()))

    def _total(self) -> int:
        return sum(self._held(session_id) for session_id in list(self.manager.file_storage))

    def _forget_closed(self) -> None:
        for session_id in list(self.manager.file_storage):
            if not runtime.get_instance().is_active_session(session_id):
                self.manager.remove_session_files(session_id)
                self.told.pop(session_id, None)


def bound() -> None:
    """Bound the uploads of this server, once, and tell this tab of a file that was not kept."""
    if not runtime.exists():
        return
    manager = runtime.get_instance().uploaded_file_mgr
    context = get_script_run_ctx()
    if not isinstance(manager, MemoryUploadedFileManager) or context is None:
        return
    if not isinstance(manager.add_file, Bounded):
        manager.add_file = Bounded(manager)  # type: ignore[method-assign]
    if (sentence := manager.add_file.told.pop(context.session_id, None)) is not None:
        st.warning(sentence, icon=":material/upload_file:")
