"""The Story page gathers what the session found of the picture in use, and of no other."""

import shutil
from pathlib import Path

from tests.helpers import make_rivals, make_selectors


def parts(app):
    return [s.value for s in app.subheader]


def said(app):
    return "\n".join(m.value for m in app.markdown)


def test_results_of_the_picture_in_use_stand_in_order(open_page, made, monkeypatch, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "all"))
    make_selectors(make_rivals(folder), ("multiscale",))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(folder))
    app = open_page("story")
    assert not parts(app) and "Nothing is told" in app.info[0].value
    app.switch_page("pages/attack.py")
    app.query_params["image"], app.query_params["n"] = "shapes/test/9", "500"
    app.run()
    app.query_params.clear()
    for page in ("levels", "masks", "certify", "story"):
        app.switch_page(f"pages/{page}.py").run()
    titles = ["How far the answer is proved", "What an attacker reached", "Noise of its own"]
    assert parts(app) == [*titles, "A mask for it"]
    assert "**shapes/test/9**: 4 results" in said(app)
    assert [b for b in app.get("download_button") if "The story" in b.proto.label]
    assert not app.exception and not app.error
    app.switch_page("pages/certify.py").run()
    app.text_input(key="image").set_value("shapes/test/8").run()
    app.switch_page("pages/story.py").run()
    assert "**shapes/test/8**: 1 result of" in said(app)
