"""Make the pictures of the README by running the app: python .assets/make.py (needs chromium).

Only Shapes are shown, which rsviz draws itself; CIFAR-10's images are not ours to show.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rsviz.checkpoints.catalog import SHIPPED  # noqa: E402
from tests.browser.conftest import ARGS, CHROMIUM, serving  # noqa: E402

SCREENS = {  # file: address, and a text that shows that the page has come to rest
    "home": ("/", "Read off what is proved"),
    "certify": ("/certify?image=shapes/test/3&checkpoint=shapes-gaussian-0.5", "certified within"),
    "levels": ("/levels?image=shapes/test/60", "Radius (L2)"),
    "masks": ("/masks?canvas=680", "Radius (Linf)"),
    "compare": ("/compare", "Images behind the curves"),
}
SIZE = {"width": 1440, "height": 800}
MOST = 200_000  # bytes of a file
PATIENCE = 180_000  # milliseconds


def come_to_rest(page: Page, text: str) -> None:
    """Wait until a page shows a text and nothing runs any more."""
    page.get_by_text(text).first.wait_for(timeout=PATIENCE)
    run = page.locator(".st-key-certify button")
    if page.locator(".st-key-job").count():
        run.wait_for(timeout=PATIENCE)
    page.wait_for_function("document.querySelector('.js-plotly-plot .main-svg')", timeout=PATIENCE)
    page.wait_for_timeout(4000)
    page.get_by_test_id("stStatusWidget").wait_for(state="detached", timeout=PATIENCE)


def save(shot: bytes, file: Path) -> None:
    """Write a screenshot in 256 colours."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture = picture.resize((1200, 667), Image.Resampling.LANCZOS)
    picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    print(file.name, file.stat().st_size)
    assert file.stat().st_size < MOST, f"{file.name} is larger than {MOST:,} bytes"


def main() -> None:
    """Run the app and photograph each page."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), SHIPPED) as address:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
            for name, (path, text) in SCREENS.items():
                page = chromium.new_page(viewport=SIZE, color_scheme="light")
                page.goto(address + path)
                come_to_rest(page, text)
                if name == "certify":  # a run to its end, for its votes stand in the address
                    page.locator(".st-key-certify button").click()
                    page.get_by_text("live, complete").wait_for(timeout=PATIENCE)
                    come_to_rest(page, text)
                save(page.screenshot(), ROOT / ".assets" / f"{name}.png")
                page.close()
            chromium.close()


if __name__ == "__main__":
    main()
