"""Variational RS: quantised selector, bounds on its median, the sound rule, losses."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import binom
from torch import nn

from rsviz.core import smoothed_median
from rsviz.core.bounds import clopper_pearson_lower, order_statistics
from rsviz.core.errors import UserError
from rsviz.core.flags import HEURISTIC, PARTIAL
from rsviz.core.reading import reread
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.data import catalog, datasets
from rsviz.data.images import image_id
from rsviz.methods import variational
from rsviz.methods.variational import kl_of_batch, kl_to_target
from rsviz.networks import classifiers
from rsviz.networks.classifiers import Compact
from rsviz.networks.selectors import Pair, Selector
from rsviz.smoothing import driver, estimates, voters
from rsviz.training import loop

GRID = "0.25,0.5,1"
X = torch.full((3, 4, 4), 0.5)


def spec(levels=GRID, q=0.25, draws=40, budget=0.1, **changes):
    settings = (("budget", budget), ("draws", draws), ("levels", levels), ("q", q))
    run = {"image": "x", "checkpoint": "c", "sigma": 1.0, "n0": 20, "n": 30, "alpha": 0.05}
    return RunSpec(**run | {"settings": settings} | changes)


def votes_of(run, draws_L, bound_LK, ended="complete"):
    """The selector's votes, a unanimous choice of class 0, and bounds at levels of the grid."""
    sizes = {"selector": sum(draws_L), "select": run.n0}
    counts = {"selector": draws_L, "select": (run.n0, 0)}
    for level, class_K in bound_LK.items():
        sizes[f"bound-{level:g}"], counts[f"bound-{level:g}"] = run.n, class_K
    return {
        s: Votes(s, tuple(c), sizes[s], "complete" if sum(c) == sizes[s] else ended)
        for s, c in counts.items()
    }


def tightest(n, alpha, near):
    """The p above 1/2, near the one given, at which the bound fails with probability alpha."""
    bounds = [clopper_pearson_lower(k, n, alpha) for k in range(n + 1)]
    return min((b for b in bounds if b > 0.5), key=lambda b: abs(b - near)) * (1 - 1e-9)


def test_draws_are_clipped_and_rounded_to_the_grid():
    sigma = torch.tensor([0.0, 0.25, 0.374, 0.376, 0.5, 0.76, 1.0, 7.0])
    assert variational.round_to_grid(sigma, (0.25, 0.5, 1.0)).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_the_median_and_its_range_are_those_of_the_sorted_draws(seed):
    rng = np.random.default_rng(seed)
    draws = np.sort(rng.integers(0, 5, 60))
    counts = np.bincount(draws, minlength=6)
    assert smoothed_median.median_index(counts) == draws[29]
    for distance in (0.0, 0.1, 0.3, 2.0):
        low, high = order_statistics(60, distance / 0.25, 0.01)
        i, j, below, above = smoothed_median.median_range(counts, 0.25, distance, 0.01)
        assert (i, below) == ((draws[low - 1], True) if low > 0 else (0, False))
        assert (j, above) == ((draws[high - 1], True) if high <= 60 else (5, False))
        assert below == (distance < 2.0)


def test_the_reach_agrees_with_the_order_statistics_at_every_distance():
    counts, q, alpha = (3, 10, 40, 7, 0, 20), 0.5, 0.02
    votes = Votes("selector", counts, 80, "complete")
    down, up = smoothed_median.reach(votes, q, alpha, Bound.CLOPPER_PEARSON)
    assert (down[0], up[-1]) == (np.inf, np.inf)
    for distance in np.linspace(0.001, 1.2, 200):
        i, j, _, _ = smoothed_median.median_range(counts, q, distance, alpha)
        assert j == min(k for k in range(6) if up[k] >= distance)
        assert i == max(k for k in range(6) if down[k] >= distance)


def test_the_best_interval_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(200):
        down, up, radius = rng.uniform(0, 1, (3, 4))
        down[0] = up[3] = np.inf
        chosen = int(rng.integers(4))
        every = [
            min(down[i], up[j], radius[i : j + 1].min())
            for i in range(chosen + 1)
            for j in range(chosen, 4)
        ]
        assert smoothed_median.best_interval(down, up, list(radius), chosen)[0] == max(every)


