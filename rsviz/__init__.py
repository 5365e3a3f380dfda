"""rsviz: see randomized smoothing, vote by vote, with certificates that can be defended.

The names below are the library's face; each is fetched from its room when it is first used, so that
importing rsviz costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "find_image": "rsviz.data.datasets",
    "open_image": "rsviz.data.images",
    "to_tensor": "rsviz.data.images",
    "find_checkpoint": "rsviz.checkpoints.catalog:find",
    "list_checkpoints": "rsviz.checkpoints.catalog",
    "load_nets": "rsviz.checkpoints.weights",
    "certify": "rsviz.certification.certify",
    "watch": "rsviz.certification.certify",
    "verify": "rsviz.certification.verify",
    "two_sided": "rsviz.core.reading",
    "attack": "rsviz.certification.attack",
    "read_log": "rsviz.evaluation.logs",
    "curve": "rsviz.evaluation.curves",
    "Certificate": "rsviz.core.spec",
    "RunSpec": "rsviz.core.spec",
    "Engine": "rsviz.smoothing.engines",
    "UserError": "rsviz.core.errors",
    "METHODS": "rsviz.methods.registry",
    "CLASSES": "rsviz.data.catalog",
    "INPUT_SIZE": "rsviz.data.catalog",
    "vote_bars": "rsviz.figures.certificate",
}


def __getattr__(name: str) -> Any:
    """Return a public name from its room (PEP 562)."""
    if name not in _FACE:
        raise AttributeError(f"module 'rsviz' has no attribute {name!r}")
    module, _, attribute = _FACE[name].partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*_FACE, "__version__"])
