"""A network dropped in on Certify is used at once, and by nobody else."""

import hashlib

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.ui.common import sessions
from tests.checkpoints.test_foreign import CASES, STATE, field_file, saved
from tests.pages.test_certify_page import press, words

SHIPPED = catalog.SHIPPED


def test_it_is_checked_named_used_and_private(open_page):
    app = open_page(n=100, image="shapes/test/8")
    _, data = field_file("compact")
    app.file_uploader(key="own").set_value(("mine.pth.tar", data, "application/octet-stream")).run()
    assert not app.exception
    assert "mine.pth.tar is used: a compact" in words(app)
    app = press(app)
    assert not app.exception
    assert app.dataframe[0].value["network"].iloc[-1] == "yours: mine.pth.tar"
    other = open_page(n=100, image="shapes/test/8")
    assert "mine" not in words(other)
    assert "yours: mine.pth.tar" not in other.selectbox(key="checkpoint").options


def test_a_file_that_is_no_network_is_refused_and_the_page_goes_on(open_page):
    app = open_page(n=100)
    app.file_uploader(key="own").set_value(("x.pt", b"nothing", "application/octet-stream")).run()
    assert not app.exception
    assert "torch.save" in app.error[0].value
    assert app.selectbox(key="checkpoint").value == "shapes-constant"


def test_what_is_stated_of_one_network_is_not_of_the_next(open_page):
    app = open_page(n=100, image="shapes/test/8")
    for name, network in (("a.pth", "compact"), ("b.pth", "resnet20")):
        _, data = field_file(network)
        app.file_uploader(key="own").set_value((name, data, "application/octet-stream")).run()
        key = f"own_sigma_{hashlib.sha256(data).hexdigest()[:16]}"
        assert app.selectbox(key=key).value == 0.5 and not app.exception
        app.selectbox(key=key).set_value(1.0).run()


def give(app, data, name="mine.pt"):
    return app.file_uploader(key="own").set_value((name, data, "application/octet-stream")).run()


def normalisation(app):
    (box,) = [b for b in app.selectbox if b.label == "Normalisation it was made with"]
    return box


@pytest.mark.parametrize(
    "name", ["no-normalisation.pth.tar", "before-2020.pth.tar", "under-net.pth"]
)
def test_the_normalisation_is_asked_guessed_shown_and_in_the_certificate(open_page, name):
    app = give(open_page(n=100, image="shapes/test/8"), (CASES / name).read_bytes(), name)
    assert not app.exception and not app.error
    assert normalisation(app).value == "none"
    assert "pixels are taken as they are, from 0 to 1 (guessed" in words(app)
    assert "% of 300 noisy test images" in words(app)
    first = app.session_state["_own"].checkpoint.sha256
    normalisation(app).set_value("mean-std").run()
    assert "the mean (0.5, 0.5, 0.5) is subtracted" in words(app) and "(as you said)" in words(app)
    assert app.session_state["_own"].checkpoint.sha256 != first
    app = press(app)
    assert not app.exception
    *_, job = app.session_state[f"_desk_{sessions.IMAGE}"].history
    assert job.latest.certificate.normalisation == "0.5,0.5,0.5/0.25,0.25,0.25"


def test_numbers_of_ones_own_are_taken_or_refused_in_a_sentence(open_page):
    app = give(open_page(n=100, image="shapes/test/8"), saved({"net": STATE}))
    normalisation(app).set_value("numbers").run()
    (numbers,) = [t for t in app.text_input if t.label.startswith("Mean/std")]
    numbers.set_value("0.1,0.2,0.3/0.4").run()
    assert "std (0.4, 0.4, 0.4)" in words(app)
    (numbers,) = [t for t in app.text_input if t.label.startswith("Mean/std")]
    numbers.set_value("125/63").run()
    assert not app.exception
    assert "divide" in app.error[0].value
    assert app.selectbox(key="checkpoint").value == "shapes-constant"


def test_a_much_better_guess_is_told(open_page):
    net = weights.load(catalog.find("shapes-gaussian-0.5", SHIPPED), ready=False)
    data = saved({"state_dict": dict(net[1].state_dict())})  # as if nothing stood in front
    app = give(open_page(n=100, image="shapes/test/8"), data)
    assert any("its normalisation may be another" in w.value for w in app.warning)
    normalisation(app).set_value("mean-std").run()
    assert not any("its normalisation may be another" in w.value for w in app.warning)


def test_what_is_stated_of_one_file_is_not_of_the_next(open_page):
    app = give(open_page(n=100, image="shapes/test/8"), saved({"net": STATE}), "one.pt")
    normalisation(app).set_value("mean").run()
    app = give(app, saved({"net": {k: v + 0 for k, v in STATE.items()}, "epoch": 1}), "two.pt")
    assert normalisation(app).value == "none"
