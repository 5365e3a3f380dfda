"""The screen: the frame here, `common` for what pages share, a folder for each page.

Only this room uses Streamlit. Files that need torch are imported by the pages that need them, so
the others open fast.
"""

from rsviz.ui.frame import page_path, require, run

__all__ = ["page_path", "require", "run"]
