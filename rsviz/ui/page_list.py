"""The pages there are, and where their files lie."""

from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = (  # file, title, icon
    ("home", "Home", ":material/home:"),
    ("certify", "Certify", ":material/verified:"),
    ("attack", "Attack", ":material/bolt:"),
    ("compare", "Compare", ":material/show_chart:"),
    ("levels", "Noise levels", ":material/tune:"),
    ("masks", "Masks", ":material/visibility:"),
    ("story", "Story", ":material/auto_stories:"),
    ("learn", "Learn", ":material/school:"),
)


@cache
def page_path(name: str) -> Path:
    """Return the file of a page, for links to it."""
    return ROOT / "pages" / f"{name}.py"


@cache
def present() -> tuple[tuple[str, str, str], ...]:
    """Return file, title and icon of each page that is here, looked up once."""
    return tuple(entry for entry in PAGES if page_path(entry[0]).exists())
