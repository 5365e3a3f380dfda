"""A network whose answers are not numbers is refused in a sentence, and never votes."""

import copy
import hashlib
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from rsviz.certification.certify import watch_votes
from rsviz.checkpoints import catalog
from rsviz.checkpoints.foreign import read_foreign
from rsviz.checkpoints.weights import load, save
from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.spec import RunSpec
from rsviz.data import datasets
from rsviz.methods import ensemble, gaussian
from rsviz.methods.adaptive import AdaptiveVoter, StaticVoter
from rsviz.methods.registry import METHODS
from rsviz.methods.variational import SelectorVoter
from rsviz.networks import classifiers
from rsviz.smoothing import engines, voters
from rsviz.smoothing.driver import noisy_votes
from rsviz.smoothing.engine import Engine
from rsviz.smoothing.estimates import count_votes
from rsviz.smoothing.make_ready import ready
from rsviz.smoothing.voters import NO_VOTE, NoisyClassifier
from rsviz.training import loop, quantize
from rsviz.training.loop import TrainSpec
from tests.helpers import TINY, OnesMask

NAN, INF = math.nan, math.inf
CARD = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}
SPEC = RunSpec("shapes/test/3", "x", 0.5, n0=100, n=200)


def damaged(key, value, rows=slice(0, 1)):
    torch.manual_seed(0)
    net = classifiers.build("compact", "shapes").eval()
    with torch.no_grad():
        net.state_dict()[key][rows] = value
    return net


class Sometimes(nn.Module):
    """A network that answers NaN for the copies of which one pixel is bright."""

    def __init__(self, bad=NAN):
        super().__init__()
        self.fc, self.bad = nn.Linear(3, 10), bad

    def forward(self, x_NCHW):
        out_NK = self.fc(x_NCHW.mean((2, 3)))
        bright_N = x_NCHW[:, 0, 0, 0] > 1.0
        return torch.where(bright_N[:, None], self.bad, out_NK)


def test_a_row_that_is_not_numbers_has_no_vote():
    logits_NK = torch.tensor(
        [[0.0, 2, 1], [0, NAN, 1], [NAN, NAN, NAN], [0, INF, 1], [-INF, 1, 0], [-INF] * 3]
    )
    assert voters.vote(logits_NK).tolist() == [1, NO_VOTE, NO_VOTE, NO_VOTE, 1, NO_VOTE]
    with pytest.raises(UserError, match="not numbers"):
        voters.check_votes(voters.vote(logits_NK))


@pytest.mark.parametrize(
    "net",
    [
        damaged("1.fc.bias", NAN),
        damaged("1.fc.bias", INF),
        damaged("1.fc.weight", NAN),
        damaged("1.fc.weight", 3e38, slice(None)),
        Sometimes(),
        Sometimes(INF),
    ],
)
def test_votes_that_are_not_numbers_end_the_run_in_a_sentence(net):
    x_CHW, _ = datasets.find_image("shapes/test/3")
    nets = {"classifier": net.eval().requires_grad_(False)}
    steps = watch_votes(
        lambda: METHODS["gaussian"].certify(x_CHW, nets, SPEC),
        METHODS["gaussian"].read,
        x_CHW,
        SPEC,
    )
    with pytest.raises(UserError, match="answers are not numbers"):
        list(steps)
    with pytest.raises(UserError, match="answers are not numbers"):
        noisy_votes(NoisyClassifier(net), x_CHW, SPEC, 8)
    with pytest.raises(UserError, match="answers are not numbers"):
        count_votes(net, x_CHW[None], 0.5, 200, torch.Generator().manual_seed(0))


def test_a_network_that_answers_so_for_some_copies_is_not_calibrated():
    x_NCHW = datasets.load("shapes", "test").x_NCHW[:8].float() / 255
    nets = {"classifier": Sometimes().eval()}
    with pytest.raises(UserError, match="answers are not numbers"):
        quantize._run(METHODS["gaussian"].certify, x_NCHW, nets, replace(SPEC, sigma=2.0), "0")


def test_a_batch_norm_of_negative_variance_is_refused():
    keys = classifiers.build("compact", "shapes").state_dict()
    net = damaged(next(k for k in keys if k.endswith("running_var")), -1.0, slice(None))
    x_CHW, _ = datasets.find_image("shapes/test/3")
    with pytest.raises(UserError, match="answers are not numbers"):
        count_votes(net, x_CHW[None], 0.5, 100, torch.Generator().manual_seed(0))


