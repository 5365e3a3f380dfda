import itertools
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from scipy.stats import chi2_contingency
from torch import nn

from rsviz.certification import certify
from rsviz.core import radius, reading
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, Norm, RunSpec
from rsviz.data.images import image_id
from rsviz.methods import adaptive, gaussian
from rsviz.networks import masks
from rsviz.smoothing import queries, voters
from tests.helpers import OnesMask

ONES = OnesMask()  # one object, so that the votes of several images may share a batch


def certify_ones(x_CHW, nets, spec):
    """ARS with its mask forced to 1: its votes have plain smoothing's distribution."""
    return adaptive.certify(x_CHW, {**nets, "mask": ONES}, spec)


def spec(**changes):
    return RunSpec(**({"image": "x", "checkpoint": "c", "sigma": 0.5, "n": 2000} | changes))


def final(run, x_CHW, run_spec):
    *_, last = certify.watch_votes(
        lambda: run(x_CHW, run_spec), partial(adaptive.read, d=x_CHW.numel()), x_CHW, run_spec
    )
    return last.certificate


class Random(nn.Module):
    """A classifier of four classes that uses every entry, its logits centred at an image."""

    def __init__(self, x_CHW):
        super().__init__()
        self.fc = nn.Linear(x_CHW.numel(), 4)
        with torch.no_grad():
            self.fc.bias.copy_(-(self.fc.weight @ x_CHW.flatten()))
            self.fc.bias += torch.tensor([0.05, 0.0, -0.1, 0.1])

    def forward(self, x_NCHW):
        return self.fc(x_NCHW.flatten(1))


class Leaning(nn.Module):
    """A mask of .05 or 1 by the sign of each noisy pixel."""

    def forward(self, m_NCHW):
        return torch.where(m_NCHW.mean(1, keepdim=True) > 0.5, 1.0, 0.05)


@pytest.fixture
def case():
    torch.manual_seed(3)
    x_CHW = torch.rand(3, 8, 8)
    return x_CHW, Random(x_CHW).eval().requires_grad_(False)


def p_value(*counts):
    table = np.array(counts)
    return chi2_contingency(table[:, table.sum(0) > 0]).pvalue


@pytest.mark.parametrize("f", [0.5, 0.2])
def test_a_mask_forced_to_one_votes_like_plain_smoothing(case, f):
    x_CHW, net = case
    split = (("f", f),)

    def counts(certify_one, **changes):
        return final(
            lambda x, s: certify_one(x, {"classifier": net}, s), x_CHW, spec(n=8000, **changes)
        ).counts

    ones = counts(certify_ones, settings=split)
    plain = counts(adaptive.certify_plain, seed=1)
    assert p_value(ones, plain) > 0.01
    # The test can fail: at another noise level the votes are others.
    assert p_value(ones, counts(adaptive.certify_plain, seed=1, sigma=0.8)) < 1e-3


def test_a_static_mask_of_ones_is_plain_smoothing_vote_for_vote(case):
    x_CHW, net = case
    ones = final(
        lambda x, s: adaptive.certify_static(x, {"classifier": net, "mask": ONES}, s),
        x_CHW,
        spec(),
    )
    plain = final(lambda x, s: gaussian.certify(x, {"classifier": net}, s), x_CHW, spec())
    assert ones.counts == plain.counts
    assert ones.radius == pytest.approx(plain.radius / math.sqrt(x_CHW.numel()))


def test_a_static_mask_votes_by_its_closed_form(half_space):
    net, x_CHW, _ = half_space
    mask = masks.StaticMask(8)
    with torch.no_grad():
        mask.w_1HW.copy_(torch.linspace(-0.2, 1.2, 64).view(1, 8, 8))  # clamped at both ends
    w_HW = torch.linspace(-0.2, 1.2, 64).clamp(0, 1).view(8, 8)
    weight_CHW, bias = net.fc.weight[1].view_as(x_CHW), net.fc.bias[1]
    level = 0.5 * w_HW.square().mean().sqrt()
    # The masked image is made to lie half a standard deviation inside the half-space.
    with torch.no_grad():
        bias.copy_(0.5 * level * weight_CHW.norm() - (weight_CHW * w_HW * x_CHW).sum())
    got = final(
        lambda x, s: adaptive.certify_static(x, {"classifier": net, "mask": mask}, s),
        x_CHW,
        spec(n=20_000),
    )
    p = ndtr(0.5)
    assert abs(got.counts[1] / 20_000 - p) < 4 * math.sqrt(p * (1 - p) / 20_000)


