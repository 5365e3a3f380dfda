"""The shipped checkpoints as data: the README's table and the plan, in order of priority."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rsviz.checkpoints.catalog import WEIGHTINGS_FOLDER, first_seed
from rsviz.core.settings import as_words
from rsviz.evaluation.paper_claims import EQUAL, SEEDS
from rsviz.methods.registry import METHODS
from rsviz.training.loop import TrainSpec


@dataclass(frozen=True)
class Recipe:
    """One shipped checkpoint.

    ``start`` names the checkpoint it continues from, ``members`` those that an ensemble, or a
    cascade of levels, is made of;
    ``needs`` others that must be there; ``sigmas`` the noise levels it is measured at (None: the
    method chooses), the first one's log being ``certified.csv``, on
    every ``every``-th test image. Minutes are of two CPU cores, training alone.
    """

    name: str
    method: str
    dataset: str
    network: str
    sigma: float | str
    epochs: int
    lr: float
    sigmas: tuple[float | None, ...]
    minutes: float
    every: int = 20
    start: str = ""
    seed: int = 0
    settings: tuple[tuple[str, float | str], ...] = ()
    members: tuple[str, ...] = ()
    dtype: str = "float32"
    needs: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The checkpoints that must be there first."""
        return self.needs + (self.members or ((self.start,) if self.start else ()))

    def train_spec(self) -> TrainSpec:
        """Return the settings of its training."""
        return TrainSpec(
            self.method,
            self.dataset,
            self.network,
            self.sigma,
            self.epochs,
            lr=self.lr,
            seed=self.seed,
            start=self.start,
            settings=self.settings,
            dtype=self.dtype,
        )

    def train_command(self, device: str = "cpu") -> str:
        """Return the command that trains or fits it, as the card records it."""
        on = "" if device == "cpu" else f" --device {device}"
        if self.members:
            names = " ".join(self.members)
            how = f"ensemble fit {names} --seed {self.seed}"
            if self.method == "multiscale":
                how = f"multiscale {names}"
            more = "".join(f" --{name} {value}" for name, value in self.settings)
            return f"python -m rsviz {how} --out checkpoints/{self.name}{more}{on}"
        start = f" --start {self.start}" if self.start else ""
        changed = f" {as_words(self.settings)}" if self.settings else ""
        changed += f" --dtype {self.dtype}" if self.dtype != "float32" else ""
        return (
            f"python -m rsviz train {self.method} --dataset {self.dataset} --network {self.network}"
            f" --sigma {self.sigma} --epochs {self.epochs} --lr {self.lr} --seed {self.seed}{start}"
            f"{changed} --out checkpoints/{self.name}{on}"
        )

    @property
    def run(self) -> tuple[tuple[str, str], ...]:
        """Settings of the runs that measure it: a cascade asks every level, to be read again."""
        return (("ask", "every"),) if self.method == "multiscale" else ()

    def log(self, sigma: float | None, weighting: str = "average") -> str:
        """Return the file name of the log at one noise level; of an ensemble, by its weighting."""
        if self.method == "ensemble":
            return f"{WEIGHTINGS_FOLDER}/{weighting}.csv"
        return "certified.csv" if sigma == self.sigmas[0] else f"certified-{sigma}.csv"

    def evaluate_command(self, sigma: float | None, n: int, device: str = "cpu") -> str:
        """Return the command that measures it at one noise level (every weighting, if several)."""
        level = "" if sigma is None else f" --sigma {sigma}"
        on = "" if device == "cpu" else f" --device {device}"
        how = f"{level} --split test --every {self.every} --n0 100 --n {n} --alpha 0.001"
        how += f" {as_words(self.run)}" if self.run else ""
        if self.method == "ensemble":
            out = f"checkpoints/{self.name}/{WEIGHTINGS_FOLDER}"
            return f"python -m rsviz ensemble score {self.name}{how} --out {out}{on}"
        out = f"checkpoints/{self.name}/{self.log(sigma)}"
        command = f"python -m rsviz evaluate --checkpoint {self.name}{how}"
        return f"{command} --precision float32 --out {out}{on}"


