import threading
from dataclasses import dataclass

import pytest
import torch

from rsviz.certification import certify
from rsviz.core.spec import Bound, RunSpec
from rsviz.data.images import image_id
from rsviz.methods import gaussian
from rsviz.networks import classifiers
from rsviz.smoothing import driver, voters
from rsviz.smoothing.noise import CHUNK, chunk, chunk_name


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return classifiers.build("compact", "shapes").eval().requires_grad_(False)


def image(seed):
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed))


def spec(**changes):
    return RunSpec(**({"image": "x", "checkpoint": "c", "sigma": 0.7, "n": 330} | changes))


def request(net, key, run_spec):
    x_CHW = image(key)
    return voters.Request(
        key,
        x_CHW,
        image_id(x_CHW),
        run_spec.seed,
        lambda: gaussian.certify(x_CHW, {"classifier": net}, run_spec),
    )


def certificates(requests, **how):
    done = {t.request.key: t.certificate for t in driver.drive(requests, **how) if t.certificate}
    return {key: (c.counts0, c.counts) for key, c in done.items()}


def slow_counts(net, x_CHW, stage, sigma, n, seed):
    """The textbook loop, one vote at a time."""
    counts = [0] * 10
    for i in range(n):
        noise = chunk((3, 32, 32), chunk_name(seed, image_id(x_CHW), stage, 0, i // CHUNK))
        with torch.no_grad():
            counts[net((x_CHW + sigma * noise[i % CHUNK])[None]).argmax()] += 1
    return tuple(counts)


def test_counts_equal_an_independent_slow_loop(net):
    run_spec = spec(seed=3)
    counts0, counts = certificates([request(net, 0, run_spec)])[0]
    assert counts0 == slow_counts(net, image(0), "select", 0.7, 100, 3)
    assert counts == slow_counts(net, image(0), "bound", 0.7, 330, 3)
    assert sum(counts) == 330
    assert len([c for c in counts if c]) > 1  # otherwise this test could not fail


def test_counts_do_not_depend_on_what_is_batched_beside_them(net):
    alone = certificates([request(net, 2, spec())], chunks=3)[2]
    many = certificates(
        [request(net, k, spec(n=130 + 100 * k)) for k in range(2)]
        + [request(net, 2, spec())]
        + [request(net, 5, spec(sigma=0.2))],
        chunks=3,
    )
    assert many[2] == alone
    assert set(many) == {0, 1, 2, 5}
    assert sum(many[0][1]) == 130


def test_select_and_bound_use_fresh_noise(net):
    counts0, counts = certificates([request(net, 0, spec(n=100))])[0]
    assert counts0 != counts


def test_cancelling_leaves_a_prefix_and_an_anytime_certificate(net):
    run_spec = spec(n=1000, bound=Bound.ANYTIME)
    x_CHW = image(0)

    def run(cancel_after):
        cancel = threading.Event()
        readings = []
        for progress in certify.watch_votes(
            lambda: gaussian.certify(x_CHW, {"classifier": net}, run_spec),
            gaussian.read,
            x_CHW,
            run_spec,
            cancel=cancel,
        ):
            readings.append(progress)
            if len(readings) == cancel_after:
                cancel.set()
        return readings

    whole, cut = run(None), run(5)
    assert whole[-1].certificate.ended == "complete"
    assert whole[-1].done == 1100
    assert cut[-1].certificate.ended == "stopped"
    assert "partial" in cut[-1].certificate.flags
    assert cut[-1].certificate.counts == whole[4].certificate.counts
    assert sum(cut[-1].certificate.counts) == 400
    assert cut[-1].certificate.radius == whole[4].certificate.radius


def test_cancelled_between_the_stages_says_so(net):
    cancel = threading.Event()
    x_CHW, run_spec = image(0), spec(bound=Bound.ANYTIME)
    readings = []
    for progress in certify.watch_votes(
        lambda: gaussian.certify(x_CHW, {"classifier": net}, run_spec),
        gaussian.read,
        x_CHW,
        run_spec,
        cancel=cancel,
    ):
        readings.append(progress)
        cancel.set()  # after the first batch, which is the whole select stage
    assert readings[-1].done == 100
    assert readings[-1].certificate.ended == "stopped"
    assert readings[-1].certificate.abstained


def test_cancelled_before_the_class_is_chosen_says_so(net):
    cancel = threading.Event()
    cancel.set()
    x_CHW = image(0)
    (only,) = certify.watch_votes(
        lambda: gaussian.certify(x_CHW, {"classifier": net}, spec()),
        gaussian.read,
        x_CHW,
        spec(),
        cancel=cancel,
    )
    assert only.certificate.predicted is None
    assert only.certificate.abstained
    assert only.done == 0


@dataclass(frozen=True)
class SumOfTwo:
    """Votes 1 where the first pixels of two independent noises agree in sign."""

    def __call__(self, x_NCHW, sigma_N111, *noise_NCHW):
        a, b = noise_NCHW
        return (a[:, 0, 0, 0] * b[:, 0, 0, 0] > 0).long()


def test_the_queries_of_one_vote_get_independent_noise():
    def method():
        votes = yield voters.Ask("both", SumOfTwo(), 1.0, 2000, classes=2, queries=2)
        return votes

    x_CHW = image(0)
    requests = [voters.Request(0, x_CHW, "id", 0, method)]
    *_, last = [t for t in driver.drive(requests) if t.certificate]
    # The same noise in both queries would always agree; independent noise agrees half the time.
    assert abs(last.certificate.counts_K[1] - 1000) < 5 * (2000 * 0.25) ** 0.5


def test_a_half_space_is_certified_to_its_exact_distance(half_space):
    net, x_CHW, distance = half_space
    run_spec = spec(sigma=0.25, n=20_000, alpha=0.001)
    *_, last = certify.watch_votes(
        lambda: gaussian.certify(x_CHW, {"classifier": net}, run_spec),
        gaussian.read,
        x_CHW,
        run_spec,
    )
    assert last.certificate.predicted == 1
    # p_A = Phi(distance / sigma) = .885; its lower bound lies 3 to 4 binomial errors below.
    assert 0.90 * distance < last.certificate.radius < distance


def test_noisy_votes_are_the_first_votes_of_the_run(net):
    run_spec = spec(n=100)
    noisy_NCHW, class_N = driver.noisy_votes(voters.NoisyClassifier(net), image(0), run_spec, 100)
    _, counts = certificates([request(net, 0, run_spec)])[0]
    assert tuple(torch.bincount(class_N, minlength=10).tolist()) == counts
    assert abs((noisy_NCHW - image(0)).std() - 0.7) < 0.01


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu_on_a_half_space(half_space):
    net, x_CHW, distance = half_space
    run_spec = spec(sigma=0.25, n=20_000)
    net = net.cuda()
    *_, last = certify.watch_votes(
        lambda: gaussian.certify(x_CHW, {"classifier": net}, run_spec),
        gaussian.read,
        x_CHW,
        run_spec,
        "cuda",
    )
    assert 0.90 * distance < last.certificate.radius < distance


@pytest.mark.parametrize(
    ("device", "size", "chunks"),
    [("cpu", 32, 1), ("cuda", 32, 80), ("cuda:1", 48, 48), ("cuda", 96, 20), ("cuda", 224, 20)],
)
def test_small_images_fill_a_gpu_with_more_rows(device, size, chunks):
    assert driver.default_chunks(device, size) == chunks


def test_nothing_asked_is_nothing_done():
    assert list(driver.drive([])) == []