def test_a_static_mask_is_not_shown_the_image(case):
    x_NCHW, sigma = case[0].expand(4, -1, -1, -1), torch.full((4, 1, 1, 1), 0.5)
    noise = torch.randn(x_NCHW.shape, generator=torch.Generator().manual_seed(0))
    seen = adaptive.static_query(x_NCHW, sigma, noise, Leaning())
    # Shown zeros, this mask is .05 everywhere.
    assert torch.allclose(seen, 0.05 * x_NCHW + 0.05 * 0.5 * noise, atol=1e-6)


def test_the_first_votes_are_those_a_run_counts(case):
    x_CHW, net = case
    nets = {"classifier": net, "mask": Leaning()}
    assert_first_votes_are_counted(x_CHW, nets, 2)


def test_the_first_votes_of_three_looks_are_those_a_run_counts(case):
    x_CHW, net = case
    assert_first_votes_are_counted(x_CHW, three_looks(net), 3)


def three_looks(net, first=None, second=None):
    """The networks of ARS with three looks; masks that lean on what they see, if none are given."""
    return {"classifier": net, "mask": first or Leaning(), "mask-2": second or Leaning()}


def assert_first_votes_are_counted(x_CHW, nets, looks):
    run_spec = spec(n=100, settings=(("f", 0.3), ("kappa_max", 1.2)))
    got = final(lambda x, s: adaptive.certify(x, nets, s), x_CHW, run_spec)
    seen = adaptive.first_votes(x_CHW, nets, run_spec, 100)
    assert tuple(torch.bincount(seen.class_N, minlength=4).tolist()) == got.counts
    assert len({c for c in seen.class_N.tolist()}) > 1  # otherwise this test could not fail
    few = adaptive.first_votes(x_CHW, nets, run_spec, 7)
    assert len(few.answers) == looks
    assert len(few.class_N) == len(few.answers[-1].w_N1HW) == len(few.variance_N1HW) == 7
    assert torch.equal(few.answers[1].w_N1HW, Leaning()(few.answers[0].m_NCHW))
    free = adaptive.first_votes(x_CHW, nets, spec(settings=(("f", 0.3),)), 7)
    assert (few.answers[1].s_N111 > 1.05 * free.answers[1].s_N111).all()  # kappa_max at work


@dataclass(frozen=True, eq=False)
class Listening:
    """Counts nothing, keeps every noise it is given."""

    heard: list

    def __call__(self, x_NCHW, sigma_N111, *noise_NCHW):
        self.heard.append(noise_NCHW)
        return torch.zeros(len(x_NCHW), dtype=torch.long)


@pytest.mark.parametrize("looks", [2, 3])
def test_the_noises_of_all_queries_and_of_all_votes_are_independent(case, looks):
    x_CHW, net = case
    heard = []
    voter = Listening(heard)
    nets = three_looks(net) if looks == 3 else {"classifier": net, "mask": Leaning()}

    def run(x, s):
        asks = adaptive.certify(x, nets, s)
        ask = next(asks)
        assert ask.queries == looks
        assert isinstance(ask.voter, adaptive.AdaptiveVoter)
        votes = yield voters.Ask(ask.stage, voter, ask.sigma, 300, 4, ask.queries)
        return adaptive.read({"select": votes}, s, x.numel())

    final(run, x_CHW, spec(n=1000))
    rows = [torch.cat([one[q] for one in heard]).flatten(1).double() for q in range(looks)]
    all_rows = torch.cat(rows)  # 300 noises a look, of 192 entries
    similarity = all_rows @ all_rows.T / 192
    similarity.fill_diagonal_(0)
    assert similarity.abs().max() < 6.5 / math.sqrt(192)
    for a, b in itertools.combinations(rows, 2):
        assert abs((a * b).sum() / math.sqrt(a.numel())) < 4


