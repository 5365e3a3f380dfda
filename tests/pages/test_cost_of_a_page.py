"""What nobody has opened is not drawn, and small pictures come with the page."""

from rsviz.checkpoints import catalog
from rsviz.figures.style import Plain


def gallery(app):
    return [b for b in app.button if (b.key or "").startswith("pick-")]


def test_other_pictures_are_drawn_when_they_are_opened_and_one_can_be_taken(open_page):
    app = open_page(image="shapes/test/9")
    assert not gallery(app)
    app.session_state["more_pictures"] = True
    app.run()
    assert len(gallery(app)) == 12
    app.button(key="pick-shapes/test/4").click().run()
    assert app.text_input(key="image").value == "shapes/test/4" and not app.exception
    next(b for b in app.button if b.label == "Others").click().run()
    assert gallery(app)[0].key == "pick-shapes/test/12"


def test_small_pictures_are_in_the_page_itself(open_page):
    shown = [image.proto for image in open_page(image="shapes/test/5").get("image")]
    addresses = [picture.url for pictures in shown for picture in pictures.imgs]
    assert len(addresses) > 5 and all(a.startswith("data:image/") for a in addresses)


def test_figures_of_a_story_are_drawn_when_it_is_opened(open_page, monkeypatch):
    checked = []
    figure = Plain.figure
    monkeypatch.setattr(Plain, "figure", lambda plain: checked.append(plain) or figure(plain))
    app = open_page(image="shapes/test/5")
    checked.clear()  # Home's
    app.run()
    assert not checked and not app.exception
    app.switch_page("pages/story.py").run()
    assert len(checked) == 2 and not app.exception


def test_a_page_looks_for_checkpoints_once(open_page, monkeypatch):
    app = open_page()
    looks = []
    look = catalog._look
    monkeypatch.setattr(catalog, "_look", lambda folder: looks.append(folder) or look(folder))
    app.run()
    assert len(looks) == 1