def test_a_level_without_votes_is_never_inside():
    R, i, j = smoothed_median.best_interval((np.inf, 0.0), (0.2, np.inf), (0.7, 0.0), 0)
    assert (R, i, j) == (0.2, 0, 0)
    assert smoothed_median.best_interval((np.inf, 0.9), (0.2, np.inf), (0.7, 0.6), 0) == (0.6, 0, 1)


def error(run, p, truth, p_a):
    """(P(R > truth), P(certified)): h <= s_0 with probability p, p_a at each of two levels."""
    wrong = certified = 0.0
    pmf_h, pmf_0, pmf_1 = (
        binom.pmf(np.arange(n + 1), n, q) for n, q in ((40, p), (run.n, p_a[0]), (run.n, p_a[1]))
    )
    weight = pmf_h[:, None, None] * pmf_0[:, None] * pmf_1
    for k, a, b in np.argwhere(weight > 1e-6):
        bound = {0.25: (a, run.n - a), 0.5: (b, run.n - b)}
        c = variational.read(votes_of(run, (k, 40 - k), bound), run)
        wrong += weight[k, a, b] * (c.radius > truth)
        certified += weight[k, a, b] * (not c.abstained)
    return wrong, certified


def test_the_sound_rule_fails_with_at_most_alpha_where_it_is_tightest():
    """At one distance the level passes to .5 and the class there changes; both bounds are tight."""
    p_h, p_1 = tightest(40, 0.05 / 4, 0.75), tightest(30, 0.05 / 2, 0.6)
    truth = 0.5 * ndtri(p_1)
    run = spec("0.25,0.5", q=truth / ndtri(p_h))
    wrong, certified = error(run, p_h, truth * (1 + 1e-12), (1.0, p_1))
    assert 0.025 < wrong <= 0.05  # alpha/4 + alpha/2, less what both have in common
    assert certified > 0.5


def test_the_sound_rule_where_the_class_fails_at_once_at_the_other_level():
    run = spec("0.25,0.5")
    p_h = tightest(40, 0.05 / 4, 0.75)
    wrong, certified = error(run, p_h, 0.25 * ndtri(p_h), (0.999, 0.3))
    assert 0.0124 < wrong + 1e-4 < 0.0126  # one side of the median, alpha/4, and nothing else
    assert certified > 0.5


def test_the_paper_style_radius_is_wrong_there_and_says_that_it_is_heuristic():
    """The class changes as soon as the level does, and sigma PhiInv(p_A) does not see it."""
    run = spec("0.25,0.5")
    votes = votes_of(run, (30, 10), {0.25: (30, 0), 0.5: (5, 25)})
    sound, paper = variational.read(votes, run), variational.read_paper(votes, run)
    truth = 0.25 * ndtri(0.75)  # the median passes to .5 here
    assert sound.radius < truth < paper.radius
    assert paper.radius == pytest.approx(0.25 * ndtri(0.05 ** (1 / 30)))
    assert HEURISTIC in paper.flags
    assert HEURISTIC not in sound.flags
    assert paper.guarantee.startswith("Heuristic")


class Level(nn.Module):
    """A selector whose level is a line in the first pixel."""

    def forward(self, x_NCHW, lam_N):
        return 0.25 + 0.5 * x_NCHW[:, 0, 0, 0]


class Head(nn.Module):
    """Votes for class 0 where the first pixel exceeds an edge."""

    def __init__(self, edge):
        super().__init__()
        self.fc = nn.Linear(1, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0], [0.0]]))
            self.fc.bias.copy_(torch.tensor([-edge, 0.0]))

    def forward(self, x_NCHW):
        return self.fc(x_NCHW[:, 0, 0, :1])


def drive(run, edge, x=X):
    nets = {"selector": Level(), "classifier": Head(edge)}
    start = partial(variational.certify, x, nets, run)
    readings = list(driver.drive([voters.Request(0, x, image_id(x), run.seed, start)]))
    return readings[-1].votes, readings[-1].certificate


def test_the_run_certifies_every_level_that_may_be_chosen():
    run = spec(draws=1000, q=0.2, budget=0.3, n=2000, alpha=0.001)
    votes, c = drive(run, edge=-0.4)
    # h = .5 + .5 q e: the median is .5, and passes to .25 where x falls by .25 (h below .375).
    assert (c.sigma, c.predicted, c.ended, c.abstained) == (0.5, 0, "complete", False)
    assert set(votes) == {"selector", "select", "bound-0.25", "bound-0.5"}
    assert sum(votes["selector"].counts_K) == 1000
    # The class changes where x falls by .9 at any level, so both levels count: rho or more.
    assert c.detail["radii"][0] < 0.9
    assert c.detail["interval"] == [0.25, 0.5]
    assert 0.3 < c.radius < 0.5  # where x rises by .5 the level is 1, which has no votes
    assert Certificate.from_json(c.to_json()).detail == c.detail
    with pytest.raises(UserError, match="not the reading of one count"):
        reread(c, alpha=0.01)


