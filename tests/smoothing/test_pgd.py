import math

import pytest
import torch
from torch import nn

from rsviz.core.spec import Norm
from rsviz.smoothing import estimates, pgd


class Tiny(nn.Module):
    """A smooth classifier with a batch norm, so that a forward pass in the wrong mode shows."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x_NCHW):
        return self.fc(torch.tanh(self.bn(self.conv(x_NCHW))).mean((2, 3)))


@pytest.fixture
def case():
    """A float64 net, six images, labels, sigma, and three draws of noise each."""
    torch.manual_seed(0)
    net, x = Tiny().double().train(), torch.rand(6, 3, 6, 6, dtype=torch.float64)
    noise = estimates.draw_noise(x, 3, torch.Generator().manual_seed(1))
    return net, x, torch.tensor([0, 1, 2, 3, 4, 0]), torch.full((6, 1, 1, 1), 0.1).double(), noise


def mean_loss(net, x, y, sigma, noise):
    """-log of the mean over draws of the softmax at y, one draw at a time."""
    p = [net(x + sigma * e).softmax(1) for e in noise.view(-1, *x.shape)]
    return -torch.stack(p).mean(0).gather(1, y[:, None])[:, 0].log()


def test_noise_is_standard_normal_and_follows_the_generator():
    x = torch.zeros(40, 3, 16, 16)
    noise = estimates.draw_noise(x, 4, torch.Generator().manual_seed(3))
    again = estimates.draw_noise(x, 4, torch.Generator().manual_seed(3))
    assert torch.equal(noise, again)
    assert noise.shape == (160, 3, 16, 16)
    assert noise.mean().abs() < 0.01
    assert noise.std().item() == pytest.approx(1, abs=0.01)


def test_row_m_n_of_the_logits_is_draw_m_of_image_i(case):
    net, x, _, sigma, noise = case
    logits = estimates.noisy_logits(net.eval(), x, sigma, noise)
    for m in range(3):
        row = net(x + sigma * noise[6 * m : 6 * m + 6])
        assert torch.allclose(logits[m], row, atol=1e-12)


def test_the_mean_softmax_by_hand():
    logits = torch.tensor([[[0.0, math.log(3)]], [[0.0, 0.0]]])  # p = (1/4, 3/4), (1/2, 1/2)
    assert estimates.log_mean_softmax(logits).exp()[0].tolist() == pytest.approx([3 / 8, 5 / 8])


@pytest.mark.parametrize("norm", [Norm.L2, Norm.LINF])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_attack_stays_in_its_ball_and_raises_the_loss(case, norm, steps):
    net, x, y, sigma, noise = case
    eps = 0.3 if norm is Norm.L2 else 0.05
    moved = pgd.pgd(net, x, y, sigma, noise, eps, steps, norm)
    delta = (moved - x).flatten(1)
    size = delta.norm(dim=1) if norm is Norm.L2 else delta.abs().amax(1)
    assert (size <= eps * (1 + 1e-9)).all()
    assert (size > eps / 2).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    net.eval()
    assert (mean_loss(net, moved, y, sigma, noise) > mean_loss(net, x, y, sigma, noise)).all()


def test_one_step_follows_the_gradient_of_the_mean_over_noise(case):
    net, x, y, sigma, noise = case
    x = 0.3 + 0.4 * x  # away from 0 and 1, so that clamping does not bind
    moved = pgd.pgd(net, x, y, sigma, noise, 0.1, 1)
    net.eval()
    h, grad = 1e-6, torch.zeros(x[0].numel(), dtype=torch.float64)
    for j in range(len(grad)):
        step = torch.zeros(x[0].numel(), dtype=torch.float64)
        step[j] = h
        up = mean_loss(net, x + step.view(1, 3, 6, 6), y, sigma, noise)[0]
        down = mean_loss(net, x - step.view(1, 3, 6, 6), y, sigma, noise)[0]
        grad[j] = (up - down).detach() / (2 * h)
    # 2 eps / T is twice the radius, so the step ends on the sphere.
    wanted = 0.1 * grad / grad.norm()
    assert torch.allclose((moved - x)[0].flatten(), wanted, atol=1e-6)


def test_the_network_is_left_as_it_was(case):
    net, x, y, sigma, noise = case
    net.fc.bias.requires_grad_(False)
    net.conv.eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    pgd.pgd(net, x, y, sigma, noise, 0.5, 3)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert net.training
    assert net.bn.training
    assert not net.conv.training
    assert [p.requires_grad for p in net.fc.parameters()] == [True, False]
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(("eps", "steps"), [(0.0, 3), (0.5, 0)])
def test_no_ball_or_no_steps_change_nothing(case, eps, steps):
    net, x, y, sigma, noise = case
    assert torch.equal(pgd.pgd(net, x, y, sigma, noise, eps, steps), x)


def test_a_zero_gradient_moves_nothing():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 3) + 0 * x.sum()

    x, y = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    noise = estimates.draw_noise(x, 1, torch.Generator().manual_seed(0))
    for norm in Norm:
        moved = pgd.pgd(Constant(), x, y, torch.ones(2, 1, 1, 1), noise, 1.0, 2, norm)
        assert torch.equal(moved, x)


def test_one_image_of_a_voting_network_can_be_attacked(half_space):
    net, x_CHW, distance = half_space
    x, y = x_CHW[None], torch.tensor([1])
    noise = estimates.draw_noise(x, 50, torch.Generator().manual_seed(0))
    moved = pgd.pgd(net, x, y, torch.full((1, 1, 1, 1), 0.05), noise, 1.5 * distance, 10)
    assert (moved - x).norm().item() <= 1.5 * distance + 1e-5
    assert net(x).argmax(1) == 1
    assert net(moved).argmax(1) == 0
