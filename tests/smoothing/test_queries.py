import math

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import kstest
from torch import nn

from rsviz.core.errors import UserError
from rsviz.smoothing import queries
from tests.helpers import OnesMask

N = 20_000


class Fixed(nn.Module):
    """The mask given, whatever is seen."""

    def __init__(self, w_HW):
        super().__init__()
        self.w_HW = torch.as_tensor(w_HW, dtype=torch.float64)

    def forward(self, m_NCHW):
        return self.w_HW.expand(len(m_NCHW), 1, *self.w_HW.shape)


class Leaning(nn.Module):
    """A mask that leans on what it sees as hard as it can: .02 or 1 by the sign of each pixel."""

    def forward(self, m_NCHW):
        return torch.where(m_NCHW.mean(1, keepdim=True) > 0.5, 1.0, 0.02).to(m_NCHW.dtype)


class Recording(nn.Module):
    """Any mask, and what it was shown."""

    def __init__(self, mask):
        super().__init__()
        self.mask, self.seen = mask, []

    def forward(self, m_NCHW):
        self.seen.append(m_NCHW)
        return self.mask(m_NCHW)


def draw(masks, shares=(0.5, 0.5), sigma=0.7, n=N, size=3, seed=0, **rest):
    """Answers to n votes about one float64 image, which comes with them."""
    generator = torch.Generator().manual_seed(seed)
    x_CHW = torch.rand(3, size, size, generator=generator, dtype=torch.float64)
    noise = [
        torch.randn(n, 3, size, size, generator=generator, dtype=torch.float64) for _ in shares
    ]
    sigma_N111 = torch.full((n, 1, 1, 1), sigma, dtype=torch.float64)
    return x_CHW, queries.ask(x_CHW.expand(n, -1, -1, -1), sigma_N111, noise, masks, shares, **rest)


def masks_of(seed, count, size=3):
    rng = np.random.default_rng(seed)
    return [Fixed(rng.uniform(0, 1, (size, size)) ** 3) for _ in range(count)]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.2, 0.8), (0.5, 0.3, 0.2)])
def test_for_fixed_masks_the_estimate_is_unbiased_with_the_stated_variance(shares):
    x_CHW, answers = draw(masks_of(1, len(shares) - 1), shares)
    estimate_NCHW, variance_N1HW = queries.combine(answers)
    variance_1HW = variance_N1HW[0]
    error = (estimate_NCHW.mean(0) - x_CHW) / (variance_1HW / N).sqrt()
    assert error.abs().max() < 4.5
    ratio = estimate_NCHW.var(0) / variance_1HW
    assert (ratio - 1).abs().max() < 5 * math.sqrt(2 / N)


def test_two_queries_combine_as_the_paper_writes_it():
    _, (one, two) = draw(masks_of(2, 1), n=5)
    estimate_NCHW, variance_N1HW = queries.combine([one, two])
    w, s1, s2 = two.w_N1HW, one.s_N111, two.s_N111
    below = w**2 * s1**2 + s2**2
    wanted = s2**2 / below * one.m_NCHW + s1**2 * w / below * two.m_NCHW
    assert torch.allclose(estimate_NCHW, wanted, atol=1e-12)
    assert torch.allclose(variance_N1HW, s1**2 * s2**2 / below, atol=1e-12)


def test_no_other_unbiased_weights_have_less_variance():
    _, answers = draw(masks_of(3, 1), n=1)
    (one, two), (_, least) = answers, queries.combine(answers)
    for weight in torch.linspace(-1, 2, 31):  # a_1 + w a_2 = 1
        other = (weight * one.s_N111) ** 2 + ((1 - weight) / two.w_N1HW * two.s_N111) ** 2
        assert (other >= least - 1e-12).all()


def test_noise_levels_by_hand():
    w = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]], [[[0.5, 0.5], [0.5, 0.5]]]])
    s_N = queries.noise_level(w, torch.full((2, 1, 1, 1), 0.6), 0.25).flatten()
    assert s_N.tolist() == pytest.approx([0.6 / 0.5 * 0.5, 0.6 / 0.5 * 0.5])
    nothing = queries.noise_level(0 * w, torch.full((2, 1, 1, 1), 0.6), 0.25)
    assert nothing.flatten().tolist() == pytest.approx([1e-6, 1e-6])
    capped = queries.noise_level(w, torch.full((2, 1, 1, 1), 0.6), 0.25, kappa_max=1.25)
    assert capped.flatten().tolist() == pytest.approx([1.2 / 1.25, 0.6])