def test_too_few_draws_give_no_bound_and_every_level_gets_votes():
    votes, c = drive(spec(draws=10, q=0.1, budget=0.3), edge=-0.9)
    assert c.detail["bounded"] == [False, False]
    assert c.detail["possible"] == [0.25, 1.0]
    assert {s for s in votes if s.startswith("bound")} == {"bound-0.25", "bound-0.5", "bound-1"}
    _, c = drive(spec(draws=1000, q=0.1, budget=0.05), edge=-0.9)
    assert c.detail["bounded"] == [True, True]
    assert c.detail["possible"] == [0.5, 0.5]


def test_it_abstains_in_words():
    run = spec()
    c = variational.read(votes_of(run, (0, 40, 0), {0.5: (15, 15)}), run)
    assert (c.abstained, c.radius) == (True, 0.0)
    assert "do not certify a class" in c.detail["why"]
    c = variational.read(votes_of(run, (0, 21, 19), {0.5: (30, 0)}), run)
    assert (c.abstained, c.radius) == (True, 0.0)
    assert "the selector's draws leave levels possible" in c.detail["why"]


@pytest.mark.parametrize("bound", [Bound.ANYTIME, Bound.SPLIT])
def test_every_partial_reading_is_valid(bound):
    run = spec(bound=bound, draws=300, n=300, q=0.2, budget=0.3)
    whole, final = drive(run, edge=-0.4)
    assert len(whole) == 4
    radii = []
    for have in range(len(whole) + 1):
        votes = dict(list(whole.items())[:have])
        c = variational.read(votes, run)
        assert (c.ended == "complete") == (have == len(whole))
        assert (PARTIAL in c.flags) == (have < len(whole))
        assert (c.predicted is None) == (have < 2)
        assert variational.read_paper(votes, run).flags.count(HEURISTIC) == 1
        radii.append(c.radius)
    assert radii == sorted(radii)
    assert radii[0] == 0 < radii[-1] == final.radius
    early = Votes("bound-0.5", (80, 5), 300, "stopped")
    c = variational.read(whole | {"bound-0.5": early}, run)
    assert (c.ended, 0 < c.radius <= final.radius) == ("stopped", True)


def predict(run, answers):
    method = variational.predict(X, {"selector": Level(), "classifier": Head(0.0)}, run)
    asked = []
    try:
        ask = next(method)
        while True:
            asked.append(ask.stage)
            counts = answers[ask.stage]
            ask = method.send(Votes(ask.stage, counts, sum(counts), "complete"))
    except StopIteration as end:
        return asked, end.value


def test_a_prediction_needs_all_levels_that_may_be_the_median_to_agree():
    sure = {"predict-level": (0, 40, 0), "predict-0.5": (30, 0)}
    assert predict(spec(), sure) == (["predict-level", "predict-0.5"], 0)
    torn = {"predict-level": (0, 20, 20), "predict-0.5": (30, 0)}
    both = ["predict-level", "predict-0.5", "predict-1"]
    assert predict(spec(), torn | {"predict-1": (29, 1)}) == (both, 0)
    assert predict(spec(), torn | {"predict-1": (1, 29)}) == (both, None)
    assert predict(spec(), torn | {"predict-1": (16, 14)}) == (both, None)
    assert predict(spec(), sure | {"predict-0.5": (16, 14)})[1] is None


def test_a_prediction_spends_a_quarter_of_alpha_on_each_side_of_the_median():
    # P(Bin(40, 1/2) <= 13) = .0192 lies between alpha/4 = .0125 and alpha/2: 14 of 40 may be half.
    narrow = {"predict-level": (14, 26, 0), "predict-0.25": (0, 30), "predict-0.5": (30, 0)}
    assert predict(spec(), narrow) == (["predict-level", "predict-0.25", "predict-0.5"], None)
    wider = {"predict-level": (12, 28, 0), "predict-0.5": (30, 0)}
    assert predict(spec(), wider) == (["predict-level", "predict-0.5"], 0)


