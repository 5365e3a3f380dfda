import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from scipy.stats import beta, norm

from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.methods import gaussian, smoothadv, sun
from rsviz.methods.registry import METHODS
from rsviz.methods.sun import PRESETS, Settings
from rsviz.networks import classifiers
from rsviz.smoothing.estimates import draw_noise, noisy_logits
from rsviz.training import loop
from rsviz.training.loop import TrainSpec
from rsviz.training.train import train_checkpoint
from tests.helpers import TINY

FEW = Settings(steps=1, draws=1, drop_draws=16, every=2)


def seeded():
    return torch.Generator().manual_seed(5)


def length(noise):
    return noise.flatten(1).norm(dim=1)


def few(images=96):
    whole = datasets.load("shapes", "test")
    return replace(whole, x_NCHW=whole.x_NCHW[:images], y_N=whole.y_N[:images])


class Share(torch.nn.Module):
    """Answers class 1 where a pixel is above a bar: right of its noisy copies is a known share."""

    def forward(self, x_NCHW):
        above = (x_NCHW[:, 0, 0, 0] > 0.5).float()
        return torch.stack((1 - above, above), 1)


def one_pixel(*values):
    """Images that `Share` classes right, as 1, with probability Phi((value - .5) / sigma)."""
    x = torch.zeros(len(values), 3, 4, 4, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.tensor(values)
    return datasets.Dataset("shapes", "train", ("a", "b"), x, torch.ones(len(values)).long())


@pytest.mark.parametrize(("right", "counted"), [(0, 12), (11, 12), (13, 13), (15, 15), (16, 16)])
def test_an_image_weighs_phi_inverse_of_its_clopper_pearson_lower_bound(right, counted):
    by_scipy = norm.ppf(beta.ppf(0.1, counted, 16 - counted + 1))
    assert sun.weight(right, 16) == pytest.approx(by_scipy, rel=1e-9)


def test_the_weights_of_sixteen_draws():
    assert [round(sun.weight(k, 16), 2) for k in range(12, 17)] == [0.15, 0.33, 0.53, 0.76, 1.11]
    assert sun.weight(16, 16) == pytest.approx(norm.ppf(0.1 ** (1 / 16)), rel=1e-9)
    assert all(sun.weight(0, n) > 0 for n in range(16, 200))


def test_images_right_too_seldom_are_dropped_and_stay_so():
    data = one_pixel(0, 128, 255)  # right in .02, .50 and .98 of their noisy copies
    sigma = torch.full((3, 1, 1, 1), 0.25)
    how = Settings(keep=0.4, drop_draws=400, weigh_draws=16)
    counted = sun.count_right(Share(), data, sigma, 400, seeded())
    for found, x in zip(counted.tolist(), (0, 128 / 255, 1), strict=True):
        p = norm.cdf((x - 0.5) / 0.25)
        assert found / 400 == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 400))
    first = sun.weigh(Share(), data, sigma, 0, None, seeded(), how)
    assert first[0] == 0 and first[1] > 0
    assert first[2] >= first[1]
    kept = sun.weigh(Share(), data, sigma, 3, first, seeded(), how)
    assert torch.equal(kept, first)  # until the tenth epoch
    at_ease = replace(data, x_NCHW=torch.full_like(data.x_NCHW, 255))
    later = sun.weigh(Share(), at_ease, sigma, 10, first, seeded(), how)
    assert later[0] == 0 and later[1] == pytest.approx(sun.weight(16, 16))


def test_a_network_that_is_right_nowhere_is_refused():
    data = one_pixel(0, 0)
    with pytest.raises(UserError, match="Every training image would be dropped"):
        sun.weigh(Share(), data, torch.full((2, 1, 1, 1), 0.1), 0, None, seeded())


def test_a_training_from_no_network_is_refused(tmp_path):
    spec = TrainSpec("sun", "shapes", TINY, 0.1, epochs=1)
    with pytest.raises(UserError, match="starts from classes them; name a trained one by --start"):
        train_checkpoint(spec, tmp_path / "net", "cpu", "")
    assert not (tmp_path / "net" / "card.json").exists()


def test_the_weights_of_a_network_in_training_are_its_own_again():
    net = classifiers.build(TINY, "shapes").train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    sun.count_right(net, few(8), torch.full((8, 1, 1, 1), 0.1), 4, seeded())
    assert net.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_an_attacked_noise_keeps_its_length_and_raises_the_loss(tiny):
    net, x, _, sigma = tiny
    y = net(x).argmax(1)
    noise = draw_noise(x, 8, seeded())
    moved = sun.attack(net, x, y, sigma, noise, 0.05, 1)
    assert length(moved).tolist() == pytest.approx(length(noise).tolist(), rel=1e-9)
    y_R = y.repeat(8)
    before = noisy_logits(net, x, sigma, noise).flatten(0, 1)
    after = noisy_logits(net, x, sigma, moved).flatten(0, 1)
    right = before.argmax(1) == y_R
    assert right.any() and not right.all()
    assert torch.equal(moved[~right], noise[~right])  # wrong at once, so left alone
    ce = partial(torch.nn.functional.cross_entropy, target=y_R[right], reduction="none")
    assert bool((ce(after[right]) > ce(before[right])).all())


