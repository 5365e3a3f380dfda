"""Training of the methods that choose the noise of each image, on a few images of Shapes."""

from dataclasses import replace

import pytest
import torch

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.core.settings import fill
from rsviz.data import datasets
from rsviz.methods import dual as dual_rs
from rsviz.networks import classifiers, inspection
from rsviz.smoothing import estimates
from rsviz.training import dual, loop, variational
from rsviz.training.loop import TrainSpec

SPEC = TrainSpec("dual", "shapes", "compact", 1.0, epochs=1, lr=0.05, batch=8, start="base")
FEW = (("fine_epochs", 1.0), ("images", 80.0), ("votes", 4.0))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    monkeypatch.setattr(
        datasets, "load", lambda name, split, load=datasets.load: load(name, "test")
    )
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": None}
    torch.manual_seed(0)
    for name in ("base", "expert-0.25", "expert-0.5", "expert-1.0"):
        folder = tmp_path / "checkpoints" / name
        weights.save(classifiers.build("compact", "shapes"), folder, card)


def make(module, name, spec, said=None):
    report = (said if said is not None else []).append
    return module.make(spec, catalog.root() / name, "cpu", "command", False, report)


def test_dual_trains_both_networks_and_says_how():
    made = make(dual, "both", replace(SPEC, settings=FEW))
    assert made.verified and made.card.sigma is None
    assert made.card.run == {"levels": "0.25,0.5,1", "sigma_e": 1.0}
    assert made.card.train_images == 80 and made.card.settings["votes"] == 4
    nets = weights.load_nets(made, ready=False)
    assert inspection.class_count(nets["estimator"]) == 3
    before = weights.load(catalog.find("base"), ready=False).state_dict()
    after = nets["classifier"].state_dict()
    assert not all(torch.equal(before[key], after[key]) for key in before)


def test_an_estimator_can_begin_with_what_classes_look_like(monkeypatch):
    begun = {}
    train = loop.train

    def watch(net, data, *rest):
        begun.setdefault(inspection.class_count(net), []).append(
            (len(data), {k: v.clone() for k, v in net.state_dict().items()})
        )
        seconds = train(net, data, *rest)
        begun[inspection.class_count(net)].append(net.state_dict())
        return seconds

    monkeypatch.setattr(loop, "train", watch)
    settings = (("class_epochs", 1), ("experts", "expert"), *FEW)
    make(dual, "both", replace(SPEC, method="routing", start="", settings=settings))
    (all_images, _), classes = begun[10]
    (labelled, levels), _ = begun[3]
    assert (all_images, labelled) == (len(datasets.load("shapes", "train")), 80)
    same = {k for k in levels if levels[k].shape == classes[k].shape}
    assert all(torch.equal(levels[k], classes[k]) for k in same)
    assert {k for k in levels if k not in same} == {"1.fc.weight", "1.fc.bias"}


@pytest.mark.parametrize("method", ["dual", "routing"])
def test_an_estimator_can_begin_as_the_classifier(monkeypatch, method):
    begun = []
    train = loop.train

    def watch(net, *rest):
        begun.append({k: v.clone() for k, v in net.state_dict().items()})
        return train(net, *rest)

    monkeypatch.setattr(loop, "train", watch)
    words = {"trunk": "classifier", "targets": "claimed", "risk": "follow"}
    settings = (*FEW, *words.items(), *((("experts", "expert"),) if method == "routing" else ()))
    start = "" if method == "routing" else "base"
    made = make(dual, "both", replace(SPEC, method=method, start=start, settings=settings))
    assert made.verified and made.card.settings["trunk"] == "classifier"
    own = weights.load(catalog.find(start or "expert-1.0"), ready=False).state_dict()
    same = {k for k, v in begun[0].items() if torch.equal(v, own[k])}
    assert set(own) - same == {"1.fc.weight", "1.fc.bias"}


