import itertools
import math

import numpy as np
import pytest
import torch

from rsviz.core.spec import RunSpec, Votes
from rsviz.data import catalog
from rsviz.data.images import image_id
from rsviz.methods import ensemble
from rsviz.networks import classifiers, ensembles
from rsviz.smoothing import driver, voters
from rsviz.teaching.chapters import training

SPEC = RunSpec("x", "c", sigma=0.5, method="ensemble", n0=100, n=300, alpha=0.01, seed=3)


def random_quadratic(count, seed):
    """A covariance of networks whose errors share a part, so that covariances are not small."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(count, count + 2)) * rng.uniform(0.3, 2, (count, 1))
    return factors @ factors.T + 0.5 * rng.uniform(0, 1) * np.ones((count, count))


def simplex(count, parts):
    """Every point of a grid on the simplex."""
    for cuts in itertools.combinations_with_replacement(range(parts + 1), count - 1):
        yield np.diff((0, *cuts, parts)) / parts


@pytest.mark.parametrize(("count", "parts"), [(2, 2000), (3, 120), (4, 40)])
@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_that_of_brute_force(count, parts, seed):
    Q = random_quadratic(count, seed)
    w = ensemble.optimal_weights(Q)
    assert w.sum() == pytest.approx(1)
    assert w.min() >= 0
    grid = np.array(list(simplex(count, parts)))
    values = np.einsum("gi,ij,gj->g", grid, Q, grid)
    best = grid[values.argmin()]
    assert w @ Q @ w <= values.min() + 1e-9
    # A grid point lies within its spacing of the optimum, and the value is flat there.
    assert w @ Q @ w >= values.min() * (1 - 10 / parts)
    assert np.abs(w - best).max() < 4 / parts + 0.03


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_of_eight_networks_meets_its_conditions(seed):
    """Convex, so these suffice: no network with a say has a steeper slope than any other."""
    Q = random_quadratic(8, seed)
    w = ensemble.optimal_weights(Q)
    assert w.sum() == pytest.approx(1) and w.min() >= 0
    slope = 2 * Q @ w
    assert slope[w > 1e-4] == pytest.approx(slope.min(), rel=1e-3)


def test_a_network_that_only_adds_variance_gets_no_weight():
    Q = np.array([[1.0, 1.5], [1.5, 4.0]])
    assert ensemble.optimal_weights(Q) == pytest.approx([1, 0], abs=1e-6)
    assert ensemble.optimal_pair(Q) == pytest.approx([1, 0])


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_pair_in_closed_form_is_the_programmes_optimum(scale):
    for seed in range(6):
        Q = random_quadratic(2, seed) * scale
        assert ensemble.optimal_weights(Q) == pytest.approx(ensemble.optimal_pair(Q), abs=1e-5)


def test_the_printed_formula_is_worse_unless_variances_agree():
    Q = np.array([[1.0, 0.5], [0.5, 2.0]])
    right, printed = ensemble.optimal_pair(Q), ensemble.printed_pair(Q)
    assert right == pytest.approx([0.75, 0.25])  # (2 - .5) / (1 + 2 - 1)
    assert printed == pytest.approx([0.625, 0.375])  # (2 + .5) / (1 + 2 + 1)
    assert printed @ Q @ printed > right @ Q @ right + 0.01
    even = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert ensemble.printed_pair(even) == pytest.approx(ensemble.optimal_pair(even))
    apart = np.diag([1.0, 2.0])
    assert ensemble.printed_pair(apart) == pytest.approx(ensemble.optimal_pair(apart))


def test_moments_by_hand():
    # Two images, samples, networks; three classes, label 1: margins p1 - p0 and p1 - p2.
    first = [[[0.2, 0.5, 0.3], [0.1, 0.8, 0.1]], [[0.1, 0.8, 0.1], [0.3, 0.6, 0.1]]]
    second = [[[0.3, 0.4, 0.3], [0.2, 0.6, 0.2]], [[0.2, 0.2, 0.6], [0.4, 0.2, 0.4]]]
    p = np.array([first, second])
    m = ensemble.moments(p, np.array([1, 1]))
    assert m.mean_JLI.shape == (2, 2, 2)
    assert m.mean_JLI[0, 0] == pytest.approx([(0.3 + 0.7) / 2, (0.2 + 0.7) / 2])
    assert m.mean_JLI[1, 1] == pytest.approx([(0.4 - 0.2) / 2, (0.4 - 0.2) / 2])
    a, b = np.array([0.3, 0.7]), np.array([0.7, 0.3])  # margins over class 0 of image 0
    assert m.cov_JILL[0, 0] == pytest.approx(np.cov([a, b]))
    assert m.cov_JILL[1, 1] == pytest.approx(np.cov([[0.1, -0.4], [0.4, -0.2]]))


def test_the_quadratic_floors_small_and_negative_margins():
    cov = np.broadcast_to(np.array([[1.0, 0.2], [0.2, 2.0]]), (1, 2, 2, 2))
    means = np.array([[[0.5, 0.01], [0.4, 0.9]]])  # per class the least: .4 and .01
    Q = ensemble.quadratic(ensemble.Moments(means, cov), floor=0.1)
    assert cov[0, 0] * (0.4**-2 + 0.1**-2) == pytest.approx(Q)
    negative = np.array([[[-5.0, 0.5], [0.4, 0.5]]])
    Q = ensemble.quadratic(ensemble.Moments(negative, cov), floor=0.1)
    assert cov[0, 0] * (0.1**-2 + 0.5**-2) == pytest.approx(Q)


@pytest.fixture(scope="module")
def members():
    """Three small networks that disagree at random."""
    nets = []
    for seed in range(3):
        torch.manual_seed(seed)
        body = classifiers.Compact(10, width=4)
        nets.append(torch.nn.Sequential(classifiers.Normalize(*catalog.STATISTICS["shapes"]), body))
        with torch.no_grad():
            body.fc.weight.mul_(3)
    return [net.eval().requires_grad_(False) for net in nets]


def image():
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(4))


def test_measuring_agrees_with_noise_drawn_one_by_one(members):
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([1, 7])
    generator = torch.Generator().manual_seed(1)
    m = ensemble.measure(members, x, y, 0.5, generator, draws=400, copies=1, std=0.0)
    generator = torch.Generator().manual_seed(2)
    for j in range(2):
        noisy = x[j] + 0.5 * torch.randn(400, 3, 32, 32, generator=generator)
        p = torch.stack([net(noisy).softmax(1) for net in members], 1).double()
        z = (p[..., y[j], None] - p)[..., torch.arange(10) != y[j]].numpy()
        scatter = z.std(0).max() / 20
        assert m.mean_JLI[j] == pytest.approx(z.mean(0), abs=6 * scatter)
        for i in range(9):
            wanted = np.cov(z[:, :, i].T)
            assert m.cov_JILL[j, i] == pytest.approx(wanted, abs=0.5 * np.abs(wanted).max())


def test_perturbed_weights_add_variance_and_leave_the_network_alone(members):
    x, y = torch.rand(1, 3, 32, 32), torch.tensor([0])
    before = members[0][1].fc.weight.clone()
    still, moved = (
        ensemble.measure(members, x, y, 1e-6, torch.Generator().manual_seed(0), 4, 5, std=std)
        for std in (0.0, 0.05)
    )
    assert still.cov_JILL.max() < 1e-8 < moved.cov_JILL[:, :, 0, 0].max()
    assert torch.equal(members[0][1].fc.weight, before)
    bare = ensemble.perturbed(members[0], 0.3, 0.01, torch.Generator().manual_seed(0))
    change = torch.cat([(a - b).flatten() for a, b in pairs(bare, members[0])])
    assert (change != 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert change[change != 0].std().item() == pytest.approx(0.01, rel=0.05)


def pairs(one, other):
    return zip(one.parameters(), other.parameters(), strict=True)


def test_the_weighted_sum_is_of_softmax_outputs(members):
    x, w = torch.rand(5, 3, 32, 32), (0.5, 0.2, 0.3)
    wanted = sum(v * net(x).softmax(1) for v, net in zip(w, members, strict=True))
    out = ensembles.WeightedSum(members, w)(x)
    assert torch.allclose(out.softmax(1), wanted, atol=1e-6)
    alone = ensembles.WeightedSum(members, (0.0, 1.0, 0.0))(x)
    assert torch.allclose(alone, members[1](x).log_softmax(1), atol=1e-5)


def test_the_widest_margin_decides_by_row():
    # Row 0: margins .3 and .6; row 1: .8 and .1.
    p = torch.tensor([[[0.6, 0.3, 0.1], [0.9, 0.1, 0.0]], [[0.2, 0.8, 0.0], [0.4, 0.5, 0.1]]])
    assert ensembles.widest_margin(p.log()).argmax(1).tolist() == [1, 0]


def run(start):
    request = voters.Request(0, image(), image_id(image()), SPEC.seed, start)
    *_, task = driver.drive([request])
    return task


def test_one_pass_counts_the_very_votes_of_each_weighting_alone(members):
    weighings = {"optimal": [0.7, 0.1, 0.2], "max-margin": None, "average": [1 / 3] * 3}
    task = run(lambda: ensemble.certify_each(members, weighings, SPEC))
    each = ensemble.read_each(task.votes, weighings, 10, SPEC)
    assert task.certificate == each["optimal"]
    alone = {
        "optimal": ensembles.WeightedSum(members, weighings["optimal"]),
        "average": ensembles.WeightedSum(members, weighings["average"]),
        "max-margin": ensembles.WidestMargin(members),
    }
    for name, net in alone.items():
        single = run(lambda net=net: ensemble.certify(image(), {"classifier": net}, SPEC))
        certificate = single.certificate
        assert each[name].counts == certificate.counts
        assert each[name].counts0 == certificate.counts0
        assert each[name].radius == certificate.radius
        assert certificate.guarantee == ensemble.GUARANTEE
        assert certificate.detail["weights"] == weighings[name]
    assert len({c.counts for c in each.values()}) == 3


def test_joint_votes_split_by_hand():
    # Two weightings, three classes: 5 votes of (0, 2), 4 of (1, 2), 1 of (1, 0).
    counts = [0] * 9
    counts[0 + 3 * 2], counts[1 + 3 * 2], counts[1] = 5, 4, 1
    first, second = ensemble.split(Votes("bound", tuple(counts), 10, "complete"), 2, 3)
    assert first.counts_K == (5, 5, 0)
    assert second.counts_K == (1, 0, 9)
    assert (first.planned, first.ended) == (10, "complete")


def test_weights_found_at_the_query_are_labelled_heuristic(members):
    certificate = run(lambda: ensemble.certify_per_query(image(), members, SPEC)).certificate
    assert "heuristic" in certificate.flags
    assert certificate.guarantee.startswith("Heuristic")
    assert sum(certificate.detail["weights"]) == pytest.approx(1)
    again = run(lambda: ensemble.certify_per_query(image(), members, SPEC)).certificate
    assert again == certificate


def test_every_weighting_is_named_and_the_printed_one_is_for_two():
    two, three = (ensemble.weightings(random_quadratic(k, 0)) for k in (2, 3))
    assert set(two) == {"optimal", "average", "max-margin", "printed"}
    assert set(three) == {"optimal", "average", "max-margin"}
    assert three["average"] == pytest.approx([1 / 3] * 3)
    assert math.fsum(three["optimal"]) == pytest.approx(1)


def random_moments(count, seed, images=12, others=3):
    """Margins of networks, some images hopeless, whose errors share a part."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0.5, 0.5, (images, 1, others)) + rng.normal(0, 0.2, (images, count, others))
    factors = rng.normal(0, 0.15, (images, others, count, count + 2))
    factors *= rng.uniform(0.3, 2, (count, 1))
    return ensemble.Moments(means, factors @ factors.swapaxes(2, 3))


