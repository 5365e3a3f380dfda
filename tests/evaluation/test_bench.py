"""What is timed beside the field's loop."""

import numpy as np
import pytest
import torch

from rsviz.checkpoints import catalog
from rsviz.core.errors import UserError
from rsviz.evaluation import bench
from rsviz.smoothing import engines
from rsviz.smoothing.engine import INT8
from rsviz.smoothing.noise import chunk

NAME = "shapes-gaussian-0.5"


@pytest.mark.slow
@pytest.mark.skipif(engines.absent(INT8, "cpu") is not None, reason="int8 needs openvino here")
def test_memory_of_a_first_certificate_is_not_that_of_who_asks():
    held = np.ones(10**9, np.uint8)
    found = bench.first_certificate(catalog.usable(NAME), "cpu", "shapes/test/3")
    assert len(held) / 2**20 > 900
    assert 50 < found["peak_memory_mb"] < 500
    assert 0 < found["warm"] < found["cold"]


@pytest.mark.slow
def test_a_first_certificate_that_fails_is_a_sentence():
    with pytest.raises(UserError, match="failed"):
        bench.first_certificate(catalog.usable(NAME), "cpu", "shapes/test/99999")


@pytest.mark.slow
def test_an_untrained_network_is_made_ready_in_every_engine():
    plain, made, operations = bench._made("resnet20", "cpu")
    assert set(engines.usable("cpu")) - set(made) <= {INT8}  # where nothing quantises
    assert set(plain) == {"classifier"}
    assert operations > 10**7
    for engine, nets in made.items():
        assert engine.precision in engines.arithmetic(nets)


def test_an_untrained_network_of_110_layers_answers_with_numbers_that_float16_holds():
    net = bench.untrained("resnet110").half()
    with torch.no_grad():
        assert net(chunk((3, 32, 32), "other")[:4].half()).isfinite().all()


def test_without_the_picture_it_ends_before_anything_is_timed(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    monkeypatch.setattr(bench, "rates", lambda *_: pytest.fail("something was timed"))
    with pytest.raises(UserError, match="CIFAR-10"):
        bench.bench("cpu", 0.1, 0, ("compact",), print)


def test_the_fields_loop_has_all_cores_whatever_the_environment_allows_torch(monkeypatch):
    def timed(*_):
        raise UserError(f"with {torch.get_num_threads()} threads")

    monkeypatch.setattr(bench.datasets, "find_image", lambda _: None)
    monkeypatch.setattr(bench, "cores", lambda: 2)
    monkeypatch.setattr(bench, "rates", timed)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.raises(UserError, match="with 2 threads"):
            bench.bench("cpu", 0.1, 0, ("compact",), print)
    finally:
        torch.set_num_threads(before)