@pytest.mark.parametrize("method", ["dual", "routing"])
def test_a_head_learns_alone_first_and_then_all_but_the_norms_statistics(monkeypatch, method):
    seen = []
    train = loop.train

    def watch(net, *rest):
        before = {k: v.clone() for k, v in net.state_dict().items()}
        seconds = train(net, *rest)
        moved = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
        seen.append((rest[2].epochs, rest[2].lr, before, moved))
        return seconds

    monkeypatch.setattr(loop, "train", watch)
    words = {"trunk": "headed", "head_epochs": 2, "head_lr": 0.3, "weigh": "alike"}
    settings = (*FEW, *words.items(), *((("experts", "expert"),) if method == "routing" else ()))
    start = "" if method == "routing" else "base"
    made = make(dual, "both", replace(SPEC, method=method, start=start, settings=settings))
    assert made.card.parts["estimator"] == {"network": "compact", "hidden": 64, "classes": 3}
    own = weights.load(catalog.find(start or "expert-1.0"), ready=False).state_dict()
    (epochs, lr, before, moved), (_, _, _, after) = seen[:2]
    assert (epochs, lr) == (2, 0.3)
    head = {f"net.1.fc.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")}
    assert {k for k in own if f"net.{k}" not in before} == {"1.fc.weight", "1.fc.bias"}
    assert all(torch.equal(v, before[f"net.{k}"]) for k, v in own.items() if f"net.{k}" in before)
    assert moved == head
    learnt = {k for k in before if k.endswith(("weight", "bias"))}
    assert after == learnt and len(learnt) > len(head)  # all weights, no statistics of norms
    assert inspection.class_count(weights.load_nets(made)["estimator"]) == 3


def test_the_head_can_learn_what_is_proved_once_it_has_learned_levels(monkeypatch):
    seen = []
    train = loop.train

    def watch(net, data, loss, spec, *rest):
        before = {k: v.clone() for k, v in net.state_dict().items()}
        seconds = train(net, data, loss, spec, *rest)
        moved = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
        seen.append((loss, spec.epochs, spec.lr, moved))
        return seconds

    monkeypatch.setattr(loop, "train", watch)
    words = {
        "trunk": "headed",
        "head_epochs": 1,
        "proof_epochs": 2,
        "proof_draws": 3,
        "proof_lr": 0.2,
    }
    settings = (*FEW, *words.items(), ("worth", 0.7), ("fine_epochs", 0))
    made = make(dual, "both", replace(SPEC, settings=settings))
    assert made.verified and made.card.settings["proof_epochs"] == 2
    assert made.card.run == {"levels": "0.25,0.5,1", "sigma_e": 1.0, "rule": "sweep"}
    assert [loss.func for loss, *_ in seen] == [dual_rs.loss, dual_rs.loss, dual_rs.proof_loss]
    loss, *told, moved = seen[-1]
    assert told == [2, 0.2] and moved == seen[0][-1]  # the head alone
    assert loss.keywords["settings"] == dual_rs.Proof(3, worth=0.7)
    assert loss.keywords["radius_NL"].shape == (80, 3)


@pytest.mark.parametrize("words", [{"trunk": "classifier"}, {"targets": "claimed"}])
def test_what_is_proved_is_learned_by_a_head_from_the_labels_radii(words):
    settings = {"trunk": "headed", "proof_epochs": 1} | words
    with pytest.raises(UserError, match="proof_epochs need trunk=headed"):
        make(dual, "both", replace(SPEC, settings=(*FEW, *settings.items())))


def test_a_head_needs_a_network_whose_last_layers_can_be_more():
    settings = (*FEW, ("trunk", "headed"))
    with pytest.raises(UserError, match="needs --network compact"):
        make(dual, "both", replace(SPEC, network="resnet20", settings=settings))