def _gaussian(
    dataset: str, epochs: int, tuned: tuple[int, int, int], minutes: float, every: int
) -> tuple[Recipe, ...]:
    """Return the universal network and those tuned to one level; CIFAR-10's .5 is tried at all."""
    universal = f"{dataset}-gaussian-universal"
    return (
        Recipe(
            universal,
            "gaussian",
            dataset,
            "compact",
            "uniform",
            epochs,
            0.4,
            (0.5, 0.25, 1.0),
            minutes,
            every,
        ),
        *(
            Recipe(
                f"{dataset}-gaussian-{sigma}",
                "gaussian",
                dataset,
                "compact",
                sigma,
                more,
                0.2,
                (0.5, 0.25, 1.0) if (dataset, sigma) == ("cifar10", 0.5) else (sigma,),
                minutes * more / epochs,
                every,
                start=universal,
            )
            for sigma, more in zip((0.5, 0.25, 1.0), tuned, strict=True)
        ),
    )


# Sized for a CPU: (epochs, peak rate), about equal minutes for all, at the settings below.
_SMALL = {
    "advmacer": (2, 0.03),
    "smoothadv": (2, 0.05),
    "macer": (3, 0.03),
    "consistency": (4, 0.05),
}


def _small_settings(method: str, sigma: float) -> tuple[tuple[str, float | str], ...]:
    """Return what a small network and few epochs need instead of the papers' settings.

    Two steps and two draws (MACER four draws) for up to 10 and 16; an attack of length sigma, grown
    over 50 updates; the hinge weighed so that lambda sigma / 2 = 1. With the papers' eps 2, lambda
    12 at sigma .5 and a rate of .1, four epochs of AdvMacer left a network that names two classes
    (ACR .216), and five of MACER at its lambda 4 and that rate one below its parent (.441).
    """
    ball: tuple[tuple[str, float | str], ...]
    ball = (("draws", 2), ("eps", sigma), ("steps", 2), ("warm_up", 50))
    hinge = (("lam", 2 / sigma),)
    return {
        "advmacer": tuple(sorted(ball + hinge)),
        "smoothadv": ball,
        "macer": (("draws", 4), *hinge),
        "consistency": (),
    }[method]


def _tuned(
    dataset: str,
    method: str,
    sigma: float,
    minutes: float,
    every: int,
    seed: int = 0,
    dtype: str = "bfloat16",
) -> Recipe:
    """Return the recipe that fine-tunes the Gaussian network of the same sigma."""
    epochs, rate = _SMALL[method]
    end = f"-seed{seed}" if seed else ""
    return Recipe(
        f"{dataset}-{method}-{sigma}{end}",
        method,
        dataset,
        "compact",
        sigma,
        epochs,
        rate,
        (sigma,),
        minutes,
        every,
        start=f"{dataset}-gaussian-{sigma}",
        seed=seed,
        settings=_small_settings(method, sigma),
        dtype=dtype,
    )


def _equal(method: str, sigma: float, seed: int) -> Recipe:
    """Return the recipe by which ways to train are compared: 8 epochs of 6 passes an image.

    Six are an attack of two steps on two draws and the step after it, or six draws without attack.
    """
    settings = dict(_small_settings(method, sigma))
    settings |= {"draws": 6} if method == "macer" else {"warm_up": 200}
    end = f"-seed{seed}" if seed else ""
    return replace(
        _tuned("cifar10", method, sigma, minutes=30, every=20, seed=seed),
        name=f"cifar10-{method}-{sigma}{EQUAL}{end}",
        epochs=8,
        settings=tuple(sorted(settings.items())),
    )


def _ensemble(name: str, sigma: float, *members: str) -> Recipe:
    """Return the recipe of an ensemble of CIFAR-10 networks, weighed as validation chooses."""
    names = tuple(f"cifar10-{member}" for member in members)
    return Recipe(
        f"cifar10-ensemble-{name}-{sigma}",
        "ensemble",
        "cifar10",
        f"{len(names)} x compact",
        sigma,
        0,
        0.0,
        (sigma,),
        5,
        20,
        settings=(("validate", 400), ("precision", "int8")),
        members=names,
    )


