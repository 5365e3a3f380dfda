"""The engine that serves a checkpoint, and that certificates and logs say which it was."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rsviz.certification import certify, engine_choice, verify
from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.spec import RunSpec
from rsviz.data import datasets
from rsviz.evaluation import evaluate
from rsviz.methods.registry import METHODS
from rsviz.networks.ensembles import WeightedSum
from rsviz.smoothing import engines
from rsviz.smoothing.engine import INT8, REFERENCE, Engine

ROOT = Path(__file__).parents[2]
NAME = "shapes-gaussian-0.5"
pytestmark = pytest.mark.skipif(
    engines.absent(INT8, "cpu") is not None, reason="int8 needs openvino here"
)


def row(low, high):
    return {"difference": {"mean": (low + high) / 2, "low": low, "high": high}}


def write(folder, change):
    card = json.loads((folder / "card.json").read_text())
    change(card)
    catalog.write_card(folder, card)
    return catalog.inspect(folder)


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(ROOT / "checkpoints" / NAME, tmp_path / NAME))


@pytest.fixture
def x_CHW():
    return datasets.find_image("shapes/test/350")[0]


@pytest.mark.parametrize(
    ("rows", "engine"),
    [
        ([], REFERENCE),
        ([row(-0.01, 0.002)], INT8),
        ([row(-0.02, -0.004)], REFERENCE),
        ([row(0.001, 0.004), row(-0.02, -0.004)], REFERENCE),
    ],
)
def test_int8_serves_unasked_where_its_radius_was_measured_and_kept(folder, rows, engine):
    def measured(card):
        card["precisions"]["int8"]["measured"] = rows

    choice = engine_choice.default(write(folder, measured))
    assert choice.engine == engine
    why = "is below that of float32" if rows else "was not measured beside float32"
    assert choice.why == (
        "" if engine == INT8 else f"int8 is not used: its certified radius {why}."
    )


def test_what_is_asked_for_is_given_or_refused(folder):
    checkpoint = catalog.inspect(folder)
    assert engine_choice.choose(checkpoint, precision="int8") == INT8
    assert engine_choice.choose(checkpoint, library="openvino") == INT8
    assert engine_choice.choose(checkpoint, library="torch") == REFERENCE
    assert engine_choice.choose(checkpoint, precision="float32") == REFERENCE
    with pytest.raises(UserError, match="torch int8"):
        engine_choice.choose(checkpoint, library="torch", precision="int8")
    plain = write(folder, lambda card: card.pop("precisions"))
    with pytest.raises(UserError, match=f"{NAME} has no int8 network file"):
        engine_choice.choose(plain, precision="int8")
    assert engine_choice.choose(plain, library="openvino") == Engine("openvino", "float32")


def test_where_it_cannot_serve_float32_does_and_says_so(folder, monkeypatch, capsys):
    def measured(card):
        card["precisions"]["int8"]["measured"] = [row(-0.01, 0.01)]

    checkpoint = write(folder, measured)
    monkeypatch.setattr(engine_choice.engines, "absent", lambda *_: "no such processor")
    choice = engine_choice.default(checkpoint)
    assert choice.engine == REFERENCE
    assert "no such processor" in choice.why
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(folder.parent))
    command = ["certify", "shapes/test/350", "--checkpoint", NAME, "--n", "100"]
    assert not main(command)
    said = "int8 is not used: no such processor."
    assert capsys.readouterr().out.splitlines()[-1] == said
    assert not main([*command, "--json"])
    assert said not in capsys.readouterr().out


def test_a_certificate_names_the_file_that_voted_and_verifies_by_it(folder, x_CHW):
    checkpoint = catalog.inspect(folder)
    _, sha256 = catalog.network_files(checkpoint, "int8")["classifier"]
    c = certify.certify(x_CHW, checkpoint, engine=INT8, n0=100, n=600)
    assert c.dtype == "int8"
    for part in ("int8", "openvino 20", f"int8.onnx {sha256[:12]}", "100 rows", "noise sfc64"):
        assert part in c.path
    assert engine_choice.engine_of(c.path) == INT8
    checks = {k.name: k for k in verify.verify(c, x_CHW, checkpoint, 1, fresh=600)}
    assert verify.holds(checks.values())
    assert "identical" in checks["same seed, bound"].says
    # By another file's name it is refused, and where nothing can run the file, in a sentence.
    other = replace(c, path=c.path.replace(sha256[:12], "0" * 12))
    assert not verify.holds(verify.verify(other, x_CHW, checkpoint, 1, fresh=600))
    plain = write(folder, lambda card: card.pop("precisions"))
    with pytest.raises(UserError, match="no int8 network file"):
        verify.verify(c, x_CHW, plain, 1)


def test_an_array_gets_the_votes_that_a_tensor_gets(folder, x_CHW):
    checkpoint, name = catalog.inspect(folder), "shapes/test/350"
    how = {"sigma": 1.0, "n0": 100, "n": 1050, "seed": 3}
    own = certify.certify(x_CHW, checkpoint, engine=INT8, **how)
    assert 0 < max(own.counts) < 1050
    alone = certify.certify(datasets.find_pixels(name), checkpoint, engine=INT8, **how)
    assert replace(alone, seconds=own.seconds) == own
    # A checkpoint of several networks, or another engine, takes torch, whatever it is given.
    assert engine_choice.alone(checkpoint, REFERENCE) is None
    other = certify.certify(x_CHW.numpy(), checkpoint, engine=REFERENCE, **how)
    assert other.dtype == "float32"


def test_a_file_alone_must_be_the_one_its_card_names(folder, x_CHW):
    (folder / "int8.onnx").write_bytes(b"another")
    with pytest.raises(UserError, match="sha256 differs"):
        certify.certify(x_CHW.numpy(), catalog.inspect(folder), engine=INT8, n=100)


def test_an_int8_certificate_needs_its_engine(folder, x_CHW, monkeypatch):
    checkpoint = catalog.inspect(folder)
    c = certify.certify(x_CHW, checkpoint, engine=INT8, n0=100, n=200)
    monkeypatch.setattr(engines, "absent", lambda engine, _: "openvino is gone")
    with pytest.raises(UserError, match="openvino is gone"):
        verify.verify(c, x_CHW, checkpoint, 1)
    # Other floating point is counted again in float32.
    nets = verify._nets(replace(c, path="cpu, bfloat16, openvino 1, 100 rows"), checkpoint, "cpu")
    assert engines.precision(nets) == "float32"


def test_int8_and_float32_are_two_classifiers_on_the_same_noise(folder, x_CHW):
    checkpoint, found = catalog.inspect(folder), {}
    for engine in (REFERENCE, INT8):
        c = certify.certify(x_CHW, checkpoint, engine=engine, n0=100, n=1000)
        found[engine] = c.counts
    moved = sum(abs(a - b) for a, b in zip(*found.values(), strict=True)) / 2
    assert 0 < moved < 150


def test_a_log_never_mixes_two_engines(folder, tmp_path):
    checkpoint, out = catalog.inspect(folder), tmp_path / "log.csv"
    data = datasets.load("shapes", "test")
    how = {"first": 2, "n0": 100, "n": 200, "alpha": 0.001, "seed": 0}
    for engine in (INT8, REFERENCE):
        spec = evaluate.spec_for(checkpoint, 0.5, engine=str(engine), **how)
        nets = engine_choice.load(checkpoint, engine=engine)
        if engine == INT8:
            evaluate.evaluate(spec, nets, data, out, report=lambda _: None)
        else:
            with pytest.raises(UserError, match="engine, path"):
                evaluate.evaluate(spec, nets, data, out, report=lambda _: None)
    head = json.loads(out.read_text().splitlines()[0].removeprefix("# "))["spec"]
    assert (head["engine"], head["dtype"]) == ("openvino int8", "int8")
    assert "int8.onnx" in head["path"]
    assert len(out.read_text().splitlines()) == 4


def test_an_ensemble_votes_by_the_files_of_its_members(folder):
    checkpoint = catalog.inspect(folder)
    copy = Path(shutil.copytree(folder, folder.parent / "other"))
    members = [{"name": f.name, "sha256": checkpoint.sha256} for f in (folder, copy)]
    both = folder.parent / "both"
    both.mkdir()
    card = {
        "name": "both",
        "method": "ensemble",
        "dataset": "shapes",
        "network": "2 x compact",
        "sigma": 0.5,
        "members": members,
        "weights": [0.25, 0.75],
        "sha256": catalog.ensemble_sha256([m["sha256"] for m in members], [0.25, 0.75]),
    }
    (both / "card.json").write_text(json.dumps(card))
    ensemble = catalog.inspect(both)
    assert engine_choice.has_files(ensemble)
    nets = engine_choice.load(ensemble, engine=INT8)
    assert isinstance(nets["classifier"], WeightedSum)
    alone = engine_choice.load(checkpoint, engine=INT8)["classifier"]
    assert engines.at_once(nets["classifier"]) == engines.at_once(alone)
    e_NCHW = torch.randn(100, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    x_NCHW, sigma_N111 = torch.full_like(e_NCHW, 0.5), torch.full((100, 1, 1, 1), 0.5)
    with torch.inference_mode():
        log_h = engines.noisy(nets["classifier"], x_NCHW, sigma_N111, e_NCHW)
        one = engines.noisy(alone, x_NCHW, sigma_N111, e_NCHW).log_softmax(1)
    assert (log_h - one).abs().max() < 1e-5  # both members are one network here


def test_attacks_ascend_by_float32_and_are_judged_by_int8(folder):
    checkpoint = catalog.inspect(folder)
    nets = engine_choice.load(checkpoint, engine=INT8)
    x_CHW = datasets.find_image("shapes/test/350")[0]
    spec = RunSpec("", NAME, 0.5, n=300)
    *_, last = certify.watch(x_CHW, nets, spec)
    (net,) = METHODS[spec.method].aim(nets, spec, last.certificate).nets
    x_NCHW = x_CHW[None].clone().requires_grad_(True)
    (by_int8,) = torch.autograd.grad(net(x_NCHW).sum(1)[0] + net(x_NCHW)[0, 3], x_NCHW)
    plain = weights.load(checkpoint)
    (exact,) = torch.autograd.grad(plain(x_NCHW).sum(1)[0] + plain(x_NCHW)[0, 3], x_NCHW)
    assert torch.equal(by_int8, exact)


def test_nothing_phones_home(folder):
    """Every attempt to reach an address, or to start a program that might, ends the run."""
    code = """
import sys
def guard(event, args):
    started = event == "subprocess.Popen" and "ldconfig" not in args[0]
    if started or event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("REACHED OUT", event, args, file=sys.stderr, flush=True)
        import os
        os._exit(9)
sys.addaudithook(guard)
from rsviz.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    words = ["certify", "shapes/test/3", "--checkpoint", NAME, "--n", "300", "--precision", "int8"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env={"RSVIZ_CHECKPOINTS": str(folder.parent), "PATH": "/usr/bin:/bin", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "int8.onnx" in done.stdout