def test_a_classifier_that_is_not_tuned_is_the_checkpoint_it_is():
    settings = (*FEW[1:], ("fine_epochs", 0))
    made = make(dual, "both", replace(SPEC, settings=settings))
    base = catalog.find("base")
    assert made.verified
    assert made.card.parts["classifier"] == {"checkpoint": "base", "sha256": base.sha256}
    own, found = weights.load(base), weights.load_nets(made)["classifier"]
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(own(x), found(x))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (("weigh", "all"), "weigh"),
        (("head_epochs", 0), "head_epochs"),
        (("proof_epochs", -1), "proof_epochs"),
        (("proof_draws", 0), "proof_draws"),
        (("worth", -1), "worth"),
    ],
)
def test_what_the_new_settings_cannot_be(setting, told):
    with pytest.raises(UserError, match=told):
        make(dual, "both", replace(SPEC, settings=(*FEW, setting)))


def test_claimed_targets_are_of_the_class_with_most_votes(monkeypatch):
    data = dual._first(datasets.load("shapes", "train"), 8)
    counts_NK = torch.zeros(8, 10, dtype=torch.int64)
    counts_NK[torch.arange(8), data.y_N] = 1
    counts_NK[torch.arange(8), (data.y_N + 1) % 10] = 49
    monkeypatch.setattr(estimates, "count_votes", lambda *_: counts_NK)
    base = {"classifier": weights.load(catalog.find("base"), ready=False)}
    found = {}
    for targets in ("label", "claimed"):  # kept apart though all else is the same
        how = dual.Settings(targets=targets)
        found[targets], _ = dual.label(base, data, how, SPEC, "both", "cpu", lambda _: None)
    assert torch.all(found["label"] == 0) and torch.all(found["claimed"] > 0)


def test_an_estimator_costs_at_most_six_tenths_of_the_classifier():
    made = make(dual, "both", replace(SPEC, settings=FEW))
    nets = weights.load_nets(made)
    cost = {name: inspection.multiply_adds(net, 32) for name, net in nets.items()}
    assert cost["estimator"] < 0.6 * cost["classifier"]


def test_labels_are_kept_on_disk_and_found_again(monkeypatch):
    said = []
    make(dual, "both", replace(SPEC, settings=FEW), said)

    def never(*_):
        raise AssertionError("labels were drawn again")

    monkeypatch.setattr(estimates, "count_votes", never)
    how = fill(dual.Settings, FEW)
    base = weights.load(catalog.find("base"), ready=False)
    data = dual._first(datasets.load("shapes", "train"), 80)
    args = {"classifier": base}, data, how, SPEC, "both", "cpu", said.append
    assert dual.label(*args)[0].shape == (80, 3)
    with pytest.raises(AssertionError, match="drawn again"):  # of other votes they say nothing
        dual.label(*args[:2], replace(how, votes=5), *args[3:])


def test_a_card_tells_the_seconds_of_every_call_that_it_took():
    words = {"trunk": "headed", "head_epochs": 1, "proof_epochs": 1, "fine_epochs": 0}
    spec = replace(SPEC, settings=(*FEW[1:], *words.items()))
    first, again = (make(dual, "both", spec) for _ in range(2))  # the second finds all states
    assert again.card.seconds == first.card.seconds > 0


def test_routing_names_its_experts_by_hash():
    spec = replace(SPEC, method="routing", start="", settings=(("experts", "expert"), *FEW))
    made = make(dual, "routed", spec)
    assert made.verified
    parts = made.card.parts
    assert parts["classifier-1"]["checkpoint"] == "expert-1.0"
    assert parts["classifier-0.25"]["sha256"] == catalog.find("expert-0.25").sha256
    assert sorted(weights.load_nets(made)) == [
        "classifier-0.25",
        "classifier-0.5",
        "classifier-1",
        "estimator",
    ]


