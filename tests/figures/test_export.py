import pytest
from PIL import Image

from rsviz.certification import certify
from rsviz.certification.as_python import as_python
from rsviz.checkpoints import catalog, weights
from rsviz.core.spec import Bound
from rsviz.data import datasets, images
from tests.helpers import make_checkpoints


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(make_checkpoints(tmp_path / "checkpoints")))
    return catalog.find("shapes-constant")


def repeat(code):
    scope = {}
    exec(code, scope)
    return scope["certificate"]


def test_the_code_for_a_gallery_picture_repeats_the_run(checkpoint):
    x_CHW, _ = datasets.find_image("shapes/test/8")
    spec = certify.make_spec(
        checkpoint, x_CHW, 0.25, "shapes/test/8", n0=50, n=100, seed=3, bound=Bound.SPLIT
    )
    *_, last = certify.watch(x_CHW, weights.load_nets(checkpoint), spec)
    repeated = repeat(as_python(spec, "cpu"))
    assert repeated.counts == last.certificate.counts
    assert repeated.radius == last.certificate.radius
    assert (repeated.image, repeated.seed, repeated.sigma) == ("shapes/test/8", 3, 0.25)


def test_the_code_for_a_file_opens_and_crops_it_alike(checkpoint, tmp_path, monkeypatch):
    Image.radial_gradient("L").resize((90, 40)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    picture = images.open_image((tmp_path / "photo.png").read_bytes())
    x_CHW = images.to_tensor(picture, 32, (0.1, 0.0, 0.6, 1.0))
    spec = certify.make_spec(checkpoint, x_CHW, n0=50, n=100)
    code = as_python(spec, "cpu", "/home/somebody/photo.png", (0.1, 0.0, 0.6, 1.0))
    assert repeat(code).image == spec.image == images.image_id(x_CHW)


def test_other_weights_under_the_same_name_are_noticed(checkpoint):
    x_CHW, _ = datasets.find_image("shapes/test/8")
    spec = certify.make_spec(checkpoint, x_CHW, image="shapes/test/8", n=100)
    code = as_python(spec, "cpu").replace(checkpoint.sha256, "0" * 64)
    with pytest.raises(AssertionError):
        repeat(code)


def test_a_file_name_cannot_smuggle_code_in(checkpoint):
    x_CHW, _ = datasets.find_image("shapes/test/8")
    spec = certify.make_spec(checkpoint, x_CHW, n=100)
    code = as_python(spec, "cpu", "'); raise SystemExit('.png", "centre")
    compile(code, "copied", "exec")
    assert "\nraise" not in code and "; raise SystemExit('.png\"" in code
