"""Dual RS: the min rule on votes of known probability, abstention, routing, labels, losses."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import binom
from torch import nn

from rsviz.core.bounds import clopper_pearson_lower
from rsviz.core.errors import UserError
from rsviz.core.flags import PARTIAL
from rsviz.core.reading import reread
from rsviz.core.smoothed_median import best_interval, quantile_index
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.data import catalog, datasets
from rsviz.data.images import image_id
from rsviz.methods import dual
from rsviz.networks import classifiers
from rsviz.networks.classifiers import Compact
from rsviz.smoothing import driver, estimates, voters
from rsviz.training import loop
from rsviz.training.dual import choose_levels, label_radii, make_targets, risk_weights

LEVELS = (0.25, 0.5, 1.0)


def spec(split="half", levels="0.25,0.5,1", **changes):
    settings = (("levels", levels), ("sigma_e", 1.0), ("split", split))
    run = {"image": "x", "checkpoint": "c", "sigma": 1.0, "n0": 20, "n": 40, "alpha": 0.1}
    return RunSpec(**run | {"settings": settings} | changes)


def votes_of(run, level_L, class_K, level=1, cls=0, ended="complete"):
    """Votes of all four stages, the selections unanimous."""
    stages = {
        "estimate-select": [run.n0 * (i == level) for i in range(3)],
        "estimate-bound": level_L,
        "select": [run.n0 * (i == cls) for i in range(len(class_K))],
        "bound": class_K,
    }
    planned = (run.n0, run.n) * 2
    return {
        name: Votes(name, tuple(c), n, ended if sum(c) < n else "complete")
        for (name, c), n in zip(stages.items(), planned, strict=True)
    }


def tightest(n, alpha, near):
    """The p above 1/2, near the one given, at which the bound fails with probability alpha."""
    bounds = [clopper_pearson_lower(k, n, alpha) for k in range(n + 1)]
    return min((b for b in bounds if b > 0.5), key=lambda b: abs(b - near)) * (1 - 1e-9)


def failures(split):
    """(min wrong, some radius wrong): exact probabilities at the tightest p of both stages."""
    run = spec(split)
    share = run.alpha * (0.5 if split == "half" else 1)
    p_s = tightest(run.n, share, 0.6)
    p_c = tightest(run.n, share, 0.95)
    true_s, true_c = 1.0 * ndtri(p_s), 0.5 * ndtri(p_c)
    wrong_min = wrong_any = 0.0
    for i in range(run.n + 1):
        for j in range(run.n + 1):
            weight = binom.pmf(i, run.n, p_s) * binom.pmf(j, run.n, p_c)
            if weight < 1e-12:
                continue
            c = dual.read(votes_of(run, (run.n - i, i, 0), (j, run.n - j)), run)
            wrong_min += weight * (c.radius > min(true_s, true_c))
            both = not c.abstained
            wrong_s = both and c.detail["estimate"]["radius"] > true_s
            wrong_c = both and c.detail["radius_class"] > true_c
            wrong_any += weight * (wrong_s or wrong_c)
    return wrong_min, wrong_any


def test_the_alpha_split_holds_and_is_spent():
    wrong_min, wrong_any = failures("half")
    assert 0.05 < wrong_any <= 0.1  # level and both radii together: what the split is for
    assert wrong_min <= 0.05  # the min alone fails with only half of alpha


def test_the_min_alone_needs_no_split():
    wrong_min, wrong_any = failures("none")
    assert 0.05 < wrong_min <= 0.1
    assert wrong_any > 0.1  # so both radii together may not be claimed at this reading


def simulate(rng, stage, p_K, n):
    return Votes(stage, tuple(rng.multinomial(n, p_K).tolist()), n, "complete")


class Head(nn.Module):
    """Votes for class argmax(w x + b), x the first pixel; its votes under noise are known."""

    def __init__(self, rows):
        super().__init__()
        self.fc = nn.Linear(1, len(rows))
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[w] for w, _ in rows]))
            self.fc.bias.copy_(torch.tensor([b for _, b in rows]))

    def forward(self, x_NCHW):
        return self.fc(x_NCHW[:, 0, 0, :1])


def always(k, count):
    return Head([(0.0, float(i == k)) for i in range(count)])


def nets(**changes):
    return {"estimator": always(1, 3), "classifier": always(2, 4)} | changes


def asks(run, nets_by_name, p):
    """Run a method on votes drawn from p[stage]; return the asks and the certificate."""
    rng, seen = np.random.default_rng(0), []
    method = dual.certify(torch.zeros(3, 4, 4), nets_by_name, run)
    try:
        ask = next(method)
        while True:
            seen.append(ask)
            ask = method.send(simulate(rng, ask.stage, p[ask.stage], ask.n))
    except StopIteration as end:
        return seen, end.value


CERTAIN = {
    "estimate-select": (0, 1, 0),
    "estimate-bound": (0, 1, 0),
    "select": (0, 0, 1, 0),
    "bound": (0, 0, 1, 0),
}


def test_simulated_votes_are_wrong_at_most_alpha():
    p_s, p_c = tightest(40, 0.05, 0.6), tightest(40, 0.05, 0.95)
    run, rng, wrong = spec(), np.random.default_rng(1), 0
    p = {
        "estimate-select": (1 - p_s, p_s, 0),
        "estimate-bound": (1 - p_s, p_s, 0),
        "select": (p_c, 1 - p_c),
        "bound": (p_c, 1 - p_c),
    }
    for _ in range(2000):
        c = dual.read(
            {s: simulate(rng, s, p[s], run.n if "bound" in s else run.n0) for s in p}, run
        )
        wrong += c.radius > min(ndtri(p_s), 0.5 * ndtri(p_c))
    assert 0.02 < wrong / 2000 < 0.1  # .05 and a standard deviation of .005


def test_the_stages_their_noise_and_the_radius():
    seen, c = asks(spec(), nets(), CERTAIN)
    assert [(a.stage, a.sigma, a.n, a.classes) for a in seen] == [
        ("estimate-select", 1.0, 20, 3),
        ("estimate-bound", 1.0, 40, 3),
        ("select", 0.5, 20, 4),
        ("bound", 0.5, 40, 4),
    ]
    assert (c.predicted, c.sigma, c.abstained, c.ended) == (2, 0.5, False, "complete")
    assert c.radius == pytest.approx(0.5 * ndtri(0.05 ** (1 / 40)))
    assert c.detail["estimate"]["radius"] == pytest.approx(ndtri(0.05 ** (1 / 40)))
    assert c.alpha_split == {"level, planned n": 0.05, "class, planned n": 0.05}
    assert Certificate.from_json(c.to_json()).detail == c.detail


def test_the_smaller_radius_decides_whichever_it_is():
    run = spec()
    near = dual.read(votes_of(run, (5, 35, 0), (40, 0)), run)
    assert near.radius == near.detail["estimate"]["radius"] < near.detail["radius_class"]
    assert "The level decides" in near.detail["why"]
    far = dual.read(votes_of(run, (0, 40, 0), (36, 4)), run)
    assert far.radius == far.detail["radius_class"] < far.detail["estimate"]["radius"]
    assert "The class decides" in far.detail["why"]


def test_an_estimator_that_abstains_ends_the_run():
    seen, c = asks(spec(), nets(), CERTAIN | {"estimate-bound": (0.5, 0.5, 0)})
    assert [a.stage for a in seen] == ["estimate-select", "estimate-bound"]
    assert (c.abstained, c.radius, c.predicted, c.ended) == (True, 0.0, None, "complete")
    assert "The estimator abstains" in c.detail["why"]
    assert PARTIAL not in c.flags


def test_a_classifier_that_abstains_leaves_nothing_certified():
    _, c = asks(spec(), nets(), CERTAIN | {"bound": (0, 0.7, 0.3, 0)})
    assert (c.abstained, c.radius, c.predicted) == (True, 0.0, 2)
    assert c.detail["estimate"]["radius"] > 0
    assert "The classifier abstains" in c.detail["why"]


def test_routing_sends_each_level_to_its_own_network():
    experts = {f"classifier-{s:g}": always(i, 4) for i, s in enumerate(LEVELS)}
    for i in range(3):
        level_L = tuple(float(k == i) for k in range(3))
        p = CERTAIN | {"estimate-select": level_L, "estimate-bound": level_L}
        seen, c = asks(spec(), {"estimator": always(i, 3)} | experts, p)
        assert seen[2].voter.net is experts[f"classifier-{LEVELS[i]:g}"]
        assert seen[2].sigma == seen[3].sigma == c.sigma == LEVELS[i]


def test_what_is_missing_or_misfits_is_refused_in_words():
    x = torch.zeros(3, 4, 4)
    one_expert = {"estimator": always(1, 3), "classifier-0.5": always(0, 4)}
    for bad_nets, run, said in [
        ({"classifier": always(0, 4)}, spec(), "estimator"),
        ({"estimator": always(0, 3)}, spec(), "classifier"),
        (one_expert, spec(), "classifier"),
        (nets(), spec(levels="0.25,0.5"), "3 levels, but 2"),
        (nets(), spec(levels="1,0.5,2"), "rising"),
        (nets(), spec(levels="one"), "rising"),
        (nets(), spec(split="third"), "split"),
        (nets(), spec(settings=(("level", 1),)), "there are: levels, sigma_e, split"),
        (nets(), spec(settings=(("levels", 1.0),)), "levels must be a word"),
        (nets(), spec(settings=(("sigma_e", "big"),)), "sigma_e must be a number"),
    ]:
        with pytest.raises(UserError, match=said):
            next(dual.certify(x, bad_nets, run))


def test_sigma_e_is_the_largest_level_unless_said():
    ask = next(dual.certify(torch.zeros(3, 4, 4), nets(), spec(settings=())))
    assert ask.sigma == 1.0
    ask = next(dual.certify(torch.zeros(3, 4, 4), nets(), spec(settings=(("sigma_e", 0.3),))))
    assert ask.sigma == 0.3


@pytest.mark.parametrize("bound", [Bound.ANYTIME, Bound.SPLIT])
def test_every_partial_reading_is_valid(bound):
    run = spec(bound=bound, n=200)
    whole = votes_of(run, (10, 190, 0), (195, 5))
    names = list(whole)
    for have in range(5):
        c = dual.read({name: whole[name] for name in names[:have]}, run)
        assert c.abstained == (have < 4)
        assert (c.ended == "complete") == (have == 4)
        assert (PARTIAL in c.flags) == (have < 4)
    stopped = dual.read(votes_of(run, (10, 190, 0), (90, 2), ended="stopped"), run)
    assert 0 < stopped.radius < c.radius
    assert (stopped.ended, PARTIAL in stopped.flags) == ("stopped", True)
    early = replace(whole["estimate-bound"], counts_K=(4, 60, 0), ended="running")
    c = dual.read(whole | {"estimate-bound": early}, run)
    assert (c.ended, 0 < c.radius) == ("running", True)


def test_clopper_pearson_says_nothing_before_the_planned_votes():
    run = spec()
    c = dual.read(votes_of(run, (0, 40, 0), (30, 0), ended="running"), run)
    assert (c.abstained, c.radius) == (True, 0.0)
    assert "not all in" in c.detail["why"]


def test_it_is_not_read_again_as_if_it_were_one_count():
    run = spec("none")
    c = dual.read(votes_of(run, (0, 40, 0), (36, 4)), run)
    with pytest.raises(UserError, match="not the reading of one count"):
        reread(c, alpha=0.01)


def test_the_certificate_holds_on_a_line_where_truth_is_known():
    """On one pixel, level and class change at known distances: R < the nearer, and not by much."""
    x = torch.full((3, 4, 4), 0.5)
    for edge_s, edge_c in ((0.9, 0.7), (0.6, 1.3)):
        two = {
            "estimator": Head([(0.0, 1.5), (1.0, 1.5 - (0.5 - edge_s)), (0.0, -9.0)]),
            "classifier": Head([(1.0, -0.5 + edge_c), (0.0, 0.0), (0.0, -9.0), (0.0, -9.0)]),
        }
        run = spec(n=3000, alpha=0.001)
        start = partial(dual.certify, x, two, run)
        *_, last = driver.drive([voters.Request(0, x, image_id(x), 0, start)])
        c = last.certificate
        assert (c.predicted, c.sigma) == (0, 0.5)
        # The level changes where x falls by edge_s, the class where it falls by edge_c.
        truth = min(edge_s, edge_c)
        assert 0.8 * truth < c.radius < truth


def test_predict_splits_alpha_between_level_and_class():
    assert dual.predicted((2, 98, 0), (90, 10), 0.01) == (1, 0)
    assert dual.predicted((45, 55, 0), (90, 10), 0.01) == (None, None)
    assert dual.predicted((2, 98, 0), (45, 55), 0.01) == (1, None)
    # 5 votes of one kind have a p-value of 1/16: enough at alpha .13, not at alpha .12.
    assert dual.predicted((5, 0), (5, 0), 0.13) == (0, 0)
    assert dual.predicted((5, 0), (5, 0), 0.12) == (None, None)


def test_predict_asks_at_the_chosen_level():
    run = dual.predict(torch.zeros(3, 4, 4), nets(), spec())
    assert next(run).sigma == 1.0
    ask = run.send(Votes("predict-level", (40, 0, 0), 40, "complete"))
    assert (ask.sigma, ask.classes) == (0.25, 4)
    with pytest.raises(StopIteration) as end:
        run.send(Votes("predict-class", (0, 0, 40, 0), 40, "complete"))
    assert end.value.value == 2


def test_votes_are_counted_for_each_image():
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(3, 3, 4, 4)
    x[1], x[2] = 5.0, -5.0
    counts = estimates.count_votes(Head([(1.0, 0.0), (-1.0, 0.0)]), x, 1.0, 400, generator, rows=70)
    assert counts.sum(1).tolist() == [400] * 3
    assert counts[1].tolist() == [400, 0]
    assert counts[2].tolist() == [0, 400]
    assert abs(counts[0, 0].item() - 200) < 50  # five standard deviations


def test_labels_follow_the_radii():
    radius = label_radii(torch.tensor([50, 30, 10]), 50, 0.5)
    assert radius[0].item() == pytest.approx(0.5 * ndtri(0.05 ** (1 / 50)))
    assert radius[0] > radius[1] >= radius[2] == 0
    radius_NL = torch.tensor([[0.5, 0.9, 0.1], [0.0, 0.0, 0.0], [0.3, 0.2, 0.0], [0.4, 0.1, 2.0]])
    radius_NL = torch.cat([radius_NL, torch.tensor([[0.9, 0.1, 0.2]])])
    targets = make_targets(radius_NL, "strong")
    e = np.exp([0.5, 0.9, 0.1])
    assert targets.soft_NL[0].tolist() == pytest.approx((e / e.sum()).tolist())
    # Four images have a radius; shares 2/4 (smallest level), 1/4, 1/4; nothing to learn from one.
    assert targets.weight_N.tolist() == pytest.approx([4 / 3, 0, 2 / 3, 4 / 3, 2 / 3])
    largest = np.array([0.1, 0, 0, 2.0, 0.2])
    for risk_N in targets.risk_NL.T:
        assert risk_N.tolist() == pytest.approx((largest / largest.mean()).tolist())
    for weak_N in risk_weights(radius_NL, "weak").T:
        assert weak_N.tolist() == pytest.approx((radius_NL[:, 0] / radius_NL[:, 0].mean()).tolist())
    assert risk_weights(radius_NL, "none").tolist() == [[1] * 3] * 5
    followed_NL = risk_weights(radius_NL, "follow")
    assert torch.allclose(followed_NL, radius_NL / radius_NL.mean())


def targets_of(count, classes=4):
    generator = torch.Generator().manual_seed(2)
    return make_targets(torch.rand(count, classes, generator=generator).double())


def test_gradients_of_the_losses(tiny, slope):
    net, x, _, sigma = tiny
    rows = torch.tensor([4, 2, 0, 1, 3])
    estimate = partial(dual.loss, targets=targets_of(5))
    exact, finite = slope(estimate, net, x, rows, sigma)
    assert exact == pytest.approx(finite, rel=1e-5)
    net.zero_grad()
    radius_NL = torch.rand(5, 4, generator=torch.Generator().manual_seed(2)).double()
    prove = partial(dual.proof_loss, radius_NL=radius_NL)
    exact, finite = slope(prove, net, x, rows, sigma)
    assert exact == pytest.approx(finite, rel=1e-5)
    net.zero_grad()
    tune = partial(
        dual.classifier_loss,
        label_N=torch.tensor([0, 1, 2, 3, 0]),
        level_N=torch.tensor([0.25, 0.5, 1.0, 0.25, 0.5]),
    )
    exact, finite = slope(tune, net, x, rows, sigma)
    assert exact == pytest.approx(finite, rel=1e-5)


def test_the_estimators_loss_by_hand(given):
    targets = dual.Targets(
        torch.tensor([[0.2, 0.8], [0.5, 0.5]]),
        torch.tensor([2.0, 0.0]),
        torch.tensor([[7.0, 3.0], [1.0, 1.0]]),  # copies of the first predict levels 1 and 0
    )
    how = dual.Settings(draws=2, lam=5.0, eta=0.5)
    logits = [[[0.0, 1.0], [9.0, 0.0]], [[1.0, 0.0], [3.0, 2.0]]]
    value = given(partial(dual.loss, targets=targets, settings=how), logits, [0, 1])
    p = 1 / (1 + np.e)
    classed = -(0.2 * np.log(p) + 0.8 * np.log(1 - p) + 0.2 * np.log(1 - p) + 0.8 * np.log(p)) / 2
    apart = 0.5 * np.log(0.5 / p) + 0.5 * np.log(0.5 / (1 - p))  # fhat = (1/2, 1/2)
    by_hand = 2 * (classed + 3 * (5 * apart + 0.5 * np.log(2))) / 2  # the second has no weight
    assert value == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.8])
def test_the_radius_it_learns_is_that_of_the_sweep(quantile):
    generator, q = np.random.default_rng(3), 0.85
    counts_NL = np.maximum(1, generator.dirichlet([0.5] * 4, 400) * 1e5).astype(int)
    radius_NL = generator.choice([0.0, 1.0], (400, 4), p=[0.2, 0.8]) * generator.uniform(0, 2, 4)
    above_NL = 1 - counts_NL.cumsum(1)[:, :-1] / counts_NL.sum(1, keepdims=True)
    found_N = dual.swept_radius(
        torch.tensor(above_NL),
        torch.tensor(radius_NL),
        torch.full((400, 1), q, dtype=torch.float64),
        quantile,
    )
    kept = 0
    for counts_L, above_L, radius_L, found in zip(
        counts_NL, above_NL, radius_NL, found_N, strict=True
    ):
        chosen = quantile_index(counts_L, quantile)
        clipped_L = above_L.clip(1e-3, 1 - 1e-3)
        up_L = q * np.maximum(0, ndtri(1 - clipped_L) - ndtri(quantile))
        down_L = q * np.maximum(0, ndtri(clipped_L) - ndtri(1 - quantile))
        edges = ([np.inf, *down_L], [*up_L, np.inf])
        wanted, *_ = best_interval(*edges, list(radius_L), chosen)
        assert max(0.0, found.item()) == pytest.approx(wanted, abs=1e-9)
        kept += wanted > 0
    assert 100 < kept < 400


def test_the_loss_of_what_is_proved_by_hand(given):
    how = dual.Proof(draws=2, worth=0.4, sharpness=2.0)
    logits = [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 1.0]]]
    radius_NL = torch.tensor([[9.0, 9.0, 9.0], [0.2, 0.5, 0.9], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])

    def value_of(row):
        return given(partial(dual.proof_loss, radius_NL=radius_NL, settings=how), logits, [row])

    # The largest logit above a level less the largest not above, in the two draws.
    lowest, middle = np.array([1.0, 1.0]), np.array([-1.0, 0.0])
    above_lowest, above_middle = ((1 / (1 + np.exp(-2 * gap))).mean() for gap in (lowest, middle))
    down, up = ndtri(above_lowest), -ndtri(above_middle)  # how far the middle level holds
    R = max(min(down, up, 0.5), min(down, 0.5, 0.9), min(up, 0.2, 0.5), 0.2)
    for row, radius in ((1, R), (3, -up)):  # the other is certified at a level not chosen
        near = np.mean([1 / (1 + np.exp(-(radius - r) / 0.1)) for r in (0, 0.25)])
        assert value_of(row) == pytest.approx(-(max(0, radius) + 0.4 * near), rel=1e-4)
    assert -up < 0 == value_of(2)


def test_what_is_proved_pays_a_level_that_holds_farther(tiny):
    """Towards the only level with a radius the loss falls, whichever level that is."""
    net, x, _, sigma = tiny
    for level in range(4):
        radius_NL = torch.zeros(5, 4)
        radius_NL[:, level] = 2.0
        last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
        bias = last.bias.detach().clone()
        values = []
        for lift in (0.0, 0.5, 1.0, 1.5):
            with torch.no_grad():
                last.bias.copy_(bias)
                last.bias[level] += lift
            loss = dual.proof_loss(
                net, x, torch.arange(5), sigma, torch.Generator().manual_seed(1), 0, radius_NL
            )
            values.append(loss.item())
        with torch.no_grad():
            last.bias.copy_(bias)
        assert values == sorted(values, reverse=True) and values[-1] < values[0]


def test_rows_carry_targets_labels_and_levels(tiny):
    net, x, _, sigma = tiny
    table = targets_of(9)

    def value(rows, targets):
        return dual.loss(net, x, rows, sigma, torch.Generator().manual_seed(1), 0, targets).item()

    rows = torch.tensor([8, 0, 3, 3, 5])
    picked = dual.Targets(table.soft_NL[rows], table.weight_N[rows], table.risk_NL[rows])
    assert value(rows, table) == value(torch.arange(5), picked)
    assert value(rows, table) != value(torch.arange(5), table)


def test_the_level_of_most_copies_is_chosen():
    x, generator = torch.zeros(3, 3, 4, 4), torch.Generator()
    chosen = choose_levels(always(1, 3), x, 1.0, LEVELS, 20, generator)
    assert chosen.tolist() == [0.5] * 3


def test_the_estimator_learns_in_the_shared_loop(tmp_path):
    whole = datasets.load("shapes", "test")
    rows = torch.arange(128)
    data = replace(whole, x_NCHW=whole.x_NCHW[:128], y_N=rows)  # labels are rows of the targets
    best = whole.y_N[:128] % 2
    targets = make_targets(3.0 * nn.functional.one_hot(best, 3), "none")
    how = dual.Settings(draws=1, lam=0.0, eta=0.0)
    torch.manual_seed(0)
    net = nn.Sequential(classifiers.Normalize(*catalog.STATISTICS["shapes"]), Compact(3, 8))
    said = []
    run = loop.TrainSpec("dual", "shapes", "compact", 0.1, 5, lr=0.2, batch=32)
    loss = partial(dual.loss, targets=targets, settings=how)
    loop.train(net, data, loss, run, tmp_path / "s.pt", "cpu", False, said.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in said]
    assert losses[-1] < 0.9 * losses[0]
