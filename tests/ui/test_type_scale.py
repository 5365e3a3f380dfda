"""All text of the pages is of one scale of sizes."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCALE = {"2rem", "1.5rem", "1.25rem", "1rem", ".875rem"}


def test_every_size_of_text_is_of_the_scale():
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    found = {*theme["headingFontSizes"], theme["metricValueFontSize"]}
    for file in [*(ROOT / "rsviz/ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]:
        found |= set(re.findall(r"font-size:\s*([\d.]+rem)", file.read_text()))
    assert found <= SCALE and len(found) == len(SCALE)
