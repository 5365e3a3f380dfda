import math

import numpy as np
import pytest
import torch
from torch import nn

from rsviz.certification import mask_effects
from rsviz.core.spec import RunSpec
from rsviz.data import canvases
from rsviz.methods import adaptive
from rsviz.smoothing import queries


class Half(nn.Module):
    """A mask of 1 in the left half and .25 in the right."""

    def forward(self, m_NCHW):
        w_N1HW = torch.full_like(m_NCHW[:, :1], 0.25)
        w_N1HW[..., : m_NCHW.shape[-1] // 2] = 1
        return w_N1HW


class Linear(nn.Module):
    """Logits (0, v.x): the log-odds of class 1 grow with every entry by v."""

    def __init__(self, v_CHW):
        super().__init__()
        self.fc = nn.Linear(v_CHW.numel(), 2, bias=False)
        with torch.no_grad():
            self.fc.weight[0] = 0
            self.fc.weight[1] = v_CHW.flatten()

    def forward(self, x_NCHW):
        return self.fc(x_NCHW.flatten(1))


SPEC = RunSpec("x", "c", 0.5, method="adaptive")


def test_spread_is_over_draws():
    w_N1HW = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).view(2, 1, 1, 2)
    mean_HW, std_HW = mask_effects.spread(w_N1HW)
    assert mean_HW.tolist() == [[0.5, 1.0]]
    assert std_HW.tolist() == [[0.5, 0.0]]


def test_separation_of_a_perfect_a_blind_and_a_wrong_mask():
    object_HW = torch.zeros(4, 4, dtype=torch.bool)
    object_HW[1:3, 1:3] = True
    w_HW = object_HW.float()
    blind = torch.full((4, 4), 0.3)
    w_N1HW = torch.stack([w_HW, 1 - w_HW, blind])[:, None]
    assert mask_effects.separation(w_N1HW, object_HW).tolist() == [1.0, 0.0, 0.5]


def test_separation_counts_pairs():
    generator = torch.Generator().manual_seed(0)
    w_HW = (4 * torch.rand(5, 6, generator=generator)).round() / 4  # with ties
    object_HW = torch.rand(5, 6, generator=generator) < 0.4
    inside, outside = w_HW[object_HW][:, None], w_HW[~object_HW][None]
    pairs = (inside > outside).double() + (inside == outside).double() / 2
    got = mask_effects.separation(w_HW[None, None], object_HW)
    assert got.item() == pytest.approx(pairs.mean().item())


def test_a_change_is_more_visible_where_the_mask_looks():
    x_CHW = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    nets = {"classifier": Linear(torch.ones(3, 8, 8)), "mask": Half()}
    seen = adaptive.first_votes(x_CHW, nets, SPEC, 2)
    visible_HW = mask_effects.visible(0.1, seen.variance_N1HW[0])
    w, s1 = torch.tensor([1.0, 0.25]), math.sqrt(2) * 0.5
    s2 = s1 * math.sqrt((1 + 0.25**2) / 2)
    expected = 0.1 * (1 / s1**2 + w**2 / s2**2).sqrt()
    assert torch.allclose(visible_HW[0, [0, 7]], expected, atol=1e-6)
    assert visible_HW[0, 0] > visible_HW[0, 7]


def test_the_pull_is_the_gradient_of_the_mean_softmax():
    v_CHW = torch.zeros(3, 8, 8)
    v_CHW[:, 2, 3] = torch.tensor([0.1, -0.2, 0.3])
    x_CHW = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    nets = {"classifier": Linear(v_CHW).requires_grad_(False), "mask": Half()}
    pull_HW = mask_effects.pull(x_CHW, nets, SPEC, 1)
    elsewhere = pull_HW.clone()
    elsewhere[2, 3] = 0
    assert elsewhere.abs().max() < 1e-6
    # d log zhat = mean p(1-p)/mean p times v, with the estimate moving one to one with x.
    assert 0 < pull_HW[2, 3] < 0.6 + 1e-6
    assert pull_HW[2, 3] > 0.05
    assert mask_effects.pull(x_CHW, nets, SPEC, 0)[2, 3] != pull_HW[2, 3]


def test_what_a_mask_keeps_on_canvases_of_several_sizes():
    image_CHW = np.full((3, 8, 8), 200, np.uint8)
    placed = [canvases.place(image_CHW, k, 1, 2, corner=(0, 0)) for k in (16, 32)]
    nets = {"classifier": Linear(torch.ones(3, 16, 16)), "mask": Half()}
    (one,) = mask_effects.kept_on(placed[:1], nets, SPEC)
    # All of the object lies in the left half, which is 64 of the 192 pixels outside... and more.
    outside = (64 * 1 + 128 * 0.25) / 192
    assert one[0] == pytest.approx(1 / outside)
    assert one[1] == pytest.approx((128 + 64 / 2) / 192)


@pytest.mark.parametrize("f", [0.1, 0.5, 0.9])
def test_the_budget_is_that_of_the_queries_whatever_the_mask(f):
    x_CHW = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    nets = {"classifier": Linear(torch.ones(3, 8, 8)), "mask": Half()}
    run_spec = RunSpec("x", "c", 0.5, settings=(("f", f),))
    answers = adaptive.first_votes(x_CHW, nets, run_spec, 3).answers
    mu_KN = queries.shifts(0.02, answers)
    mu_1, mu_2, mu = mask_effects.budget(0.02, 0.5, 192, f)
    assert mu_KN[0].tolist() == pytest.approx([mu_1] * 3)
    assert mu_KN[1].tolist() == pytest.approx([mu_2] * 3)
    assert queries.compose(mu_KN).tolist() == pytest.approx([mu] * 3)