class Silent(nn.Module):
    """A mask, or a selector, that answers NaN."""

    def forward(self, x_NCHW, *_):
        return x_NCHW[:, :1] * NAN


def test_every_voter_says_that_it_has_no_vote():
    net = classifiers.build("compact", "shapes").eval()
    x_NCHW, sigma_N111 = torch.rand(4, 3, 32, 32), torch.full((4, 1, 1, 1), 0.5)
    e_NCHW = torch.randn(4, 3, 32, 32)
    bad = damaged("1.fc.bias", NAN).eval()

    class Selector(nn.Module):
        def forward(self, x_NCHW, lam_N):
            return torch.tensor([NAN, INF, 0.5, 0.5])

    with torch.inference_mode():
        one = (x_NCHW, sigma_N111, e_NCHW)
        assert set(AdaptiveVoter(net, (Silent(),))(*one, e_NCHW).tolist()) == {NO_VOTE}
        assert set(AdaptiveVoter(bad, (OnesMask(),))(*one, e_NCHW).tolist()) == {NO_VOTE}
        assert set(StaticVoter(net, Silent())(*one).tolist()) == {NO_VOTE}
        chosen = SelectorVoter(Selector(), (0.25, 0.5), 0.5)(*one)
        assert chosen.tolist() == [NO_VOTE, NO_VOTE, 1, 1]
        for weights in ((0.5, 0.5), (1.0, 0.0), None):
            joint_N = ensemble.Voter((net, bad), ((0.5, 0.5), weights))(*one)
            assert set(joint_N.tolist()) == {NO_VOTE}


def test_an_ensemble_of_such_a_network_is_not_fitted():
    x_JCHW, y_J = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    nets = [
        classifiers.build("compact", "shapes").eval(),
        damaged("1.fc.weight", 3e38, slice(None)),
    ]
    with pytest.raises(UserError, match="are not numbers"):
        ensemble.measure(nets, x_JCHW, y_J, 0.5, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e6])