def _on_canvases(
    base: str,
    size: int,
    sigma: float,
    epochs: int,
    images: int,
    minutes: float,
    start: str = "",
    every: int = 20,
) -> tuple[Recipe, ...]:
    """Return ARS, plain smoothing and one static mask on the same canvases, equally trained.

    All start from the Gaussian network of this sigma, of the data set itself unless ``start`` names
    another.
    """
    return tuple(
        Recipe(
            f"{base}-k{size}-{name}-{sigma}",
            method,
            base if size == 32 else f"{base}-k{size}",
            "compact",
            sigma,
            epochs,
            0.1,
            (sigma,),
            minutes * share,
            every,
            start=f"{start or base}-gaussian-{sigma}",
            settings=(("images", images),) if images else (),
            dtype="bfloat16",
        )
        for name, method, share in (
            ("adaptive", "adaptive", 1.0),
            ("plain", "plain-linf", 0.6),
            ("static", "static", 0.7),
        )
    )


def _wide(method: str, sigma: float, epochs: int, lr: float, minutes: float, start: str) -> Recipe:
    """Return the recipe of a wide network, begun where another ended.

    As the papers train: many epochs, with their own settings, for which a GPU is wanted.
    """
    return Recipe(
        f"cifar10-{method}-w64-{sigma}",
        method,
        "cifar10",
        "compact-64",
        sigma,
        epochs,
        lr,
        (sigma,),
        minutes,
        start=f"cifar10-{start}-w64-{sigma}" if start else "",
        # The ball grows faster than in training from scratch: the network knows this noise.
        settings=(("warm_up", 400),) if method == "advconsistency" else (),
        dtype="bfloat16",
    )


def _wide_equal(method: str, sigma: float) -> Recipe:
    """Return `_equal`'s recipe of a wide network."""
    return replace(
        _equal(method, sigma, 0),
        name=f"cifar10-{method}-w64-{sigma}",
        network="compact-64",
        start=f"cifar10-gaussian-w64-{sigma}",
        minutes=75,
    )


def _sun(sigma: float, epochs: int) -> Recipe:
    """Return the recipe of Sun et al.'s second phase, its first being Consistency.

    Few epochs, so images are dropped by fewer votes and weighed more often.
    """
    return replace(
        _wide("sun", sigma, epochs, 0.05, 155, "consistency"),
        settings=(("drop_draws", 32), ("every", 2)),
    )


# In order of priority: what is missing is made from the top.
RECIPES: tuple[Recipe, ...] = (
    *_gaussian("shapes", epochs=15, tuned=(8, 8, 8), minutes=4, every=10),
    *_gaussian("cifar10", epochs=40, tuned=(20, 14, 14), minutes=25, every=20),
    *_on_canvases("shapes", 48, 1.0, epochs=8, images=10_000, minutes=3),
    *_on_canvases("shapes", 64, 1.0, epochs=8, images=10_000, minutes=5),
    *_on_canvases("shapes", 32, 1.0, epochs=8, images=10_000, minutes=2),
    *_on_canvases("cifar10", 48, 0.5, epochs=8, images=0, minutes=10, every=50),
    *(
        _tuned(
            "cifar10",
            method,
            sigma,
            minutes=6,
            every=20,
            dtype="float32" if method == "consistency" and sigma != 0.5 else "bfloat16",
        )
        for sigma in (0.5, 0.25, 1.0)
        for method in _SMALL
    ),
    *(
        _tuned("cifar10", method, 0.5, minutes=6, every=20, seed=seed)
        for method in ("advmacer", "smoothadv")
        for seed in (1, 2)
    ),
    _ensemble("advmacer-2", 0.5, "advmacer-0.5", "advmacer-0.5-seed1"),
    _ensemble("mixed-2", 0.5, "advmacer-0.5", "smoothadv-0.5"),
    _ensemble("mixed-3", 0.5, "advmacer-0.5", "advmacer-0.5-seed1", "smoothadv-0.5"),
    # Wider, and longer: the widened net computes at first what the one it starts from does.
    Recipe(
        "cifar10-consistency-w48-0.5",
        "consistency",
        "cifar10",
        "compact-48",
        0.5,
        6,
        0.1,
        (0.5,),
        25,
        start="cifar10-consistency-0.5",
    ),
    *(_wide("gaussian", sigma, 80, 0.4, 100, "") for sigma in (0.25, 0.5, 1.0)),
    *(_wide("consistency", sigma, 60, 0.2, 150, "gaussian") for sigma in (0.25, 0.5, 1.0)),
    _wide("advconsistency", 0.25, 24, 0.1, 900, "consistency"),
    _sun(1.0, 4),
    _sun(0.5, 3),
    _sun(0.25, 4),
    *(
        _wide_equal(method, sigma)
        for sigma in (0.5, 1.0, 0.25)
        for method in ("advmacer", "smoothadv", "macer")
    ),
    # The paper's 16 draws, in as many passes.
    replace(
        _wide_equal("macer", 0.5),
        name="cifar10-macer-w64-0.5-draws16",
        epochs=3,
        settings=(("draws", 16), ("lam", 4.0)),
    ),
    *_on_canvases("cifar10", 96, 0.5, epochs=8, images=0, minutes=45, every=10),
    *_on_canvases("shapes", 96, 1.0, epochs=8, images=10_000, minutes=9, every=2),
    *(_tuned("shapes", method, 0.5, minutes=1, every=10) for method in _SMALL),
    # Rings and bars are among Shapes' own classes, so its network knows them; the last layer, of
    # two classes instead of ten, is new.
    *_on_canvases("shapes-attribute", 64, 1.0, epochs=8, images=10_000, minutes=5, start="shapes"),
)


