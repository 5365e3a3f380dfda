"""Drawn photographs: always the same, and named as the page says by the network they go to."""

import numpy as np
import pytest

from rsviz.certification.certify import certify
from rsviz.data import images, scenes
from rsviz.data.catalog import CLASSES
from rsviz.ui.common.run_controls import usable

WRONG = {"bird": "airplane"}  # which the network errs about: certified, and wrong


@pytest.mark.parametrize("name", scenes.NAMES)
def test_a_drawn_photograph_is_always_the_same_and_certified_as_the_page_says(name):
    assert scenes.png(name) == scenes.png(name)
    picture = images.open_image(scenes.png(name), f"{name}.png")
    assert picture.size == scenes.SIZE and np.asarray(picture).std() > 20
    checkpoint = usable("")[0]
    assert checkpoint.card.dataset == "cifar10"
    c = certify(images.to_tensor(picture, 32), checkpoint, n0=20, n=100)
    assert not c.abstained and c.predicted is not None
    assert CLASSES["cifar10"][c.predicted] == WRONG.get(name, name)
