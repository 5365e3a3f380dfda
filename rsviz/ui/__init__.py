"""What pages share: the frame, cached networks, pickers and panels. Only here is Streamlit used."""

from rsviz.ui.frame import page_path, require, run
from rsviz.ui.shared import devices, network, session

__all__ = ["devices", "network", "page_path", "require", "run", "session"]