def test_the_bound_by_hand():
    cov = np.array([[[[0.04, 0.0], [0.0, 0.16]], [[0.01, 0.0], [0.0, 0.01]]]] * 2)
    means = np.array([[[0.6, 0.5], [0.2, 0.7]], [[-0.1, 0.5], [0.1, 0.7]]])
    bound = ensemble.error_bound(ensemble.Moments(means, cov), np.array([[1, 0], [0.5, 0.5]]))
    first = 0.04 / (0.04 + 0.36) + 0.01 / (0.01 + 0.25)
    both = 0.05 / (0.05 + 0.16) + 0.005 / (0.005 + 0.36)
    assert bound[:, 0] == pytest.approx([first, both])
    assert bound[:, 1].tolist() == [1, 1]  # a margin of mean -.1, and one of 0: no bound


def test_no_simulated_ensemble_errs_more_often_than_its_bound():
    rng = np.random.default_rng(0)
    for seed in range(4):
        m = random_moments(3, seed)
        w = rng.dirichlet(np.ones(3), 5)
        bound = ensemble.error_bound(m, w)
        assert bound.min() < 0.2 and bound.max() == 1
        for j in range(len(m.mean_JLI)):
            z = [
                m.mean_JLI[j, :, i] + draws(rng) @ np.linalg.cholesky(m.cov_JILL[j, i]).T
                for i in range(3)
            ]
            errs = (np.array(z) @ w.T <= 0).any(0).mean(0)
            assert np.all(errs <= bound[:, j] + 4 * 0.5 / np.sqrt(2000))