def _experts(dataset: str, *methods: str) -> tuple[str, ...]:
    """Return the networks of levels .25, .5 and 1, each trained at its level by its own method."""
    return tuple(f"{dataset}-{m}-{s}" for m, s in zip(methods, (0.25, 0.5, 1.0), strict=True))


def _levels(dataset: str, images: int, every: int, minutes: float) -> tuple[Recipe, ...]:
    """Return the recipes of the methods that choose the noise of each image."""
    base, experts = f"{dataset}-gaussian-universal", f"{dataset}-gaussian"
    some = (("images", images),)
    # Label radii differ by a few tenths: at the paper's temperature, 1, and lambda 40 a small
    # estimator names one level for every image of Shapes; below lambda 10 it is not steady.
    tuned: tuple[tuple[str, float | str], ...] = (("lam", 20), ("temperature", 0.05))
    if dataset == "cifar10":  # new, it names the largest level for three images in four
        tuned = (("class_epochs", 12), ("lam", 8), ("temperature", 0.05))
    bf16 = "bfloat16"
    return (
        Recipe(
            f"{dataset}-dual",
            "dual",
            dataset,
            "compact",
            1.0,
            10,
            0.1,
            (None,),
            minutes,
            every,
            start=base,
            settings=tuple(sorted(some + tuned)),
            dtype=bf16,
        ),
        Recipe(
            f"{dataset}-routing",
            "routing",
            dataset,
            "compact",
            1.0,
            10,
            0.1,
            (None,),
            minutes,
            every,
            settings=tuple(sorted((("experts", experts), *some, *tuned))),
            dtype=bf16,
            needs=tuple(f"{experts}-{s}" for s in (0.25, 0.5, 1.0)),
        ),
        Recipe(
            f"{dataset}-variational",
            "variational",
            dataset,
            "compact",
            1.0,  # the KL's target: at .5 the selector names .5 for every image of Shapes
            12 if dataset == "shapes" else 8,
            0.3,
            (None,),
            minutes,
            every,
            start=base,
            # The sound radius ends near 3 q, so q follows the radii of the data set.
            settings=(
                ("draws", 2),
                ("images", min(images, 10_000)),
                ("q", 0.5 if dataset == "shapes" else 0.25),
            ),
            dtype=bf16,
        ),
    )


