"""A network dropped in on Certify is used at once, and by nobody else."""

import hashlib

from tests.checkpoints.test_foreign import field_file
from tests.pages.test_certify_page import press, words


def test_it_is_checked_named_used_and_private(open_page):
    app = open_page(n=100, image="shapes/test/8")
    _, data = field_file("compact")
    app.file_uploader(key="own").set_value(("mine.pth.tar", data, "application/octet-stream")).run()
    assert not app.exception
    assert "mine.pth.tar is used: a compact" in words(app)
    app = press(app)
    assert not app.exception
    assert app.dataframe[0].value["network"][0] == "yours: mine.pth.tar"
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
