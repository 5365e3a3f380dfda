"""Networks that choose noise levels by a known rule, for tests."""

import torch
from torch import nn

from rsviz import checkpoints
from rsviz.parts import build_part

COMPACT = {"network": "compact"}
PARTS = {
    "dual": {"estimator": COMPACT | {"classes": 3}, "classifier": COMPACT},
    "variational": {
        "selector": {"network": "selector", "low": 0.2, "high": 1.0, "width": 4},
        "classifier": COMPACT,
    },
}
LEVEL, ANSWER = 1, 4  # the index of the level every vote is for, and the class


def make_selectors(root, methods=("dual", "variational")):
    """Write a checkpoint of each method whose votes all agree, so that its certificate is known."""
    for method in methods:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            nets = {name: build_part(part, "shapes") for name, part in PARTS[method].items()}
        _sure(nets["classifier"][1].fc, ANSWER)
        if "estimator" in nets:
            _sure(nets["estimator"][1].fc, LEVEL)
        else:
            head = nets["selector"].head[-1]
            nn.init.zeros_(head.weight)
            nn.init.constant_(head.bias, 0.3)  # every draw is the same level
        card = {"method": method, "dataset": "shapes", "network": "several", "sigma": None}
        card |= {"seed": 0, "command": "none", "measured": [], "parts": PARTS[method]}
        checkpoints.save_parts(nets, root / f"shapes-{method}", card)
    return root


def _sure(fc, index):
    with torch.no_grad():
        fc.weight.zero_()
        fc.bias.copy_(10.0 * torch.nn.functional.one_hot(torch.tensor(index), len(fc.bias)))