def test_such_weights_are_not_saved_and_what_was_there_stays(tmp_path, value):
    good = save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD)
    with pytest.raises(UserError, match="net was not saved"):
        save(damaged("1.fc.bias", value), tmp_path / "net", CARD)
    assert catalog.find("net", tmp_path).sha256 == good.sha256
    with pytest.raises(UserError, match="new was not saved"):
        save(damaged("1.fc.bias", value), tmp_path / "new", CARD)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def spoiled(tmp_path):
    """A checkpoint whose weights are those its card names, and one of them NaN."""
    save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD)
    file = tmp_path / "net" / "weights.safetensors"
    state = load_file(file)
    state["1.fc.bias"][3] = NAN
    save_file(state, file)
    card = dict(CARD) | {"name": "net", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    catalog.write_card(tmp_path / "net", card)
    return catalog.find("net", tmp_path)


def test_such_weights_are_not_loaded(spoiled):
    with pytest.raises(UserError, match=r"1\.fc\.bias holds values that are not numbers"):
        load(spoiled)


@pytest.mark.parametrize("library", ["torch", "openvino"])
@pytest.mark.parametrize("command", ["certify shapes/test/3", "evaluate --first 2 --out log.csv"])
def test_no_command_and_no_engine_counts_votes_of_such_weights(
    spoiled, monkeypatch, capsys, command, library
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(spoiled.folder.parent))
    monkeypatch.chdir(spoiled.folder.parent)
    words = [*command.split(), "--checkpoint", "net", "--n", "200", "--engine", library]
    assert main(words) == 2
    told = capsys.readouterr()
    assert "1.fc.bias holds values that are not numbers" in told.err and told.out == ""
    assert not Path("log.csv").exists()


@pytest.mark.parametrize("library", ["torch", "openvino"])
def test_no_engine_votes_with_answers_that_are_not_numbers(library):
    engine = Engine(library, "float32")
    if (why := engines.absent(engine, "cpu")) is not None:
        pytest.skip(why)
    torch.manual_seed(0)
    net = classifiers.build(TINY, "shapes").eval().requires_grad_(False)
    net[1].fc.bias[3] = NAN
    voter = NoisyClassifier(ready(net, engine))
    one = torch.rand(4, 3, 32, 32), torch.full((4, 1, 1, 1), 0.5), torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        assert set(voter(*one).tolist()) == {NO_VOTE}


@pytest.mark.parametrize("key", ["fc.bias", "fc.weight", "running_var"])
@pytest.mark.parametrize("value", [NAN, INF, 1e300])
def test_a_visitors_network_of_such_weights_is_refused(tmp_path, key, value):
    state = classifiers.build("compact", "shapes")[1].state_dict()
    name = next(k for k in state if k.endswith(key))
    state[name] = state[name].double()
    state[name].view(-1)[0] = value
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(UserError, match="not numbers"):
        read_foreign((tmp_path / "x.pth").read_bytes(), "x.pth", "shapes")


def test_a_file_of_such_weights_is_refused_and_never_gives_a_class():
    file = Path(__file__).parents[1] / "cases" / "not-a-number.pth"
    for dataset in ("cifar10", "shapes"):
        with pytest.raises(UserError, match="answers are not numbers"):
            read_foreign(file.read_bytes(), file.name, dataset)


@pytest.fixture(scope="module")
def data():
    whole = datasets.load("shapes", "test")
    return replace(whole, x_NCHW=whole.x_NCHW[:640], y_N=whole.y_N[:640])


def test_a_training_whose_loss_is_not_a_number_stops_and_writes_nothing(data, tmp_path):
    spec = TrainSpec("gaussian", "shapes", "compact", 0.5, epochs=2, lr=1e9, batch=64)
    net = classifiers.build("compact", "shapes")
    with pytest.raises(UserError, match=r"epoch 1: its loss or its weights.*lower --lr"):
        loop.train(net, data, gaussian.loss, spec, tmp_path / "s.pt", compiled=False)
    assert not list(tmp_path.glob("*.pt"))


def test_weights_that_the_last_step_spoils_stop_a_training_too(data, tmp_path):
    spec = TrainSpec("gaussian", "shapes", "compact", 0.5, epochs=1, lr=0.1, batch=320)
    net = classifiers.build("compact", "shapes")
    calls = []

    def loss(net, *args):
        calls.append(1)
        if len(calls) == 2:  # the last step: its loss is a number, its gradient is none
            net[1].fc.bias.register_hook(lambda grad: grad * NAN)
        return gaussian.loss(net, *args)

    with pytest.raises(UserError, match="no longer numbers"):
        loop.train(net, data, loss, spec, tmp_path / "s.pt", compiled=False)
    assert not list(tmp_path.glob("*.pt"))


def test_a_loss_that_is_no_number_later_leaves_the_last_good_epoch(data, tmp_path):
    spec = TrainSpec("gaussian", "shapes", TINY, 0.5, epochs=3, lr=0.1, batch=320)
    file, spoil = tmp_path / "s.pt", [True]

    def loss(*given):
        value = gaussian.loss(*given)
        return value * NAN if spoil[0] and given[-1] >= 2 else value  # from the second epoch on

    def train():
        torch.manual_seed(0)
        net, said = classifiers.build(TINY, "shapes"), []
        loop.train(net, data, loss, spec, file, compiled=False, report=said.append)
        return said

    for _ in range(2):
        with pytest.raises(UserError, match="ended in epoch 2: its loss or its weights"):
            train()
        state = torch.load(file, weights_only=True)
        assert state["epoch"] == 1 and all(v.isfinite().all() for v in state["net"].values())
    spoil[0] = False
    assert train()[0] == "continuing after epoch 1 of 3"


def test_a_state_of_such_weights_is_refused(data, tmp_path):
    spec = TrainSpec("gaussian", "shapes", "compact", 0.5, epochs=1, lr=0.1, batch=320)
    net = classifiers.build("compact", "shapes")
    again = copy.deepcopy(net)
    loop.train(net, data, gaussian.loss, spec, tmp_path / "s.pt", compiled=False)
    state = torch.load(tmp_path / "s.pt", weights_only=True)
    state["net"]["1.fc.bias"][0] = NAN
    torch.save(state, tmp_path / "s.pt")
    with pytest.raises(UserError, match="weights are not numbers; delete it"):
        loop.train(again, data, gaussian.loss, spec, tmp_path / "s.pt", compiled=False)


def test_the_command_line_trains_no_such_checkpoint(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(datasets, "load", lambda *_: data)  # not drawn anew: that takes seconds
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    words = "train gaussian --dataset shapes --sigma 0.5 --epochs 1 --lr 1e9 --no-compile"
    out = ["--batch", "16", "--out", str(tmp_path / "net")]
    assert main([*words.split(), *out]) == 2
    assert "lower --lr" in capsys.readouterr().err
    assert not (tmp_path / "net").exists() and not list(tmp_path.rglob("*.pt"))