def test_experts_may_be_named_one_by_one():
    names = "expert-0.5,base, expert-1.0"
    spec = replace(SPEC, method="routing", start="", settings=(("experts", names), *FEW))
    parts = make(dual, "routed", spec).card.parts
    assert parts["classifier-0.25"]["checkpoint"] == "expert-0.5"
    assert parts["classifier-0.5"]["checkpoint"] == "base"
    assert parts["classifier-1"]["checkpoint"] == "expert-1.0"


def test_an_expert_is_one_network_of_the_same_data_set(tmp_path):
    other = {"method": "gaussian", "dataset": "cifar10", "network": "compact", "sigma": None}
    weights.save(classifiers.build("compact", "cifar10"), catalog.root() / "far", other)
    make(dual, "both", replace(SPEC, settings=FEW))
    for name, words in (("far", "for cifar10, not for shapes"), ("both", "not a single network")):
        experts = (("experts", f"base,base,{name}"), *FEW)
        with pytest.raises(UserError, match=words):
            make(dual, "bad", replace(SPEC, method="routing", start="", settings=experts))


def test_a_selector_is_trained_for_a_classifier_that_stays():
    spec = replace(SPEC, method="variational", sigma=0.5, settings=(("images", 80.0),))
    made = make(variational, "chosen", spec)
    assert made.verified and made.card.sigma is None
    nets = weights.load_nets(made)
    base = weights.load(catalog.find("base"))
    x_NCHW = torch.rand(2, 3, 32, 32)
    assert torch.equal(nets["classifier"](x_NCHW), base(x_NCHW))
    with torch.no_grad():
        sigma_N = nets["selector"](x_NCHW, torch.zeros(2))
    assert 0.1 < float(sigma_N.min()) <= float(sigma_N.max()) < 1.2


def test_a_selector_can_begin_with_the_classifiers_trunk(monkeypatch):
    begun = []
    monkeypatch.setattr(loop, "train", lambda net, *_, **__: begun.append(_state(net)) or 0.0)
    settings = (("images", 80.0), ("trunk", "classifier"), ("width", 32.0))
    spec = replace(SPEC, method="variational", sigma=0.5, settings=settings)
    make(variational, "chosen", spec)
    own = weights.load(catalog.find("base"), ready=False).state_dict()
    assert {k for k, v in begun[0].items() if not torch.equal(v, own[k])} == {
        "1.fc.weight",
        "1.fc.bias",
    }
    with pytest.raises(UserError, match="as wide as the classifier"):
        make(variational, "other", replace(spec, settings=(("trunk", "classifier"),)))


def _state(pair):
    return {k: v.clone() for k, v in pair["selector"].trunk.state_dict().items()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": ""}, "starts from a trained classifier"),
        ({"sigma": "uniform"}, "give a number"),
        ({"method": "routing"}, "needs experts"),
        (
            {"method": "routing", "settings": (("experts", "nobody"),)},
            "no checkpoint 'nobody",
        ),
        (
            {"method": "routing", "settings": (("experts", "base,expert-0.5"),)},
            "names 2 networks, but there are 3 levels: 0.25,0.5,1",
        ),
        ({"settings": (("levels", "1,0.5"),)}, "levels must be"),
        ({"settings": (("votes", 0.0),)}, "votes must be"),
        ({"settings": (("risk", "mild"),)}, "risk must be strong, weak, follow or none"),
        ({"settings": (("trunk", "none"),)}, "trunk must be"),
        ({"settings": (("targets", "best"),)}, "targets must be"),
        ({"settings": (("depth", 3.0),)}, "no setting 'depth'"),
    ],
)
def test_what_is_missing_or_wrong_is_a_sentence(changes, words):
    with pytest.raises(UserError, match=words):
        make(dual, "bad", replace(SPEC, **changes))


def test_a_selector_needs_a_classifier_and_a_target():
    for changes in ({"start": ""}, {"sigma": "uniform"}):
        with pytest.raises(UserError):
            make(variational, "bad", replace(SPEC, method="variational", **changes))
