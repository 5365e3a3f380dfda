"""What the shipped masks must do that a faked one would not: on canvases no network has seen."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from rsviz.certification import attack, certify, engine_choice, mask_effects
from rsviz.checkpoints import catalog, weights
from rsviz.core.spec import Norm, RunSpec
from rsviz.data import canvases, shapes
from rsviz.data.catalog import INPUT_SIZE
from rsviz.methods import adaptive
from rsviz.smoothing import queries

SHIPPED = [
    c.name
    for c in catalog.list_checkpoints()
    if c.card.method == "adaptive" and c.card.dataset.startswith("shapes-k")
]
ATTACKED, VOTES = 6, 1000
HOW = attack.AttackSpec((0.99, 3.0), Norm.LINF, steps=15, draws=32, n=1000, seed=9)


def test_there_are_shipped_masks():
    assert SHIPPED


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request):
    """A checkpoint, its networks, and a function that gives its test canvases and their labels."""
    checkpoint = catalog.find(request.param)
    size = INPUT_SIZE[checkpoint.card.dataset]

    def at(i):
        drawn = shapes.draw(shapes.SEEDS["test"], i)
        image_CHW = np.round(255 * drawn.x_HWC).astype(np.uint8).transpose(2, 0, 1)
        placed = canvases.place(image_CHW, size, canvases.SEEDS["test"], i, object_HW=drawn.mask_HW)
        return torch.from_numpy(placed.x_CHW).float() / 255, drawn.label, placed.object_HW

    return checkpoint, weights.load_nets(checkpoint), at


class Another(nn.Module):
    """Gives each row the mask of the row before it, that is of another image."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, m_NCHW):
        return self.mask(m_NCHW).roll(1, 0)


def interval(values_N):
    """A 99.9 % interval for the mean of independent values, by the normal approximation."""
    half = 3.3 * values_N.std(ddof=1) / math.sqrt(len(values_N))
    return values_N.mean() - half, values_N.mean() + half


def test_another_images_mask_does_worse(shipped):
    checkpoint, nets, at = shipped
    own = adaptive.AdaptiveVoter(nets["classifier"], (nets["mask"],))
    other = adaptive.AdaptiveVoter(nets["classifier"], (Another(nets["mask"]),))
    generator, differences = torch.Generator().manual_seed(11), []
    for first in range(0, 240, 40):
        found = [at(i) for i in range(first, first + 40)]
        x_NCHW = torch.stack([x for x, _, _ in found])
        y_N = torch.tensor([y for _, y, _ in found])
        sigma = torch.full((40, 1, 1, 1), checkpoint.card.sigma)
        right = torch.zeros(2, 40)
        with torch.inference_mode():
            for _ in range(3):  # the same noise for both
                noise = [torch.randn(x_NCHW.shape, generator=generator) for _ in range(2)]
                for arm, voter in enumerate((own, other)):
                    right[arm] += (voter(x_NCHW, sigma, *noise) == y_N) / 3
        differences += (right[0] - right[1]).tolist()
    low, _ = interval(np.array(differences))
    assert low > 0  # in the share of votes that are right


def test_the_mask_finds_the_object_far_better_than_chance(shipped):
    checkpoint, nets, at = shipped
    spec = RunSpec("x", checkpoint.name, checkpoint.card.sigma, method="adaptive")
    voter = adaptive.voter_of(nets, spec)
    generator, found, blind = torch.Generator().manual_seed(12), [], []
    for i in range(0, 300, 3):
        x_CHW, _, object_HW = at(i)
        noise = [torch.randn(1, *x_CHW.shape, generator=generator) for _ in range(2)]
        sigma = torch.full((1, 1, 1, 1), spec.sigma)
        with torch.inference_mode():
            w_N1HW = queries.ask(x_CHW[None], sigma, noise, voter.masks)[1].w_N1HW
            unseen = voter.masks[0](0.5 + math.sqrt(2) * spec.sigma * noise[0])
        object_HW = torch.from_numpy(object_HW)
        found.append(float(mask_effects.separation(w_N1HW, object_HW)))
        blind.append(float(mask_effects.separation(unseen, object_HW)))
    low, _ = interval(np.array(found))
    assert low > 0.75  # chance is 1/2
    # The same network, not shown the image: it knows no more than that objects lie mid-canvas.
    low, _ = interval(np.array(found) - np.array(blind))
    assert low > 0.05


def certificate(x_CHW, nets, checkpoint, n, seed):
    spec = RunSpec("x", checkpoint.name, checkpoint.card.sigma, n=n, seed=seed)
    start, read = (
        partial(adaptive.certify, x_CHW, nets, spec),
        partial(adaptive.read, d=x_CHW.numel()),
    )
    *_, last = certify.watch_votes(start, read, x_CHW, spec)
    return last.certificate


# At k = 64, of 10 none broke at .99 of the radius either, but only 3 at three times: this attack is
# too weak there to test anything.
@pytest.mark.slow
@pytest.mark.parametrize("shipped", ["shapes-k48-adaptive-1.0"], indirect=True)
def test_attacks_inside_the_radius_fail_and_three_times_as_far_half_succeed(shipped):
    checkpoint, _, at = shipped
    nets = engine_choice.load(checkpoint)
    attacked = broken = 0
    for i in range(0, 20 * 40, 20):
        x_CHW, label, _ = at(i)
        c = certificate(x_CHW, nets, checkpoint, VOTES, 0)
        if c.abstained or c.predicted != label:
            continue
        sigma = checkpoint.card.sigma
        spec = RunSpec("x", checkpoint.name, sigma, method="adaptive", seed=5)
        # How many of them break far outside need not be known beyond half of them.
        budgets = HOW.budgets if broken < ATTACKED / 2 else HOW.budgets[:1]
        answers = []
        for a in attack.attack(x_CHW, nets, spec, c, replace(HOW, budgets=budgets)):
            assert float((a.x_CHW - x_CHW).abs().max()) <= a.budget * c.radius + 1e-6
            answers.append(a.predicted)
        assert answers[0] == label, i
        attacked += 1
        broken += len(answers) > 1 and answers[1] != label
        if attacked == ATTACKED:
            break
    assert attacked == ATTACKED
    assert broken >= ATTACKED / 2