def test_alpha_is_shared_between_the_median_and_the_class():
    run = spec()
    c = variational.read(votes_of(run, (0, 40, 0), {0.5: (30, 0)}), run)
    assert c.detail["radii"] == pytest.approx([0, 0.5 * ndtri(0.025 ** (1 / 30)), 0])
    rho = 0.25 * ndtri(0.0125 ** (1 / 40))
    assert (c.detail["down"][1], c.detail["up"][1]) == pytest.approx((rho, rho))
    assert c.radius == pytest.approx(min(rho, c.detail["radii"][1]))
    assert c.alpha_split == {
        "median below, planned n": 0.0125,
        "median above, planned n": 0.0125,
        "class, planned n": 0.025,
    }


def test_the_exact_median_is_left_out_with_at_most_alpha():
    """At P(h <= s_0) just above 1/2 the median is s_0, however the draws fall."""
    missed = sum(
        binom.pmf(k, 60, 0.5)
        for k in range(61)
        if 0 not in smoothed_median.possible(Votes("", (k, 60 - k), 60, "complete"), 0.05)
    )
    assert 0.01 < missed <= 0.05  # one side


def test_bad_settings_are_refused_in_words():
    nets = {"selector": Level(), "classifier": Head(0.0)}
    for settings, said in [
        ((("q", 0.0),), "q must lie"),
        ((("budget", -1.0),), "budget must lie"),
        ((("draws", 0),), "draws must be"),
        ((("lam", 2.0),), "lam must lie"),
        ((("levels", "1"),), "rising"),
        ((("depth", 1),), "there are"),
    ]:
        with pytest.raises(UserError, match=said):
            next(variational.certify(X, nets, spec(settings=settings)))
    with pytest.raises(UserError, match="'selector'"):
        next(variational.certify(X, {"classifier": Head(0.0)}, spec()))


def make_pair(classifier):
    torch.manual_seed(1)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Tanh())
    return Pair(classifier, Selector(trunk, 5, 0.12, 1.0)).double()


@pytest.mark.parametrize("how", [{"spread": 0.0}, {"spread": 0.2}, {"lam": 0.7}])
def test_gradients_reach_the_selector_through_the_noise(tiny, slope, how):
    net, x, y, sigma = tiny
    pair = make_pair(net)
    pair.classifier.requires_grad_(True)  # only so that the direction moves every weight
    loss = partial(variational.loss, settings=variational.Settings(draws=3, **how))
    exact, finite = slope(loss, pair, x, y, sigma)
    assert exact == pytest.approx(finite, rel=1e-4)
    assert all(p.grad.abs().max() > 0 for p in pair.selector.trunk.parameters())


def test_the_classifier_of_a_pair_stays_as_it_is(tiny):
    net, x, y, sigma = tiny
    pair = make_pair(net).train()
    assert pair.selector.training
    assert not pair.classifier.training
    variational.loss(pair, x, y, sigma, torch.Generator().manual_seed(0), 0).backward()
    assert all(p.grad is None for p in pair.classifier.parameters())


def test_the_loss_by_hand(tiny):
    net, x, y, sigma = tiny
    pair = make_pair(net)
    how = variational.Settings(draws=2, lam=0.3, target=0.5)
    value = variational.loss(pair, x, y, sigma, torch.Generator().manual_seed(4), 0, how).item()
    s = pair.selector(x, torch.full((5,), 0.3)).view(5, 1, 1, 1)
    noise = estimates.draw_noise(x, 2, torch.Generator().manual_seed(4))
    p = (net(x + s * noise[:5]).softmax(1) + net(x + s * noise[5:]).softmax(1)) / 2
    classed = -p[torch.arange(5), y].log().mean()
    kl = ((0.5 / s).log() + s**2 / (2 * 0.25) - 0.5).mean()
    assert value == pytest.approx((classed + 0.3 * kl).item())


def test_the_kl_terms_are_those_of_two_gaussians():
    normal, kl = torch.distributions.Normal, torch.distributions.kl_divergence
    sigma = torch.tensor([0.1, 0.5, 0.9])
    zero = torch.tensor(0.0)
    expected = [kl(normal(zero, s), normal(zero, torch.tensor(0.5))).item() for s in sigma]
    assert kl_to_target(sigma, 0.5).tolist() == pytest.approx(expected)
    assert kl_to_target(torch.tensor([0.5]), 0.5).item() == 0
    fitted = normal(sigma.mean(), sigma.std(correction=0))
    batch = kl(fitted, normal(torch.tensor(0.4), torch.tensor(0.2))).item()
    assert kl_of_batch(sigma, 0.4, 0.2).item() == pytest.approx(batch)