def test_an_all_zero_mask_leaves_the_first_query_alone():
    _, answers = draw([Fixed(np.zeros((3, 3)))], n=4)
    assert torch.allclose(queries.combine(answers)[0], answers[0].m_NCHW)


@pytest.mark.parametrize("seed", range(8))
def test_the_budget_is_the_same_for_every_mask_and_split(seed):
    rng = np.random.default_rng(seed)
    count, sigma, radius = int(rng.integers(2, 5)), rng.uniform(0.1, 2), rng.uniform(0.001, 0.1)
    shares = tuple(rng.dirichlet(np.ones(count)))
    masks = [*masks_of(seed, count - 2, 4), Leaning()]
    _, answers = draw(masks, shares, sigma, n=50, size=4)
    mu_N = queries.compose(queries.shifts(radius, answers))
    assert mu_N.numpy() == pytest.approx(radius * math.sqrt(48) / sigma, rel=1e-9)
    _, capped = draw(masks, shares, sigma, n=50, size=4, kappa_max=1.2)
    assert (queries.compose(queries.shifts(radius, capped)) <= mu_N * (1 + 1e-9)).all()


def test_two_queries_compose_by_hand():
    assert queries.compose(torch.tensor([[0.3], [0.4]])).item() == pytest.approx(0.5)


def test_kept_compares_the_object_with_the_rest():
    object_HW = torch.tensor([[True, False], [False, False]])
    w = torch.tensor([[[[0.8, 0.2], [0.2, 0.2]]], [[[0.3, 0.3], [0.3, 0.3]]]])
    assert queries.kept(w, object_HW).tolist() == pytest.approx([4.0, 1.0])


def log_ratio(answers, x_CHW, moved_CHW):
    """ln p(answers | moved) - ln p(answers | x), masks and noise levels being functions of them."""
    total = 0
    for a in answers:
        here, there = (
            ((a.m_NCHW - a.w_N1HW * image) / a.s_N111).square().sum((1, 2, 3))
            for image in (x_CHW, moved_CHW)
        )
        total = total + (here - there) / 2
    return total


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.7), (0.4, 0.3, 0.3)])
def test_under_adaptive_masks_the_log_likelihood_ratio_is_that_of_one_gaussian(shares):
    masks, radius, sigma = [Leaning()] * (len(shares) - 1), 0.1, 0.7
    x_CHW, answers = draw(masks, shares, sigma)
    assert answers[1].s_N111.std() > 0.02  # otherwise the mask would not be adaptive
    signs = torch.randint(0, 2, x_CHW.shape, generator=torch.Generator().manual_seed(5)) * 2 - 1
    ratio_N = log_ratio(answers, x_CHW, x_CHW + radius * signs)
    mu = radius * math.sqrt(x_CHW.numel()) / sigma
    assert kstest((ratio_N + mu**2 / 2) / mu, "norm").pvalue > 1e-3
    # The test can fail: a query that is given a tenth less noise than its mask costs.
    cheat = [*answers[:-1], less_noise(answers[-1], x_CHW, 0.9)]
    ratio_N = log_ratio(cheat, x_CHW, x_CHW + radius * signs)
    assert kstest((ratio_N + mu**2 / 2) / mu, "norm").pvalue < 1e-3


def less_noise(answer, x_CHW, factor):
    noise = (answer.m_NCHW - answer.w_N1HW * x_CHW) * factor
    return queries.Answer(answer.w_N1HW * x_CHW + noise, answer.w_N1HW, answer.s_N111 * factor)


def test_the_mask_sees_the_first_answer_and_nothing_else():
    mask = Recording(Leaning())
    _, answers = draw([mask], n=300)
    (seen,) = mask.seen
    assert torch.equal(seen, answers[0].m_NCHW)
    assert len(answers[1].w_N1HW.unique(dim=0)) > 100  # a mask of its own for every vote


