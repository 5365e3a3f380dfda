"""A certificate as the Python code that makes it again."""

from pathlib import PurePath

from rsviz.checkpoints.catalog import OWN
from rsviz.core.spec import RunSpec
from rsviz.smoothing.engine import REFERENCE, Engine


def as_python(
    spec: RunSpec,
    device: str,
    file: str = "",
    crop: object = "centre",
    engine: Engine = REFERENCE,
    two_class: bool = False,
) -> str:
    """Return library calls that repeat a run on an image of a data set, or on a file.

    Parameters
    ----------
    file, crop : the name of an uploaded picture and how it was cut; empty for a data set's image.
    engine : that counts the votes; the same one counts the same.
    two_class : whether they are read in the two-class form.
    """
    if file:
        name = PurePath(file).name
        size = "rsviz.INPUT_SIZE[checkpoint.card.dataset]"
        source = [
            f"picture = rsviz.open_image(Path({name!r}).read_bytes())",
            f"x = rsviz.to_tensor(picture, {size}, {crop!r})",
        ]
        imports = ["from pathlib import Path\n", "import rsviz"]
        image = ""
    else:
        source = [f"x, label = rsviz.find_image({spec.image!r})"]
        imports = ["import rsviz"]
        image = f"    image={spec.image!r},"
    name = spec.checkpoint.removeprefix(OWN)
    lines = [
        *imports,
        "",
        *([_import_first(name, spec.normalisation)] if spec.checkpoint.startswith(OWN) else []),
        f"checkpoint = rsviz.find_checkpoint({name!r})",
        f"assert checkpoint.sha256 == {spec.checkpoint_sha256!r}",
        *source,
        "certificate = rsviz.certify(",
        "    x,",
        "    checkpoint,",
        f"    device={device!r},",
        f"    engine=rsviz.Engine({engine.library!r}, {engine.precision!r}),",
        *([image] if image else []),
        *([] if spec.sigma is None else [f"    sigma={spec.sigma!r},"]),
        f"    n0={spec.n0!r},",
        f"    n={spec.n!r},",
        f"    alpha={spec.alpha!r},",
        f"    bound={str(spec.bound)!r},",
        f"    seed={spec.seed!r},",
        *([f"    settings={spec.settings!r},"] if spec.settings else []),
        *([f"    flags={spec.flags!r},"] if spec.flags else []),
        *([f"    until_radius={spec.until_radius!r},"] if spec.until_radius is not None else []),
        ")",
        *(["certificate = rsviz.two_sided(certificate)"] if two_class else []),
        "print(certificate.predicted, certificate.radius, certificate.counts)",
    ]
    return "\n".join(lines)


def _import_first(name: str, normalisation: str) -> str:
    """Return a comment that says how a visitor's own file becomes the checkpoint of that name."""
    return (
        f"# First: python -m rsviz import {name!r} --dataset ... --sigma ... "
        f"--normalisation {normalisation}"
    )
