"""Damaged and made-up files, by the thousand: each is read, or refused in a sentence, and at once.

A short run by default; ``RSVIZ_FUZZ=100000 pytest tests/test_fuzz.py`` is a long one.
"""

import io
import json
import os
import time
from contextlib import suppress

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save as to_safetensors

from rsviz.checkpoints import catalog, foreign
from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes
from rsviz.core.spec import Certificate
from rsviz.data import images
from rsviz.evaluation import attack_logs
from rsviz.evaluation.logs import parse_log
from rsviz.ui.common import address
from tests.core.test_records import CERTIFICATE
from tests.evaluation.test_row_checks import LOGS

MANY = int(os.environ.get("RSVIZ_FUZZ", "0"))
CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
SLOW = 2.0  # seconds of processor for one input
fuzz = settings(
    max_examples=MANY or 150, derandomize=not MANY, deadline=None, suppress_health_check=CHECKS
)


def picture(kind, **how):
    out = io.BytesIO()
    Image.effect_noise((24, 20), 60).convert("RGB").save(out, kind, **how)
    return out.getvalue()


def pickled(old):
    out = io.BytesIO()
    state = {"net": {"fc.bias": torch.zeros(10), "epoch": torch.tensor(3)}, "args": {"lr": 0.1}}
    torch.save(state, out, _use_new_zipfile_serialization=not old)
    return out.getvalue()


ATTACKS = catalog.SHIPPED / "shapes-gaussian-0.5" / "experiments" / "attacks.csv"
SEEDS = {
    "log": [text.encode() for text in LOGS.values()],
    "certificate": [CERTIFICATE.to_json().encode()],
    "attacks": [read_bytes(ATTACKS, 1 << 24)[:3000]],
    "card": [json.dumps({"name": "a", "method": "gaussian", "dataset": "shapes"}).encode()],
    "weights": [pickled(True), pickled(False), to_safetensors({"fc.bias": torch.zeros(10)})],
    "picture": [picture(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")],
}


@st.composite
def mutated(draw, seeds):
    """A whole file with some of its bytes changed, cut out, put in or repeated."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        to = at + draw(st.integers(0, 40))
        how = draw(st.sampled_from("change cut put repeat".split()))
        if how == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del data[at:to]
        elif how == "put":
            data[at:at] = draw(st.binary(max_size=12))
        else:
            data[at:at] = data[at:to] * draw(st.sampled_from([1, 3, 100]))
    return bytes(data)


def anything(kind):
    return st.one_of(mutated(SEEDS[kind]), st.binary(max_size=300))


def in_time(read, *given_):
    before = time.process_time()
    with suppress(UserError):
        read(*given_)
    assert time.process_time() - before < SLOW


@fuzz
@given(anything("log"))
def test_logs(data):
    in_time(parse_log, data, "x")


@fuzz
@given(anything("certificate"))
def test_certificates(data):
    in_time(Certificate.from_json, data.decode("utf-8", "replace"))


@fuzz
@given(data=anything("card"))
def test_cards(tmp_path, data):
    (tmp_path / catalog.CARD).write_bytes(data)
    before = time.process_time()
    assert catalog.inspect(tmp_path).problem
    assert time.process_time() - before < SLOW


@fuzz
@given(data=anything("attacks"))
def test_logs_of_attacks(tmp_path, data):
    (tmp_path / "a.csv").write_bytes(data)
    in_time(attack_logs.read, tmp_path / "a.csv")


@fuzz
@given(anything("weights"))
def test_weights(data):
    in_time(foreign.read_foreign, data, "a.pt", "cifar10")


@fuzz
@given(anything("picture"))
def test_pictures(data):
    in_time(lambda: images.to_tensor(images.open_image(data, "a.png"), 32, "centre"))


@fuzz
@given(st.text(max_size=300))
def test_addresses(given_):
    for takes in (["none", 1.0, 7, True], address.Between(0, 10), address.Between(0.5, 2.5)):
        found = address.read("n", given_, takes)
        assert len(found) <= 1
    assert "](" not in address.plain(given_, 300).replace("\\]", "")


def test_a_reader_that_raises_anything_else_is_found():
    def breaks():
        raise KeyError

    with pytest.raises(KeyError):
        in_time(breaks)