def draws(rng):
    """Skewed, of mean 0 and variance 1, for which Cantelli is closer than for normal ones."""
    return 1 - rng.exponential(size=(2000, 3))


@pytest.mark.parametrize(("count", "parts"), [(2, 2000), (3, 80)])
def test_the_least_bound_is_that_of_brute_force(count, parts):
    grid = np.array(list(simplex(count, parts)))
    for seed in range(4):
        m = random_moments(count, seed)
        w = ensemble.least_bound(m)
        assert w.sum() == pytest.approx(1) and w.min() >= 0
        values = ensemble.error_bound(m, grid).mean(1)
        found = ensemble.error_bound(m, w[None]).mean()
        assert values.min() - 0.002 < found <= values.min() + 1e-6
        assert np.ptp(values) > 0.05  # there was something to choose


def test_eight_networks_are_weighed_no_worse_than_each_alone_and_the_average():
    m = random_moments(8, 0)
    rivals = np.concatenate([np.eye(8), np.full((1, 8), 1 / 8)])
    found = ensemble.error_bound(m, ensemble.least_bound(m)[None]).mean()
    assert found < ensemble.error_bound(m, rivals).mean(1).min() - 0.005


def test_images_that_no_weights_help_do_not_choose_the_weights():
    # Two networks: on images that both get wrong the first varies least, on the others the second.
    wrong, right = np.full((2, 1), -0.5), np.full((2, 1), 0.5)
    means = np.array([wrong, wrong, right, right])
    calm, loud = np.diag([0.001, 0.1])[None], np.diag([0.1, 0.01])[None]
    m = ensemble.Moments(means, np.array([calm, calm, loud, loud]))
    assert ensemble.optimal_weights(ensemble.quadratic(m))[0] > 0.6
    assert ensemble.least_bound(m) == pytest.approx([1 / 11, 10 / 11], abs=1e-3)  # of the others