def test_a_step_is_along_the_unit_gradient_of_its_own_copy(tiny):
    """By hand, one copy at a time: a step in pixels, then back to the sphere."""
    net, x, _, sigma = tiny
    y = net(x).argmax(1)
    noise = 1e-3 * draw_noise(x, 1, seeded())  # so small that every copy is right
    moved = sun.attack(net, x, y, sigma, noise, 0.02, 1)
    for i in range(len(x)):
        pixels = (sigma[i] * noise[i]).requires_grad_(True)
        value = torch.nn.functional.cross_entropy(net((x[i] + pixels)[None]), y[i : i + 1])
        (g,) = torch.autograd.grad(value, pixels)
        there = pixels.detach() + 0.02 * g / g.norm()
        there = there / there.norm() * pixels.detach().norm()
        assert torch.allclose(sigma[i] * moved[i], there, rtol=1e-6, atol=1e-12)


def test_a_copy_stops_at_its_first_error(tiny):
    net, x, _, sigma = tiny
    y = net(x).argmax(1)
    noise = draw_noise(x, 4, seeded())
    ends = [sun.attack(net, x, y, sigma, noise, 0.5, t) for t in range(7)]
    wrong = [noisy_logits(net, x, sigma, e).flatten(0, 1).argmax(1) != y.repeat(4) for e in ends]
    assert wrong[-1].sum() > wrong[0].sum()
    for t in range(6):
        assert torch.equal(ends[-1][wrong[t]], ends[t][wrong[t]])


def test_noise_of_no_level_is_not_moved_into_what_is_no_number(tiny):
    net, x, y, _ = tiny
    noise = draw_noise(x, 2, seeded())
    moved = sun.attack(net, x, y, torch.zeros(5, 1, 1, 1).double(), noise, 0.5, 2)
    assert bool(moved.isfinite().all())


def test_without_steps_it_is_smoothadvs_loss_without_an_attack(tiny):
    net, x, y, sigma = tiny
    ours = sun.loss(net, x, y, sigma, seeded(), 0, settings=Settings(steps=0, draws=3))
    how = smoothadv.Settings(steps=0, draws=3)
    assert ours.item() == smoothadv.loss(net, x, y, sigma, seeded(), 0, settings=how).item()


def test_the_gradient_is_that_of_finite_differences(tiny, slope):
    net, x, y, sigma = tiny
    how = partial(sun.loss, settings=Settings(steps=0, draws=3))
    exact, by_difference = slope(how, net, x, y, sigma)
    assert exact == pytest.approx(by_difference, rel=1e-4)


def test_the_settings_of_the_authors_scripts():
    assert {s: (p.step, p.steps, p.keep, p.draws, p.every) for s, p in PRESETS.items()} == {
        0.25: (0.25, 3, 0.5, 4, 10),
        0.5: (0.25, 6, 0.4, 4, 10),
        1.0: (0.5, 4, 0.4, 4, 10),
    }
    assert METHODS["sun"].weigh is sun.weigh


@pytest.mark.parametrize("change", [{"steps": -1}, {"draws": 0}, {"every": 0}, {"weigh_draws": 15}])
def test_settings_out_of_range_are_refused_in_words(change):
    with pytest.raises(UserError, match=next(iter(change))):
        Settings(**change)


def learned():
    """A narrow net that knows some of its images under noise."""
    torch.manual_seed(0)
    net = classifiers.build(TINY, "shapes")
    spec = TrainSpec("gaussian", "shapes", TINY, 0.1, epochs=8, lr=0.3, batch=32)
    return net, spec


def trained(net, state, data, report=print):
    spec = TrainSpec("sun", "shapes", TINY, 0.1, epochs=4, lr=0.1, batch=32)
    how = {"compiled": False, "report": report, "weigh": partial(sun.weigh, settings=FEW)}
    loop.train(net, data, partial(sun.loss, settings=FEW), spec, state, **how)
    return net.state_dict()


def test_a_killed_training_goes_on_with_the_same_weights_of_its_images(tmp_path):
    data = few(320)
    net, spec = learned()
    loop.train(net, data, gaussian.loss, spec, tmp_path / "first.pt", compiled=False)

    class KilledError(Exception):
        pass

    def kill(text):  # in the middle of two epochs of the same weights
        if text.startswith("epoch 3"):
            raise KilledError

    def again():
        copy = classifiers.build(TINY, "shapes")
        copy.load_state_dict(net.state_dict())
        return copy

    said = []
    whole = trained(again(), tmp_path / "whole.pt", data, said.append)
    kept = [text for text in said if "are kept" in text]
    assert len(kept) == 4 and len(set(kept)) == 1
    assert 0 < int(kept[0].split()[3]) < 320
    with pytest.raises(KilledError):
        trained(again(), tmp_path / "cut.pt", data, kill)
    state = torch.load(tmp_path / "cut.pt", weights_only=True)
    assert int((state["weight_N"] > 0).sum()) == int(kept[0].split()[3])
    resumed = trained(again(), tmp_path / "cut.pt", data)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_an_epoch_draws_images_in_proportion_to_their_weights(tmp_path):
    """With weights 0, 1 and 3 on thirds of the images, by a loss that notes its images."""
    data = few(300)
    data = replace(data, y_N=torch.arange(300) // 100)
    seen = []

    def note(net, x, y, sigma, generator, step):
        seen.append(y)
        return net(x).sum() * 0

    def weigh(net, data, sigma, epoch, weight_N, generator):
        return torch.tensor([0.0, 1.0, 3.0])[data.y_N]

    spec = TrainSpec("sun", "shapes", TINY, 0.1, epochs=4, lr=0.1, batch=100)
    net = classifiers.build(TINY, "shapes")
    loop.train(net, data, note, spec, tmp_path / "s.pt", compiled=False, weigh=weigh)
    counts = torch.cat(seen).bincount(minlength=3).tolist()
    assert sum(counts) == 1200 and counts[0] == 0
    assert counts[2] / 1200 == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 1200))