class Fixed(nn.Module):
    """The mask given, whatever is seen."""

    def __init__(self, w_HW):
        super().__init__()
        self.w_HW = w_HW

    def forward(self, m_NCHW):
        return self.w_HW.expand(len(m_NCHW), 1, -1, -1)


def test_three_looks_through_fixed_masks_vote_by_their_closed_form(half_space):
    net, x_CHW, _ = half_space
    first, second = torch.linspace(0, 1, 64).view(8, 8), torch.linspace(1, 0.2, 64).view(8, 8)
    f, sigma = 0.4, 0.5
    # Look j spends f_j: noise sigma/sqrt(f_j) rms(w_j), so a precision of w_j^2 f_j/(sigma rms)^2.
    parts = [(torch.ones(8, 8), f), (first, (1 - f) / 2), (second, (1 - f) / 2)]
    precision_HW = sum(w.square() * share / (sigma**2 * w.square().mean()) for w, share in parts)
    weight_CHW, bias = net.fc.weight[1].view_as(x_CHW), net.fc.bias[1]
    spread = (weight_CHW.square() / precision_HW).sum().sqrt()
    with torch.no_grad():  # the image lies half a standard deviation inside the half-space
        bias.copy_(0.5 * spread - (weight_CHW * x_CHW).sum())
    nets = three_looks(net, Fixed(first), Fixed(second))
    n, settings = 20_000, (("f", f),)
    got = final(lambda x, s: adaptive.certify(x, nets, s), x_CHW, spec(n=n, settings=settings))
    p = ndtr(0.5)
    assert abs(got.counts[1] / n - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_a_third_look_through_the_mask_of_the_second_changes_nothing():
    x_NCHW, sigma_N111 = torch.rand(4, 3, 8, 8), torch.full((4, 1, 1, 1), 0.5)
    masks_ = [Fixed(torch.rand(8, 8))] * 2
    noise = [torch.randn(x_NCHW.shape) for _ in range(3)]
    two = queries.ask(x_NCHW, sigma_N111, noise[:2], masks_[:1], adaptive.shares_of(0.3, 2))
    three = queries.ask(x_NCHW, sigma_N111, noise, masks_, adaptive.shares_of(0.3, 3))
    assert torch.allclose(queries.combine(two)[1], queries.combine(three)[1], rtol=1e-5)
    # The third look is worth something where its mask is another.
    other = [masks_[0], Fixed(torch.rand(8, 8))]
    apart = queries.ask(x_NCHW, sigma_N111, noise, other, adaptive.shares_of(0.3, 3))
    assert not torch.allclose(queries.combine(two)[1], queries.combine(apart)[1], rtol=0.01)


@pytest.mark.parametrize("looks", [2, 3, 5])
def test_the_shares_add_up_to_the_budget(looks):
    shares_K = adaptive.shares_of(0.3, looks)
    assert len(shares_K) == looks and shares_K[0] == 0.3
    assert math.fsum(shares_K) == pytest.approx(1)
    queries.check_shares(shares_K)


def test_masks_are_asked_in_the_order_of_their_names(case):
    nets = {"mask-3": ONES, "mask-2": Leaning(), "classifier": case[1], "mask": Fixed(0)}
    assert adaptive.masks_of(nets) == (nets["mask"], nets["mask-2"], nets["mask-3"])
    del nets["mask-2"]  # what comes after a gap is no mask of this run
    assert adaptive.masks_of(nets) == (nets["mask"],)
    with pytest.raises(UserError, match="mask"):
        adaptive.masks_of({"classifier": case[1]})


def test_the_certificate_is_read_in_linf_over_the_whole_canvas(case):
    x_CHW, net = case
    with torch.no_grad():
        net.fc.bias[3] += 1.5
    nets = {"classifier": net, "mask": Leaning()}
    got = final(lambda x, s: adaptive.certify(x, nets, s), x_CHW, spec())
    assert got.norm is Norm.LINF
    assert got.radius > 0
    assert got.radius == pytest.approx(radius.radius_l2(0.5, got.p_a_lower) / math.sqrt(192))
    assert got.guarantee == adaptive.GUARANTEE
    assert got.detail["d"] == 192
    assert reading.reread(got, alpha=0.01).radius > got.radius


def corner_case():
    """An Linf half-space: the best direction moves every entry by the same amount."""
    generator = torch.Generator().manual_seed(2)
    sign_CHW = torch.randint(0, 2, (3, 8, 8), generator=generator) * 2.0 - 1
    x_CHW = torch.rand(3, 8, 8, generator=generator)
    net = Random(x_CHW)
    net.fc = nn.Linear(192, 2)
    with torch.no_grad():
        net.fc.weight[0] = 0
        net.fc.weight[1] = sign_CHW.flatten()
        net.fc.bias.copy_(torch.tensor([0.0, -float((sign_CHW * x_CHW).sum()) + 192 * 0.03]))
    return net.eval().requires_grad_(False), x_CHW, sign_CHW, 0.03


def test_with_a_mask_of_one_a_half_space_is_certified_to_its_exact_linf_distance():
    net, x_CHW, _, distance = corner_case()
    got = final(lambda x, s: certify_ones(x, {"classifier": net}, s), x_CHW, spec(n=20_000))
    assert got.predicted == 1
    assert 0.9 * distance < got.radius < distance


@pytest.mark.parametrize("looks", [2, 3])
def test_within_the_radius_the_class_stays_and_far_outside_it_goes(looks):
    net, x_CHW, sign_CHW, _ = corner_case()
    nets = three_looks(net) if looks == 3 else {"classifier": net, "mask": Leaning()}

    def vote(image, seed):
        got = final(
            lambda x, s: adaptive.certify(x, nets, s), image, spec(n=5000, seed=seed, sigma=0.6)
        )
        return got, reading.predict(got.counts, 0.001)

    got, predicted = vote(x_CHW, 0)
    assert predicted == 1
    assert got.radius > 0.01
    assert vote(x_CHW - 0.99 * got.radius * sign_CHW, 1)[1] == 1
    assert vote(x_CHW - 3 * got.radius * sign_CHW, 2)[1] == 0


class OnePixel(nn.Module):
    """d = 16, one channel: keeps pixel 0, or pixels 0 and 1, by the sign of pixel 5's noise."""

    def forward(self, m_NCHW):
        w_N1HW = torch.zeros_like(m_NCHW)
        w_N1HW[:, :, 0, 0] = 1
        w_N1HW[:, :, 0, 1] = (m_NCHW[:, :, 1, 1] > 0).float()
        return w_N1HW


def test_the_plain_l2_radius_is_broken_and_the_right_one_is_not():
    net, x_CHW = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), torch.zeros(1, 4, 4)
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].bias.zero_()
        net[1].weight[1, 0] = 1  # class 1 where pixel 0 is positive
    x_CHW[0, 0, 0] = 0.35
    nets = {"classifier": net.requires_grad_(False), "mask": OnePixel()}

    def vote(moved_by, seed):
        image = x_CHW.clone()
        image[0, 0, 0] -= moved_by
        run_spec = spec(sigma=1.0, n=20_000, seed=seed)
        got = final(lambda x, s: adaptive.certify(x, nets, s), image, run_spec)
        return got, reading.predict(got.counts, 1e-4)

    got, _ = vote(0.0, 0)
    assert got.predicted == 1
    wrong = radius.radius_l2(1.0, got.p_a_lower)
    right = queries.radius_l2(1.0, got.p_a_lower, 0.5, queries.kappa_limit(4, 4))
    assert wrong > 0.8
    assert vote(0.52, 1)[1] == 0  # well inside the wrong radius
    assert 0.2 < right < 0.35
    assert vote(0.99 * right, 2)[1] == 1


