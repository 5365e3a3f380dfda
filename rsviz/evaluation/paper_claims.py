"""What papers claim, as data; `verdicts` sets the logs here against it (no torch here)."""

from dataclasses import dataclass

ARS = "Adaptive RS"


@dataclass(frozen=True)
class Claim:
    """A statement that ``a`` is above ``b``.

    ``a`` and ``b`` name a checkpoint, or a log in its folder as ``NAME/FILE.csv``. ``radius`` None
    compares ACR, else certified accuracy there. ``paper_a`` and ``paper_b`` are the paper's own
    numbers for the two, None where it prints none. ``what`` names a measure other than these two.
    """

    system: str
    text: str
    source: str
    a: str
    b: str
    radius: float | None = None
    paper_a: float | None = None
    paper_b: float | None = None
    what: str = ""

    @property
    def measure(self) -> str:
        """What is compared, in words."""
        if self.what:
            return self.what
        if self.radius is None:
            return "ACR"
        if self.system == ARS:
            return f"certified accuracy at {255 * self.radius:g}/255 in Linf"
        return f"certified accuracy at {self.radius:g}"


_ICDM = "arXiv 2310.07780, ICDM 2023, first 500 test images, n 100,000"
_ACR = {  # of its table, by sigma
    "advmacer": {0.25: 0.554, 0.5: 0.742, 1.0: 0.794},
    "smoothadv": {0.25: 0.541, 0.5: 0.735, 1.0: 0.758},
    "macer": {0.25: 0.518, 0.5: 0.682, 1.0: 0.768},
}
_TITLES = {"smoothadv": "SmoothAdv", "macer": "MACER"}


def _advmacer() -> tuple[Claim, ...]:
    return tuple(
        Claim(
            "AdvMacer",
            f"AdvMacer's ACR is above {_TITLES[other]}'s at σ {sigma:g}.",
            _ICDM,
            f"cifar10-advmacer-{sigma}",
            f"cifar10-{other}-{sigma}",
            None,
            _ACR["advmacer"][sigma],
            _ACR[other][sigma],
        )
        for sigma in (0.5, 0.25, 1.0)
        for other in ("macer", "smoothadv")
    )


_NAMES = ("advmacer-2", "mixed-2", "mixed-3")
_PAIR, _MIXED, _THREE = (f"cifar10-ensemble-{n}-0.5/weightings/optimal.csv" for n in _NAMES)
_ESBRS = (
    Claim(
        "EsbRS",
        "Three networks together are above one SmoothAdv (σ 0.5; the paper: by about 8 %).",
        _ICDM,
        _THREE,
        "cifar10-smoothadv-0.5",
        paper_a=0.783,
        paper_b=0.735,
    ),
    Claim(
        "EsbRS",
        "Three networks together are above one MACER (σ 0.5; the paper: by about 15 %).",
        _ICDM,
        _THREE,
        "cifar10-macer-0.5",
        paper_a=0.783,
        paper_b=0.682,
    ),
    Claim(
        "EsbRS",
        "Two AdvMacer networks together are above one (σ 0.5; the paper's pair is at σ 0.25).",
        _ICDM,
        _PAIR,
        "cifar10-advmacer-0.5",
        paper_a=0.576,
        paper_b=0.554,
    ),
    Claim(
        "EsbRS",
        "Optimal weights are above the average (two networks; the paper's are at σ 0.25).",
        _ICDM,
        _PAIR,
        _PAIR.replace("optimal", "average"),
        paper_a=0.576,
        paper_b=0.572,
    ),
    Claim(
        "EsbRS",
        "Optimal weights are above max-margin (two networks; the paper's are at σ 0.25).",
        _ICDM,
        _PAIR,
        _PAIR.replace("optimal", "max-margin"),
        paper_a=0.576,
        paper_b=0.567,
    ),
    Claim(
        "EsbRS",
        "Networks of unlike methods make a better ensemble than those of one (σ 0.5; the paper's "
        "own table, with three networks, goes both ways).",
        _ICDM,
        _MIXED,
        _PAIR,
        paper_a=0.783,
        paper_b=0.772,
    ),
)

_COHEN = "arXiv 1902.02918, ICML 2019, every 20th test image, n 100,000"
_NOISE = (
    Claim(
        "Gaussian",
        "Less noise in training and test keeps more images right: σ 0.25 above σ 1 at radius 0.",
        _COHEN,
        "cifar10-gaussian-0.25",
        "cifar10-gaussian-1.0",
        0.0,
    ),
    Claim(
        "Gaussian",
        "More noise certifies more images far away: σ 1 above σ 0.5 at radius 1.",
        _COHEN,
        "cifar10-gaussian-1.0",
        "cifar10-gaussian-0.5",
        1.0,
    ),
)