def test_universal_lambda_is_drawn_anew_and_reaches_the_selector(tiny):
    net, x, y, sigma = tiny
    pair, seen = make_pair(net), []
    pair.selector.head.register_forward_pre_hook(lambda _, args: seen.append(args[0][:, -1]))
    generator = torch.Generator().manual_seed(0)
    for step in range(40):
        variational.loss(pair, x, y, sigma, generator, step)
    drawn = torch.stack(seen)
    assert (drawn == drawn[:, :1]).all()  # one lambda a step
    assert 0 <= drawn.min() < 0.2
    assert 0.8 < drawn.max() <= 1
    assert len(set(drawn[:, 0].tolist())) == 40


def test_a_large_lambda_pulls_the_level_to_the_target(tiny):
    net, x, y, sigma = tiny
    apart = {}
    for lam in (0.0, 5.0):
        pair = make_pair(net)
        adam = torch.optim.Adam(pair.selector.parameters(), 0.05)
        how, generator = variational.Settings(lam=lam, target=0.5), torch.Generator().manual_seed(0)
        for step in range(60):
            adam.zero_grad()
            variational.loss(pair, x, y, sigma, generator, step, how).backward()
            adam.step()
        apart[lam] = (pair.selector(x, torch.full((5,), lam)) - 0.5).abs().max().item()
    assert apart[5.0] < 0.1 < apart[0.0]


def test_the_selector_stays_in_its_range():
    pair = make_pair(nn.Identity())
    with torch.no_grad():
        pair.selector.head[2].weight.mul_(100)
    s = pair.selector(100 * torch.randn(50, 3, 4, 4).double(), torch.rand(50))
    assert 0.12 <= s.min() < s.max() <= 1.0
    with pytest.raises(UserError, match="low < high"):
        Selector(nn.Identity(), 1, 0.5, 0.2)


def test_the_selector_is_trained_in_the_shared_loop(tmp_path):
    whole = datasets.load("shapes", "test")
    data = replace(whole, x_NCHW=whole.x_NCHW[:64], y_N=whole.y_N[:64])
    torch.manual_seed(0)
    normalize = classifiers.Normalize(*catalog.STATISTICS["shapes"])
    pair = Pair(
        nn.Sequential(normalize, Compact(10, 4)),
        Selector(nn.Sequential(normalize, Compact(6, 4)), 6, 0.12, 1.0),
    )
    before = {k: v.clone() for k, v in pair.state_dict().items()}
    run = loop.TrainSpec("variational", "shapes", "compact", 0.5, 1, lr=0.1, batch=32)
    loop.train(pair, data, variational.loss, run, tmp_path / "s.pt", "cpu", False, lambda _: None)
    moved = {k for k, v in pair.state_dict().items() if not torch.equal(v, before[k])}
    assert "selector.head.0.weight" in moved
    assert "selector.trunk.1.fc.weight" in moved
    assert not any(k.startswith("classifier") for k in moved)


def test_the_selector_is_trained_on_noise_of_its_own():
    class Recording(nn.Module):
        def forward(self, x_NCHW, lam_N):
            self.seen_NCHW = x_NCHW
            return torch.full((len(x_NCHW),), 0.5)

    selector_ = Recording()
    pair = Pair(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)), selector_)
    x_NCHW, y_N = torch.rand(32, 3, 16, 16), torch.zeros(32, dtype=torch.int64)
    sigma = torch.ones(32, 1, 1, 1)
    for q in (0.0, 0.4):
        how = variational.Settings(draws=1, q=q)
        variational.loss(pair, x_NCHW, y_N, sigma, torch.Generator().manual_seed(0), 0, how)
        noise = selector_.seen_NCHW - x_NCHW
        assert float(noise.std()) == pytest.approx(q, rel=0.02)


def test_level_logits_are_largest_at_the_level_h_is_rounded_to():
    level_L = (0.12, 0.25, 0.5, 1.0)
    sigma_N = torch.linspace(0.05, 1.3, 400)
    logits_NL = variational.level_logits(sigma_N, level_L)
    assert torch.equal(logits_NL.argmax(1), variational.round_to_grid(sigma_N, level_L))