def test_cut_short_it_says_what_holds(case):
    x_CHW, net = case
    run_spec = spec(bound=Bound.CLOPPER_PEARSON)
    readings = [
        p.certificate
        for p in certify.watch_votes(
            lambda: adaptive.certify(x_CHW, {"classifier": net, "mask": Leaning()}, run_spec),
            partial(adaptive.read, d=192),
            x_CHW,
            run_spec,
        )
    ]
    assert all(c.radius == 0 and c.norm is Norm.LINF for c in readings[:-1])
    assert readings[-1].image_sha256 == image_id(x_CHW)


@pytest.mark.parametrize("setting", [("f", 0.0), ("f", 1.0), ("f", -1.0), ("kappa_max", 0.5)])
def test_settings_out_of_range_are_refused_in_words(case, setting):
    x_CHW, net = case
    with pytest.raises(UserError, match=setting[0]):
        certify_ones(x_CHW, {"classifier": net}, spec(settings=(setting,)))


def test_the_loss_is_that_of_the_voters_own_input(case):
    x_CHW, net = case
    nets = nn.ModuleDict({"classifier": net, "mask": Leaning()})
    x_NCHW, y_N = x_CHW.expand(6, -1, -1, -1), torch.arange(6) % 4
    sigma = torch.full((6, 1, 1, 1), 0.5)
    value = adaptive.loss(nets, x_NCHW, y_N, sigma, torch.Generator().manual_seed(4), 0, f=0.3)
    generator = torch.Generator().manual_seed(4)
    noise = [torch.randn(x_NCHW.shape, generator=generator) for _ in range(2)]
    seen, _ = queries.combine(queries.ask(x_NCHW, sigma, noise, [nets["mask"]], (0.3, 0.7)))
    assert value.item() == pytest.approx(nn.functional.cross_entropy(net(seen), y_N).item())
    voted = adaptive.AdaptiveVoter(net, (nets["mask"],), (0.3, 0.7))(x_NCHW, sigma, *noise)
    assert torch.equal(voted, net(seen).argmax(1))
    assert not torch.equal(noise[0], noise[1])