def test_variances_within_and_between_methods_by_hand():
    # Three networks, the first two of one method; two classes, whose ranks the images swap.
    near = np.array([[1.0, 0.2, 0.5], [0.2, 3.0, 0.7], [0.5, 0.7, 5.0]])
    far = np.array([[0.1, 0.09, 0.01], [0.09, 0.1, 0.03], [0.01, 0.03, 0.1]])
    means = np.array([[[0.1, 0.9]] * 3, [[0.9, 0.1]] * 3])
    m = ensemble.Moments(means, np.array([[near, far], [3 * far, 3 * near]]))
    first, second = ensemble.shared_variances(m, ("a", "a", "b"))
    assert (first.rank, second.rank) == (1, 2)
    assert (first.variance, first.within, first.between) == pytest.approx((6, 0.4, 1.2))
    assert first.within < first.between and second.within > second.between
    (alone, _) = ensemble.shared_variances(m, ("a", "b", "c"))
    assert math.isnan(alone.within) and alone.between == pytest.approx(2 * 1.4 / 3)


@pytest.mark.parametrize(
    ("b", "d", "c", "right"), [(1, 2, 0, True), (2, 2, 0.5, True), (1, 2, 0.5, False)]
)
def test_the_formula_as_printed_is_right_where_the_chapter_says_so(b, d, c, right):
    """`teaching.chapters.training`: it goes wrong unless b = d or c = 0."""
    Q_LL = np.array([[b, c], [c, d]], float)
    same = np.allclose(ensemble.printed_pair(Q_LL), ensemble.optimal_pair(Q_LL))
    assert same == right
    assert any("unless $b = d$ or $c = 0$" in text for text in training.PAIR.sentences)