_TRUNK: dict[str, float | str] = {"trunk": "classifier", "targets": "claimed", "risk": "follow"}
_TRUNK |= {"images": 0, "class_epochs": 0}  # all images, and no epochs before
_SELECTOR_TRUNK: dict[str, float | str] = {"trunk": "classifier", "width": 32, "q": 1, "images": 0}
RECIPES += _levels("shapes", images=4000, every=10, minutes=5)
RECIPES += _levels("cifar10", images=20000, every=20, minutes=20)
# One selector for every lambda beside one of .2 alone; one round beside two; more noise on the
# selector, whose certificates reach farther.
RECIPES += tuple(
    replace(
        r, name=f"{r.name}-{name}", settings=tuple(sorted((dict(r.settings) | changed).items()))
    )
    for r in RECIPES
    for of, name, changed in (
        ("shapes-variational", "lam0.2", {"lam": 0.2}),
        ("cifar10-variational", "q1", {"q": 1.0}),
        ("shapes-dual", "rounds2", {"rounds": 2}),
    )
    if r.name == of
)

# A chooser that begins as its classifier, taught on all training images; the estimator learns the
# radii claimed for the class with most votes.
RECIPES += tuple(
    replace(
        r,
        name=f"{of}-trunk",
        epochs=epochs,
        lr=lr,
        settings=tuple(
            sorted({k: v for k, v in (dict(r.settings) | changed).items() if v}.items())
        ),
        minutes=minutes,
    )
    for of, epochs, lr, minutes, changed in (
        ("cifar10-dual", 15, 0.05, 45, _TRUNK),
        ("cifar10-routing", 15, 0.05, 45, _TRUNK),
        ("shapes-dual", 15, 0.05, 20, _TRUNK),
        ("shapes-routing", 15, 0.05, 20, _TRUNK),
        ("cifar10-variational", 10, 0.1, 20, _SELECTOR_TRUNK),
    )
    for r in RECIPES
    if r.name == of
)

# A head of more layers, which learns alone before its trunk does; the classifier stays.
_HEAD: dict[str, float | str] = {
    "levels": "0.25,0.5,1",
    "trunk": "headed",
    "weigh": "alike",
    "risk": "none",
    "eta": 0,
    "lam": 3,
    "temperature": 0.1,
    "fine_epochs": 0,
}
# One that learns the proof, too, goes on towards the radius that the sweep would prove.
_PROOF = _HEAD | {"proof_epochs": 16}
RECIPES += tuple(
    replace(
        r,
        name=f"{of}{kind}",
        sigma=sigma,
        epochs=12,
        lr=0.015,
        settings=tuple(sorted((settings | changed).items())),
        minutes=20,
    )
    for of, sigma, changed in (
        ("cifar10-dual", 0.85, {"images": 25_000}),
        ("shapes-dual", 1.0, {}),
    )
    for kind, settings in (("-head", _HEAD), ("-proof", _PROOF))
    for r in RECIPES
    if r.name == of
)


HUNDRED = (("images", 100),)  # training images that thresholds are chosen on, in place of 200
# From the most noise down, as the command that made it named them.
BEST = _experts("cifar10", "smoothadv", "consistency", "advmacer")[::-1]
WIDE = _experts("cifar10", *3 * ("consistency-w64",))[::-1]

RECIPES += tuple(
    Recipe(
        f"{dataset}-multiscale{kind}",
        "multiscale",
        dataset,
        "compact",
        "uniform",
        0,
        0.0,
        (None,),
        5,
        every,
        settings=fewer,
        members=members,
    )
    for dataset, every, kind, members, fewer in (
        ("shapes", 10, "", ("shapes-gaussian-universal",), ()),
        ("shapes", 10, "-gaussian", _experts("shapes", "gaussian", "gaussian", "gaussian"), ()),
        ("cifar10", 20, "", ("cifar10-gaussian-universal",), HUNDRED),
        ("cifar10", 20, "-gaussian", _experts("cifar10", "gaussian", "gaussian", "gaussian"), ()),
        ("cifar10", 20, "-best", BEST, HUNDRED),
        ("cifar10", 20, "-w64", WIDE, HUNDRED),
    )
)


_COMPARED = ("advmacer", "smoothadv", "macer")
RECIPES += tuple(
    _equal(method, sigma, seed)
    for seed in range(SEEDS)
    for sigma in (0.5, 0.25, 1.0)
    for method in _COMPARED
)