_DUAL = "arXiv 2512.01782, ICLR 2026, CIFAR-10 with a diffusion denoiser, n 10,000"
VRS = "arXiv 2407.11844, CIFAR-10"


def _levels() -> tuple[Claim, ...]:
    """Return what is claimed of a noise level chosen for each image; the sides are Gaussian."""
    fixed = ("0.25", "0.5", "1.0")
    near = Claim(
        "Dual RS",
        "Dual RS keeps more images right than the network of much noise: above σ 1 at radius 0.",
        _DUAL,
        "cifar10-dual",
        "cifar10-gaussian-1.0",
        0.0,
    )
    far = Claim(
        "Dual RS",
        "Dual RS certifies far, where the network of little noise cannot: above σ 0.25 at 1.",
        _DUAL,
        "cifar10-dual",
        "cifar10-gaussian-0.25",
        1.0,
    )
    routed = tuple(
        Claim(
            "Dual RS",
            f"Routing is above any one of its experts, here that of σ {sigma}.",
            _DUAL,
            "cifar10-routing",
            f"cifar10-gaussian-{sigma}",
        )
        for sigma in fixed
    )
    chosen = Claim(
        "Variational RS",
        "A level for each image keeps more images right than one for all (σ 0.5; the bound is "
        "rsviz's sound one, not the paper's).",
        VRS,
        "cifar10-variational",
        "cifar10-gaussian-universal",
        0.0,
    )
    trained = Claim(
        "Variational RS",
        "Training with every noise level (universal) keeps more images right than with one, "
        "both smoothed at σ 0.5. (The paper's numbers, known from a summary, are of its selector.)",
        VRS,
        "cifar10-gaussian-universal",
        "cifar10-gaussian-0.5",
        0.0,
        0.802,
        0.781,
    )
    elsewhere = tuple(
        Claim(
            "Variational RS",
            f"Smoothed at σ {sigma:g}, universal training has a larger ACR than training at σ 0.5.",
            VRS,
            f"cifar10-gaussian-universal/certified-{sigma}.csv",
            f"cifar10-gaussian-0.5/certified-{sigma}.csv",
        )
        for sigma in (0.25, 1.0)
    )
    conditional = Claim(
        "Variational RS",
        "One selector with λ as its input does as well as one trained at λ 0.2 alone (Shapes; "
        "'holds' would say that it does better).",
        VRS,
        "shapes-variational",
        "shapes-variational-lam0.2",
    )
    again = Claim(
        "Dual RS",
        "A second round of training, labels from the tuned classifier, raises ACR (Shapes).",
        _DUAL,
        "shapes-dual-rounds2",
        "shapes-dual",
    )
    return near, far, *routed, again, chosen, trained, *elsewhere, conditional


LYU = "arXiv 2406.10427, NeurIPS 2024, CIFAR-10 on photographs, CelebA"
RADIUS_LINF = 4 / 255  # where shares are compared; at sigma .5 votes end before, so at half of it


def _masks() -> tuple[Claim, ...]:
    """Return what is claimed of a mask for each vote, beside no mask and one for all."""
    plain = tuple(
        Claim(
            ARS,
            f"The mask pays where the object is small: above plain smoothing at k = {k} (Shapes"
            f"{'; at k = 32 the paper has little' if k == 32 else ''}).",
            LYU,
            f"shapes-k{k}-adaptive-1.0",
            f"shapes-k{k}-plain-1.0",
            RADIUS_LINF,
        )
        for k in (32, 48, 64)
    )
    cifar = tuple(
        Claim(ARS, text, LYU, "cifar10-k48-adaptive-0.5", f"cifar10-k48-{rival}-0.5", 2 / 255)
        for rival, text in (
            (
                "plain",
                "Adaptive RS is above plain smoothing (CIFAR-10, k = 48; the paper: by up to 15 "
                "points, over sizes and levels).",
            ),
            ("static", "A mask for each vote is above one mask for all (CIFAR-10, k = 48)."),
        )
    )
    attribute = Claim(
        ARS,
        "Where what matters moves about, the mask is above plain smoothing (a small ring or bar "
        "for CelebA's mouth; there by up to 30 points).",
        LYU,
        "shapes-attribute-k64-adaptive-1.0",
        "shapes-attribute-k64-plain-1.0",
        RADIUS_LINF,
    )
    return *cifar, *plain, attribute


CLAIMS: tuple[Claim, ...] = (*_advmacer(), *_ESBRS, *_NOISE, *_levels(), *_masks())
