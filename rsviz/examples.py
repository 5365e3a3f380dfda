"""Stored certificates of a few telling images, so that no page is blank at first paint."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from rsviz import curves, datasets
from rsviz.checkpoints import Checkpoint
from rsviz.errors import UserError
from rsviz.spec import Bound, Certificate

FILE = "examples.json"
TITLES = {
    "certain": "Certain",
    "borderline": "Borderline",
    "abstains": "Abstains",
    "noisy": "Too much noise",
}


@dataclass(frozen=True)
class Example:
    """A preset: which image at which sigma, and the certificate stored for it."""

    preset: str
    certificate: Certificate

    @property
    def title(self) -> str:
        """What the button says."""
        return TITLES[self.preset]


def load(checkpoint: Checkpoint) -> list[Example]:
    """Return the examples stored with a checkpoint, none if there are none for these weights."""
    try:
        rows = json.loads((checkpoint.folder / FILE).read_text())
        found = [
            Example(r["preset"], Certificate.from_json(json.dumps(r["certificate"]))) for r in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [e for e in found if e.certificate.checkpoint_sha256 == checkpoint.sha256]


def choose(checkpoint: Checkpoint) -> dict[str, tuple[int, float]]:
    """Choose an image and a sigma for each preset the checkpoint's measured log has one for."""
    log = curves.read_log(checkpoint.folder / "certified.csv")
    sigma = float(log.sigma or 0)
    rows = sorted(zip(log.radius_N, log.index_N, log.predicted_N, log.correct_N, strict=True))
    right = [(r, i) for r, i, _, correct in rows if correct]
    silent = [i for _, i, predicted, _ in rows if predicted < 0]
    if not right:
        raise UserError(f"The log of {checkpoint.name} holds no image that is certified right.")
    certain = int(right[-1][1])
    found = {"certain": (certain, sigma), "borderline": (int(right[0][1]), sigma)}
    if silent:
        found["abstains"] = (int(silent[len(silent) // 2]), sigma)
    return found | {"noisy": (certain, 4 * sigma)}


def make(
    checkpoint: Checkpoint, certify: Callable[..., Certificate], report: Callable[[str], None]
) -> None:
    """Certify every preset of a checkpoint and store the results beside its weights."""
    data = datasets.load(checkpoint.card["dataset"], "test")
    rows = []
    for preset, (index, sigma) in choose(checkpoint).items():
        certificate = certify(
            data.image(index),
            checkpoint,
            sigma=sigma,
            image=data.image_name(index),
            bound=Bound.SPLIT,
        )
        rows.append({"preset": preset, "certificate": asdict(replace(certificate, seconds=0.0))})
        report(f"{preset}: {certificate.image}, radius {certificate.radius:.3f}")
    (checkpoint.folder / FILE).write_text(json.dumps(rows, indent=1) + "\n")