def _pairs(seed: int, kind: str = EQUAL) -> dict[str, tuple[str, ...]]:
    """Return the members of ensembles by name; ``kind`` ends names of networks trained alike."""

    def of(method: str, s: int = seed) -> str:
        return f"{method}-0.5{kind}" + (f"-seed{s}" if s else "")

    return {
        "advmacer-2": (of("advmacer"), of("advmacer", (seed + 1) % SEEDS)),
        "mixed-2": (of("advmacer"), of("smoothadv")),
        "mixed-3": tuple(map(of, _COMPARED)),
    }


# Validated in float32, unlike the first three: not all of their networks have an int8 file.
RECIPES += tuple(
    replace(
        _ensemble(name, 0.5, *members),
        name=f"cifar10-ensemble-{name}-0.5{EQUAL}" + (f"-seed{seed}" if seed else ""),
        settings=(),
    )
    for seed in range(SEEDS)
    for name, members in _pairs(seed).items()
)
# Of the first settings, for what is claimed of pairs.
RECIPES += tuple(
    replace(
        _ensemble(name, 0.5, *_pairs(seed, "")[name]),
        name=f"cifar10-ensemble-{name}-0.5-seed{seed}",
        settings=(("validate", 400),),
    )
    for seed in range(1, SEEDS)
    for name in ("advmacer-2", "mixed-2")
)
# Of one noise level all wide networks but Gaussian's, and all of equal cost: none is picked out.
RECIPES += tuple(
    replace(
        _ensemble(
            "best",
            sigma,
            *(f"{method}-w64-{sigma}" for method in wide),
            *(f"{method}-{sigma}{EQUAL}" for method in ("smoothadv", "macer", "advmacer")),
        ),
        network=" + ".join(["compact-64"] * len(wide) + ["compact"] * 3),
    )
    for sigma, wide in (
        (0.25, ("consistency", "advconsistency")),
        (0.5, ("consistency",)),
        (1.0, ("consistency", "sun")),
    )
)


def find_recipe(name: str) -> Recipe | None:
    """Return the recipe of a checkpoint, None if there is none.

    Any further training of a recipe's network, NAME-seed1 and so on, is made like the first.
    """
    found = next((r for r in RECIPES if r.name == name), None)
    first = first_seed(name)
    if found is None and first != name and (of := find_recipe(first)) and not of.members:
        return replace(of, name=name, seed=int(name.removeprefix(f"{first}-seed")))
    return found


def commands_of(side: str) -> tuple[str, ...]:
    """Return the commands that make and measure one side of a claim, none without a recipe."""
    name, _, file = side.partition("/")
    if (recipe := find_recipe(name)) is None:
        return ()
    n = 1_000 if METHODS[recipe.method].on_canvases else 2_000  # there a vote costs more
    n = 10_000 if EQUAL in name else n
    if not file or recipe.method == "ensemble":
        return recipe.train_command(), recipe.evaluate_command(recipe.sigmas[0], n)
    return recipe.train_command(), _evaluate_into(recipe, file, n)


def _evaluate_into(recipe: Recipe, file: str, n: int) -> str:
    """Return the command of a log that is named by what it differs in: ``certified-lam1-n10000``.

    A number is the noise of the votes, ``sweep`` the rule of Dual RS, ``lam`` that of Variational.
    """
    parts, sets = PurePosixPath(file).stem.split("-")[1:], list[tuple[str, str]]()
    sigma, engine = recipe.sigmas[0], "float32"
    for part in parts:
        if part[:1].isdecimal():
            sigma = float(part)
        elif part == "sweep":
            sets += [("rule", "sweep"), ("ask", "every")]
        elif part == "int8":
            engine = part
        elif part.startswith("lam"):
            sets.append(("lam", part.removeprefix("lam")))
        elif part.startswith("n"):
            n = int(part.removeprefix("n"))
    changed = f" {as_words(sets)}" if sets else ""
    head, _, tail = recipe.evaluate_command(sigma, n).partition(" --precision float32 --out ")
    return f"{head}{changed} --precision {engine} --out {PurePosixPath(tail).parent}/{file}"