def test_the_loss_of_three_looks_is_that_of_the_voters_own_input(case):
    x_CHW, net = case
    nets = nn.ModuleDict(three_looks(net))
    x_NCHW, y_N = x_CHW.expand(6, -1, -1, -1), torch.arange(6) % 4
    sigma = torch.full((6, 1, 1, 1), 0.5)
    value = adaptive.loss(nets, x_NCHW, y_N, sigma, torch.Generator().manual_seed(4), 0, f=0.3)
    generator = torch.Generator().manual_seed(4)
    noise = [torch.randn(x_NCHW.shape, generator=generator) for _ in range(3)]
    voter = adaptive.voter_of(dict(nets.items()), spec(settings=(("f", 0.3),)))
    assert voter.shares_K == (0.3, 0.35, 0.35)
    seen, _ = queries.combine(queries.ask(x_NCHW, sigma, noise, voter.masks, voter.shares_K))
    assert value.item() == pytest.approx(nn.functional.cross_entropy(net(seen), y_N).item())
    assert torch.equal(voter(x_NCHW, sigma, *noise), net(seen).argmax(1))


def test_the_gradient_of_a_learned_split_is_that_of_the_loss(case):
    x_CHW, net = case
    nets = nn.ModuleDict({"classifier": net, "mask": Leaning(), "split": masks.Split()})
    x_NCHW, y_N = x_CHW.expand(6, -1, -1, -1), torch.arange(6) % 4
    sigma = torch.full((6, 1, 1, 1), 0.5)

    def loss(f=0.5, **others):
        given = nn.ModuleDict({"classifier": net, "mask": Leaning(), **others})
        return adaptive.loss(given, x_NCHW, y_N, sigma, torch.Generator().manual_seed(4), 0, f=f)

    assert loss(split=nets["split"]).item() == pytest.approx(loss(0.5).item())
    loss(split=nets["split"]).backward()
    slope = float(nets["split"].logit.grad)
    assert abs(slope) > 1e-3
    h = 1e-2  # df/dlogit = f (1 - f) = 1/4
    assert slope == pytest.approx(float(loss(0.5 + h) - loss(0.5 - h)) / (2 * h) / 4, rel=0.05)


@pytest.mark.parametrize("logit", [-3.0, -0.4, 0.0, 1.7])
def test_a_learned_split_spends_the_budget_exactly(logit):
    split = masks.Split().double()
    with torch.no_grad():
        split.logit.fill_(logit)
    f, sigma_N111 = split(), torch.full((1, 1, 1, 1), 0.37, dtype=torch.float64)
    ones = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    s_1, s_2 = (queries.noise_level(ones, sigma_N111, share).item() for share in (f, 1 - f))
    assert 1 / s_1**2 + 1 / s_2**2 == pytest.approx(1 / 0.37**2, rel=1e-12)
    assert s_1 == pytest.approx(0.37 / math.sqrt(1 / (1 + math.exp(-logit))), rel=1e-12)
