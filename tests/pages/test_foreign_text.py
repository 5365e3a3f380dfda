"""What a visitor names or writes is shown as it is: no link, picture, formula or icon of theirs."""

import re
from pathlib import Path

import pytest

from rsviz.ui.common.address import plain

ROOT = Path(__file__).parents[2]
EVIL = "![a](http://evil.example/a.png) [b](http://evil.example) www.evil.example :red[c] $d$ <b>"
LIVE = re.compile(r"(?<!\\)[\[\]<!$`]|(?<!\\):(?!material/)|(?<=www)\.")
# An error, or a sentence of a job, may hold a name that somebody else chose.
SHOWN = re.compile(
    r"st\.(?:error|warning|info|success|caption|markdown|write)\((?:str\(error\)|\w+\.error\b|error\b"
    r"|f[\"'][^\"']*\{(?:error|\w+\.error|c\.problem)\b)"
)


def test_no_error_is_shown_as_markdown():
    files = [*ROOT.glob("rsviz/ui/**/*.py"), *ROOT.glob("pages/*.py")]
    assert [f"{f.name}: {m[0]}" for f in files for m in SHOWN.finditer(f.read_text())] == []


@pytest.mark.parametrize("line", ["st.error(str(error))", "st.error(job.error)"])
def test_the_search_finds_what_it_looks_for(line):
    assert SHOWN.search(line)


def test_plain_text_has_nothing_that_markdown_reads():
    assert not LIVE.search(plain(EVIL, 400))


@pytest.mark.parametrize("page", ["certify", "attack", "levels"])
def test_the_name_of_a_bad_file_is_shown_as_it_is(open_page, page):
    app = open_page(page)
    app.segmented_control(key="source").set_value("upload").run()
    name = f"{EVIL.replace('/', '')}.png"
    app.file_uploader[0].set_value((name, b"no picture", "image/png")).run()
    told = [e.value for e in (*app.error, *app.warning) if "evil" in e.value]
    assert told and not any(LIVE.search(text) for text in told)
