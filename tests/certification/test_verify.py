"""A certificate that was altered, or whose seed was hunted, is refused; an honest one holds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rsviz.certification import certify, recount, verify
from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import main
from rsviz.core import bounds, tries
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.data import images
from rsviz.data.datasets import find_image
from rsviz.methods import registry
from rsviz.networks import classifiers
from rsviz.smoothing.noise import scheme_of

FRESH = 4_000


def certificate_of(nets, x_CHW, method="gaussian", settings=(), **rest):
    """A certificate of the half-space, whose p_A is known."""
    base = {"n0": 20, "n": 500, "alpha": 0.001, "seed": 0, "sigma": 0.3, "settings": settings}
    spec = RunSpec(images.image_id(x_CHW), "net", method=method, **(base | rest))
    *_, last = certify.watch(x_CHW, nets, spec)
    return last.certificate


@pytest.fixture
def case(half_space):
    net, x_CHW, _ = half_space
    nets = {"classifier": net}
    return certificate_of(nets, x_CHW), x_CHW, nets


def recheck(c, x_CHW, nets, seed=1):
    return {check.name: check for check in verify.recheck(c, x_CHW, nets, seed, fresh=FRESH)}


def test_an_honest_certificate_holds(case):
    found = recheck(*case)
    assert list(found) == [
        "reading",
        "same seed, select",
        "same seed, bound",
        "fresh seed, bound",
    ]
    assert verify.holds(found.values())
    assert "identical" in found["same seed, bound"].says


@pytest.mark.parametrize("bound", list(Bound))
def test_every_bound_holds(half_space, bound):
    net, x_CHW, _ = half_space
    c = certificate_of({"classifier": net}, x_CHW, bound=bound)
    assert verify.holds(recheck(c, x_CHW, {"classifier": net}).values())


def test_a_stopped_run_holds_by_the_anytime_bound(half_space):
    net, x_CHW, _ = half_space
    nets = {"classifier": net}
    spec = RunSpec("", "net", sigma=0.3, n0=20, n=5_000, bound=Bound.ANYTIME)
    readings = [p.certificate for p in certify.watch(x_CHW, nets, spec)]
    middle = next(c for c in readings if 0 < sum(c.counts) < c.n)
    assert not middle.abstained
    for ended in ("running", "stopped"):
        c = replace(middle, ended=ended)
        assert verify.holds(recheck(c, x_CHW, nets).values())
    unread = recheck(replace(middle, ended="complete"), x_CHW, nets)["reading"]
    assert not unread.holds
    assert "ended" in unread.says


def test_a_run_without_votes_claims_nothing(case):
    _, x_CHW, nets = case
    spec = RunSpec("", "net", sigma=0.3, bound=Bound.ANYTIME)
    c = registry.METHODS["gaussian"].read({}, spec)
    assert verify.holds(recheck(replace(c, ended="stopped"), x_CHW, nets).values())


def other_counts(c):
    k = list(c.counts)
    k[c.predicted], k[1 - c.predicted] = k[c.predicted] + 1, k[1 - c.predicted] - 1
    return tuple(k)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: {"radius": c.radius * 1.01}, "radius"),
        (lambda c: {"p_a_lower": c.p_a_lower + 1e-6}, "p_a_lower"),
        (lambda c: {"alpha": 0.01}, "alpha"),
        (lambda c: {"predicted": 1 - c.predicted}, "predicted"),
        (lambda c: {"abstained": True}, "abstained"),
        (lambda c: {"sigma": 0.31}, "radius"),
        (lambda c: {"n": c.n - 1}, "ended"),
        (lambda c: {"n0": c.n0 + 1}, "predicted"),
        (lambda c: {"counts": other_counts(c)}, "p_a_lower"),
        (lambda c: {"guarantee": "It is always right."}, "guarantee"),
        (lambda c: {"norm": "Linf"}, "norm"),
        (lambda c: {"detail": {"note": "trust me"}}, "detail"),
        (lambda c: {"bound": Bound.ANYTIME}, "p_a_lower"),
    ],
)
def test_what_does_not_follow_from_the_counts_is_named(case, change, named):
    c, x_CHW, nets = case
    check = recheck(replace(c, **change(c)), x_CHW, nets)["reading"]
    assert not check.holds
    assert named in check.says


def reread(c, counts):
    """The certificate with other counts, and everything that follows from them made to fit."""
    p = bounds.clopper_pearson_lower(counts[c.predicted], c.n, c.alpha)
    return replace(
        c, counts=counts, p_a_lower=p, radius=c.sigma * float(torch.special.ndtri(torch.tensor(p)))
    )


def test_counts_altered_consistently_are_caught_by_the_votes(case):
    c, x_CHW, nets = case
    altered = certificate_of(nets, x_CHW)
    altered = replace(altered, counts=other_counts(c))
    spec = verify.spec_of(altered)
    read = registry.METHODS["gaussian"].read
    votes = {
        "select": Votes("select", c.counts0, c.n0, "complete"),
        "bound": Votes("bound", altered.counts, c.n, "complete"),
    }
    fitted = replace(read(votes, spec), image_sha256=c.image_sha256, path=c.path)
    found = recheck(fitted, x_CHW, nets)
    assert found["reading"].holds
    assert not found["same seed, bound"].holds


def test_another_seed_than_stated_is_caught(case):
    c, x_CHW, nets = case
    found = recheck(replace(c, seed=7), x_CHW, nets)
    assert not found["same seed, bound"].holds


def test_another_path_asks_for_agreement_within_chance(case):
    c, x_CHW, nets = case
    elsewhere = certificate_of(nets, x_CHW, seed=5)  # as if from a device with other noise
    c = replace(elsewhere, seed=0, path="another GPU, noise philox")
    found = recheck(c, x_CHW, nets)
    assert verify.holds(found.values())
    assert "within chance" in found["same seed, bound"].says
    far = replace(certificate_of(nets, x_CHW, sigma=0.2), sigma=0.3, path="another GPU")
    assert not recheck(far, x_CHW, nets)["same seed, bound"].holds


@pytest.fixture(scope="module")
def early():
    """A certificate made before noise took its whole key, its picture and its network."""
    shipped = Path(__file__).parents[2] / "checkpoints" / "shapes-gaussian-0.5"
    checkpoint = catalog.inspect(shipped)
    stored = Path(__file__).parents[1] / "cases" / "early-certificate.json"
    c = Certificate.from_json(stored.read_text())
    assert "noise" not in c.path
    return c, find_image(c.image)[0], checkpoint


def test_early_certificates_are_counted_again_with_the_noise_they_had(early):
    c, x_CHW, checkpoint = early
    nets = weights.load_nets(checkpoint)
    ask = next(registry.METHODS[c.method].certify(x_CHW, nets, verify.spec_of(c)))

    def moved(scheme):
        again = certify.count(ask, c.n0, x_CHW, c.seed, scheme=scheme)
        return sum(abs(a - b) for a, b in zip(again, c.counts0, strict=True)) / 2

    assert moved(scheme_of(c.path, "cpu")) <= 1  # rounding on another machine may move a vote
    assert moved("sfc64") > 4


@pytest.mark.slow
def test_early_certificates_still_verify(early):
    c, x_CHW, checkpoint = early
    assert verify.holds(verify.verify(c, x_CHW, checkpoint, 1, fresh=1_000))


def test_a_hunted_seed_passes_its_own_and_fails_a_fresh_one(case):
    _, x_CHW, nets = case
    few = {"n0": 1, "n": 20, "alpha": 0.2, "sigma": 3.0}  # p_A = .54
    tried = [certificate_of(nets, x_CHW, seed=s, **few) for s in range(2, 80)]
    best = max((c for c in tried if c.predicted == 1), key=lambda c: c.p_a_lower)
    found = recheck(best, x_CHW, nets)
    assert found["same seed, bound"].holds
    assert found["reading"].holds
    assert not found["fresh seed, bound"].holds
    assert "hunted" in found["fresh seed, bound"].says


def test_fishers_test_is_exact_on_a_small_table():
    # 3 of 3 against 0 of 3: 2 / C(6, 3) = .1, times two classes.
    assert recount.differ((3, 0), (0, 3)) == pytest.approx(0.2)
    assert recount.differ((5, 5), (50, 50)) == 1.0


def test_a_method_of_several_networks_is_played_back(half_space):
    net, x_CHW, _ = half_space
    nets = {"estimator": net, "classifier": net}
    settings = (("levels", "0.25,0.5"), ("sigma_e", 0.5))
    c = certificate_of(nets, x_CHW, "dual", settings)
    assert c.settings == dict(settings)
    found = recheck(c, x_CHW, nets)
    assert verify.holds(found.values())
    assert {"same seed, estimate-bound", "fresh seed, estimate-bound"} <= set(found)
    stages = dict(c.stages)
    k = list(stages["estimate-bound"])
    stages["estimate-bound"] = (k[0] - 1, k[1] + 1)
    altered = recheck(replace(c, stages=stages), x_CHW, nets)
    assert not altered["reading"].holds
    assert not altered["same seed, estimate-bound"].holds
    assert not recheck(replace(c, settings={}), x_CHW, nets)["reading"].holds


@pytest.fixture
def home(tmp_path, monkeypatch):
    torch.manual_seed(0)
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}
    weights.save(classifiers.build("compact", "shapes"), tmp_path / "net", card)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    x_CHW, _ = find_image("shapes/test/3")
    c = certify.certify(x_CHW, catalog.find("net"), image="shapes/test/3", n0=20, n=60)
    (tmp_path / "c.json").write_text(c.to_json())
    return tmp_path


def command(home, *words, image="shapes/test/3"):
    return main(["verify", str(home / "c.json"), image, "--fresh-n", "60", *words])


def test_the_command_verifies_and_refuses(home, capsys):
    assert command(home) == 0
    headline, *_, verdict = capsys.readouterr().out.strip().splitlines()
    assert headline.startswith("Counted afresh with seed ")
    assert verdict.startswith("Verified. Its own seed, 0, was its maker's choice")
    assert command(home, image="shapes/test/4") == 1
    assert "REFUSED  image" in capsys.readouterr().out
    data = json.loads((home / "c.json").read_text())
    del data["check"]  # whoever alters a certificate can take it away
    (home / "c.json").write_text(json.dumps(data | {"radius": 1.0, "abstained": False}))
    assert command(home, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["verified"]
    assert "radius" in next(c["says"] for c in told["checks"] if c["name"] == "reading")


def test_the_seed_that_was_asked_for_is_the_only_one_that_will_do(home, capsys):
    assert command(home, "--challenge", "0") == 0
    assert "is the one you set" in capsys.readouterr().out.splitlines()[-1]
    assert command(home, "--challenge", "5") == 1
    out = capsys.readouterr().out
    assert "REFUSED  challenge: You set the seed 5, but it was made with 0" in out
    assert "afresh" not in out
    assert command(home, "--challenge", "-1") == 2


def test_afresh_is_a_whole_run_of_the_receivers_seed(home, capsys):
    x_CHW, _ = find_image("shapes/test/3")
    c = Certificate.from_json((home / "c.json").read_text())
    own = verify.afresh(c, x_CHW, catalog.find("net"), 77)
    again = certify.certify(x_CHW, catalog.find("net"), image="shapes/test/3", n0=20, n=60, seed=77)
    assert (own.seed, own.counts, own.radius) == (77, again.counts, again.radius)
    assert command(home, "--fresh-seed", "77", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["afresh"]["counts"] == list(own.counts)


def test_what_a_certificate_says_of_its_tries_is_passed_on(case):
    c, *_ = case
    both = tries.together(tries.statement(c), [tries.statement(replace(c, seed=9))])
    assert "one of 2, which together" in verify.worth(replace(c, tries=both))
    assert "one of" not in verify.worth(c)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"checkpoint_sha256": "0" * 64}, 1, "REFUSED  weights"),
        ({"image": "shapes/test/4"}, 1, "REFUSED  image"),
        ({"method": "macer"}, 1, "REFUSED  settings"),
        ({"method": "../../etc"}, 2, "not one rsviz knows"),
        ({"checkpoint": "../../etc/passwd"}, 2, "There is no checkpoint"),
        ({"counts": ["many"]}, 2, "counts"),
        ({"counts": [-1, 61]}, 2, "counts"),
        ({"counts": [60]}, 1, "counts where"),
        ({"sigma": -1}, 2, "sigma"),
        ({"n": 10**12}, 2, "n must"),
        ({"radius": "far"}, 2, "radius must be a number, not text"),
        ({"radius": float("nan")}, 2, "radius must be a number of at least 0"),
        ({"stages": 3}, 2, "stages"),
        ({"surprise": 1}, 2, "not an rsviz certificate"),
    ],
)
def test_an_altered_file_is_refused_in_words(home, capsys, change, code, says):
    data = json.loads((home / "c.json").read_text()) | change
    del data["check"]
    (home / "c.json").write_text(json.dumps(data))
    assert command(home) == code
    out, err = capsys.readouterr()
    assert says in out + err


def test_a_file_that_is_no_certificate_gets_a_sentence(home, capsys):
    (home / "c.json").write_bytes(b"\xff\xfe\x00")
    assert command(home) == 2
    (home / "c.json").write_text("[1, 2]")
    assert command(home) == 2
    assert "certificate" in capsys.readouterr().err


def test_the_fresh_seed_must_be_another(case):
    c, x_CHW, _ = case
    with pytest.raises(UserError, match="own"):
        verify.verify(c, x_CHW, catalog.Checkpoint("n", None, catalog.Card(), "", None), c.seed)
    assert Certificate.from_json(c.to_json()).settings == {}
