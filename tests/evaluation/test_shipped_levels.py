"""The shipped networks that choose noise levels for Shapes: what a faked selector would fail."""

import math

import numpy as np
import pytest
import torch

from rsviz.certification import attack, certify, engine_choice
from rsviz.checkpoints import catalog, weights
from rsviz.data import datasets
from rsviz.evaluation import chosen_levels, logs
from rsviz.evaluation.under_attack import AttackedSpec, move
from rsviz.methods import variational

SHIPPED = {c.name for c in catalog.list_checkpoints() if c.card.measured}
NAMES = ("dual", "routing", "variational", "multiscale")
METHODS = tuple(m for m in NAMES if f"shapes-{m}" in SHIPPED)
IMAGES = 8


def shipped(method):
    return catalog.find(f"shapes-{method}")


def logged(method):
    """The levels a shipped log chose beside those held fixed: of the experts, or the universal."""
    checkpoint = shipped(method)
    own = checkpoint.card.measured[0]
    file = checkpoint.folder / own.log
    base = ("0.25", "0.5", "1.0") if method == "routing" else ("universal",)
    fixed = {}
    for card_of in (catalog.find(f"shapes-gaussian-{end}") for end in base):
        for row in card_of.card.measured:
            if card_of.card.sigma not in (None, row.sigma) or row.n != own.n:
                continue
            fixed[row.sigma] = logs.read_log(card_of.folder / row.log)
    return chosen_levels.compare(logs.read_log(file), chosen_levels.levels_of(file), fixed)


@pytest.mark.parametrize("method", METHODS)
def test_it_does_not_choose_one_level_for_all(method):
    level_N = logged(method).level_N
    _, count = np.unique(level_N[~np.isnan(level_N)], return_counts=True)
    assert len(count) > 1 and count.max() < 0.95 * count.sum()


@pytest.mark.parametrize("method", METHODS)
def test_its_choices_go_with_the_best_levels(method):
    found = logged(method)
    rank, images = chosen_levels.correlation(found), int(found.worth_N.sum())
    assert rank > 3 / math.sqrt(images)  # three standard errors of no correlation


@pytest.mark.parametrize("method", METHODS)
def test_its_choices_dealt_out_at_random_do_worse(method):
    _, low, _ = chosen_levels.against_shuffled(logged(method), np.random.default_rng(0))
    assert low > 0


@pytest.mark.skipif("variational" not in METHODS, reason="there is no shapes-variational")
def test_a_larger_lambda_moves_levels_towards_the_target():
    checkpoint = shipped("variational")
    nets, data = weights.load_nets(checkpoint), datasets.load("shapes", "test")
    x_NCHW = torch.stack([data.image(i) for i in range(0, 600, 20)])
    target = float(checkpoint.card.sigma_training)
    away = []
    for lam in (0.0, 0.5, 1.0):
        lam_N = torch.full((len(x_NCHW),), lam)
        with torch.inference_mode():
            sigma_N = nets["selector"](x_NCHW, lam_N)
        away.append(float((sigma_N / target).log().abs().mean()))
    assert away[0] > away[1] > away[2]


def moved_through_both(nets, x_CHW, c, eps, how):
    """The image moved away from its class, through classifier and selector at once."""
    generator, y_1 = torch.Generator().manual_seed(how.seed), torch.tensor([c.predicted])
    spec = AttackedSpec(eps=eps, steps=how.steps, draws=how.draws)
    level_1, lam = torch.tensor([c.sigma]), variational.Options().lam
    pair = nets["classifier"], nets["selector"]
    return move(*pair, x_CHW[None], y_1, level_1, spec, c.detail["q"], lam, generator)[0]


def answer_near(checkpoint, nets, x_CHW, spec, c, how):
    """The moved image, and what PREDICT says of it on fresh votes; None where it abstains."""
    if "selector" not in nets:
        (attempt,) = attack.attack(x_CHW, nets, spec, c, how)
        return attempt.x_CHW, attempt.predicted
    trained = weights.load_nets(checkpoint)
    x_moved_CHW = moved_through_both(trained, x_CHW, c, how.budgets[0] * c.radius, how)
    return x_moved_CHW, attack.judge(x_moved_CHW, nets, spec, how)[0]


def certified(method, settings, images):
    """So many images with their runs and certificates, and the networks that gave them."""
    checkpoint, data = shipped(method), datasets.load("shapes", "test")
    nets, found = engine_choice.load(checkpoint), []
    for i in range(1, 2000, 37):
        x_CHW = data.image(i)
        spec = certify.make_spec(checkpoint, x_CHW, n=1000, seed=1, settings=settings.items())
        *_, last = certify.watch(x_CHW, nets, spec)
        c = last.certificate
        if c.radius >= 0.05 and c.predicted is not None:
            found.append((x_CHW, spec, c, i))
        if len(found) == images:
            return checkpoint, nets, found
    raise AssertionError(f"of the images only {len(found)} are certified")


def changes(checkpoint, nets, x_CHW, spec, c, i, factor, steps=20, draws=16):
    """Whether the image changes class when attacked at ``factor`` times its radius."""
    how = attack.AttackSpec((factor,), steps=steps, draws=draws, n=1000, seed=i)
    moved_CHW, answer = answer_near(checkpoint, nets, x_CHW, spec, c, how)
    assert (moved_CHW - x_CHW).norm() <= factor * c.radius * 1.0001
    return answer is not None and answer != c.predicted


RUNS = {
    "dual": ("dual", {}),
    "dual by the sweep": ("dual", {"rule": "sweep"}),
    "routing": ("routing", {}),
    "variational": ("variational", {"budget": 1.0}),  # the widest: the largest radii, most to break
    "multiscale": ("multiscale", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_no_certificate_breaks_inside_and_most_break_far_outside(run):
    if RUNS[run][0] not in METHODS:
        pytest.skip(f"there is no shapes-{RUNS[run][0]}")
    hard = run == "variational"
    images = 12 if hard else IMAGES
    checkpoint, nets, found = certified(*RUNS[run], images)
    assert not any(changes(checkpoint, nets, *one, 0.99) for one in found[:IMAGES])
    # Out there an attack that fails proves nothing, so a stronger one is asked: at 20 steps and 16
    # draws the levels of Variational RS break for 5 of 12 images, at these for 7.
    stronger, broken = {"steps": 40, "draws": 32} if hard else {}, 0
    for one in found:  # how many more than half of them break need not be known
        broken += changes(checkpoint, nets, *one, 3.0, **stronger)
        if broken == images // 2:
            return
    raise AssertionError(f"only {broken} of {images} break at three times the radius")