def test_a_third_query_is_masked_by_the_combination_of_the_first_two():
    second = Recording(Leaning())
    _, answers = draw([*masks_of(1, 1), second], (0.4, 0.3, 0.3), n=20)
    assert torch.equal(second.seen[0], queries.combine(answers[:2])[0])


def test_a_one_pixel_mask_breaks_the_plain_l2_radius_and_just_bears_the_right_one():
    # d = 16, one channel; the class is the sign of the one pixel kept, which is at .35.
    w_HW = torch.zeros(4, 4, dtype=torch.float64)
    w_HW[0, 0] = 1
    sigma_N111, x_NCHW = torch.ones(1, 1, 1, 1).double(), torch.zeros(1, 1, 4, 4).double()
    noise = [torch.zeros_like(x_NCHW)] * 2
    answers = queries.ask(x_NCHW, sigma_N111, noise, [Fixed(w_HW)])
    spread = math.sqrt(queries.combine(answers)[1][0, 0, 0, 0])
    true_radius = 0.35  # moved by as much, the pixel's sign is a coin
    p_a = 0.5 * (1 + math.erf(true_radius / spread / math.sqrt(2)))
    assert ndtri(p_a) > 2.5 * true_radius  # what sigma PhiInv(p_A) would claim
    right = queries.radius_l2(1.0, p_a, 0.5, queries.kappa_limit(4, 4))
    assert right == pytest.approx(true_radius, rel=1e-9)
    assert queries.kappa(w_HW[None, None]).item() == pytest.approx(queries.kappa_limit(4, 4))


def test_l2_radii_by_hand():
    p = 0.9
    plain = 0.5 * ndtri(p)
    assert queries.radius_l2(0.5, p, 0.3, 1.0) == pytest.approx(plain)
    assert queries.radius_l2(0.5, p, 0.0, 2.0) == pytest.approx(plain / 2)  # one static mask
    assert queries.radius_l2(0.5, p, 0.5, 3.0) == pytest.approx(plain / math.sqrt(5))
    assert queries.radius_l2(0.5, 0.4, 0.5, 3.0) == 0
    # 2.4 times the Linf radius at f = 1/2, whatever the canvas.
    d = 3 * 48 * 48
    ratio = queries.radius_l2(0.5, p, 0.5, queries.kappa_limit(48, 48)) / (plain / math.sqrt(d))
    assert ratio == pytest.approx(math.sqrt(6), rel=1e-3)


@pytest.mark.parametrize("arguments", [(1.0, 1.0), (-0.1, 1.0), (0.5, 0.9)])
def test_l2_radii_out_of_range_are_refused(arguments):
    with pytest.raises(UserError):
        queries.radius_l2(0.5, 0.9, *arguments)


def test_the_cap_keeps_kappa_below_its_bound():
    _, (_, two) = draw([Leaning()], n=200, kappa_max=1.1)
    # Effective kappa: what a unit L2 change at the largest weight shifts query 2 by, in budget.
    effective = two.w_N1HW.amax((1, 2, 3)) / two.s_N111.flatten() * 0.7 / math.sqrt(0.5)
    assert effective.max() <= 1.1 * (1 + 1e-9)
    assert queries.kappa(two.w_N1HW).max() > 1.2


@pytest.mark.parametrize("shares", [(0.5, 0.6), (1.0, 0.0), (0.5, 0.3, 0.2), (math.nan, 0.5)])
def test_shares_that_do_not_fit_are_refused_in_words(shares):
    with pytest.raises(UserError, match=r"shares|queries"):
        draw([Leaning()], shares, n=2)


def test_the_input_under_a_mask_of_one_has_the_noise_of_plain_smoothing():
    x_NCHW, sigma = (
        torch.rand(1, 3, 16, 16).expand(200, -1, -1, -1),
        torch.full((200, 1, 1, 1), 0.5),
    )
    noise = [torch.randn(x_NCHW.shape, generator=torch.Generator().manual_seed(s)) for s in (0, 1)]
    seen, variance = queries.combine(queries.ask(x_NCHW, sigma, noise, [OnesMask()], (0.3, 0.7)))
    assert (seen - x_NCHW).std().item() == pytest.approx(0.5, rel=0.01)
    assert torch.allclose(variance, torch.tensor(0.25))
