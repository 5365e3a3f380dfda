"""What an uploader offers, the server lets through; what a client sends beyond it is refused."""

import tomllib
from pathlib import Path

from rsviz.checkpoints import foreign
from rsviz.data import images
from rsviz.ui.compare import uploaded_logs

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"


def test_the_server_takes_the_largest_file_any_page_offers():
    server = tomllib.loads(CONFIG.read_text())["server"]
    offered = (foreign.MEGABYTES, images.MEGABYTES, uploaded_logs.MEGABYTES)
    assert server["maxUploadSize"] == max(offered)
    assert server["maxUploadSize"] * 2**20 > 1.02 * 10**6 * max(offered)  # and what goes around it
