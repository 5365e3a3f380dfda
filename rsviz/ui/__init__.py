"""What pages share: the frame here, the pieces of Certify beside it. Only here is Streamlit used.

`shared`, `picker`, `settings`, `live` and `meaning` import torch, so a page that needs them imports
them itself and the others open fast.
"""

from rsviz.ui.frame import page_path, require, run

__all__ = ["page_path", "require", "run"]
