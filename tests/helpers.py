"""A network whose votes are known, and stored examples, for the tests of pages."""

import json
import time
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from rsviz.certification.certify import make_spec
from rsviz.checkpoints import catalog, weights
from rsviz.core import reading
from rsviz.core.spec import Bound, Votes
from rsviz.data import datasets
from rsviz.data.images import image_id
from rsviz.evaluation import examples
from rsviz.methods import adaptive
from rsviz.methods.gaussian import GUARANTEE
from rsviz.networks import classifiers
from rsviz.networks.from_card import build_part

ALWAYS = 4  # the class the network always answers

# Where every vote is for one class, nothing hangs on the width, and narrow networks vote at once.
TINY = "compact-4"
classifiers.NETWORKS[TINY] = partial(classifiers.Compact, width=4)
COMPACT = {"network": "compact", "width": 4}
LEVEL_PARTS = {
    "dual": {"estimator": COMPACT | {"classes": 3}, "classifier": COMPACT},
    "variational": {
        "selector": {"network": "selector", "low": 0.2, "high": 1.0, "width": 4},
        "classifier": COMPACT,
    },
}
LEVEL_PARTS["multiscale"] = {"classifier": COMPACT}
LEVEL_PARTS["routing"] = {"estimator": LEVEL_PARTS["dual"]["estimator"]}
LEVEL, ANSWER = 1, ALWAYS  # the index of the level every vote is for, and the class


class OnesMask(nn.Module):
    """The mask forced to 1, under which two queries together are one of plain smoothing."""

    def forward(self, m_NCHW):
        """Return w_N1HW = 1."""
        return m_NCHW.new_ones(len(m_NCHW), 1, *m_NCHW.shape[-2:])


def constant_network(folder, dataset="shapes", sigma=0.5, network=TINY):
    """A net whose every vote is for class ALWAYS, so that its certificate is known.

    Another process knows no TINY; it takes ``compact``.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = classifiers.build(network, dataset)
    with torch.no_grad():
        fc = net[1].fc
        fc.weight.zero_()
        fc.bias.copy_(torch.nn.functional.one_hot(torch.tensor(ALWAYS), 10).float())
    card = {"method": "gaussian", "dataset": dataset, "network": network, "sigma": sigma}
    return weights.save(net, folder, card | {"seed": 0, "command": "none", "measured": []})


def wait(condition):
    """Wait until a condition holds; fail after five seconds."""
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


def faults(app):
    """The red boxes of a page, without that of an answer that is certified and wrong."""
    return [e.value for e in app.error if "Certified, and wrong" not in e.value]


def live_figures(app):
    """What a page drew with figures that change in place: figure (as JSON), config, alt."""
    drawn = [c.proto for c in app.get("bidi_component")]
    return [json.loads(p.json) for p in drawn if "live-figure" in p.html_content]


def make_checkpoints(root, network=TINY):
    """Two networks, one of them with stored examples: certain, and too much noise."""
    constant_network(root / "cifar10-constant", "cifar10", network=network)
    checkpoint = constant_network(root / "shapes-constant", network=network)
    x_CHW, _ = datasets.find_image("shapes/test/5")
    rows = []
    for preset, sigma in (("certain", 0.5), ("noisy", 2.0)):
        spec = make_spec(checkpoint, x_CHW, sigma, "shapes/test/5", bound=Bound.SPLIT)
        select, bound = [[0] * 10 for _ in range(2)]
        select[2], bound[2] = spec.n0, spec.n
        if preset == "noisy":
            bound[2], bound[7] = spec.n // 2, spec.n // 2
        c = reading.read(
            Votes("select", tuple(select), spec.n0, "complete"),
            Votes("bound", tuple(bound), spec.n, "complete"),
            spec,
            GUARANTEE,
        )
        row = json.loads(replace(c, image_sha256=image_id(x_CHW)).to_json())
        rows.append({"preset": preset, "certificate": row})
    (checkpoint.folder / examples.FILE).write_text(json.dumps(rows))
    return root


PARTS = {
    "adaptive": {"network": "mask-unet", "channels": 2, "half": True},
    "static": {"network": "static-mask", "size": 48},
}


def make_rivals(root, network=TINY):
    """ARS, a static mask and plain smoothing for canvases of 48, all answering class ALWAYS."""
    plain = constant_network(root / "shapes-k48-plain", "shapes-k48", 1.0, network)
    classifier = weights.load(plain, ready=False)
    card = dict(plain.stored) | {"method": "plain-linf"}
    catalog.write_card(plain.folder, card)
    for method, part in PARTS.items():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            mask = build_part(part, "shapes-k48")
        own = {"classifier": {"network": network}, "mask": part}
        described = card | {"method": method, "parts": own}
        nets = {"classifier": classifier, "mask": mask}
        weights.save_parts(nets, root / f"shapes-k48-{method}", described)
    return root


def make_attribute(folder, f=0.5, looks=2):
    """A fresh ARS of Shapes with an attribute, trained (as its card says) at budget split f."""
    dataset = "shapes-attribute-k48"
    masks = [adaptive.mask_name(j) for j in range(1, looks)]
    parts = {"classifier": COMPACT} | dict.fromkeys(masks, PARTS["adaptive"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nets = {name: build_part(part, dataset) for name, part in parts.items()}
    card = {"method": "adaptive", "dataset": dataset, "network": "compact", "sigma": 1.0}
    card |= {"seed": 0, "command": "none", "measured": [], "parts": parts, "run": {"f": f}}
    return weights.save_parts(nets, folder, card)


def make_selectors(root, methods=("dual", "variational")):
    """Write a checkpoint of each method whose votes all agree, so that its certificate is known."""
    for method in methods:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            nets = {name: build_part(part, "shapes") for name, part in LEVEL_PARTS[method].items()}
        experts = {} if method != "routing" else _experts(root)
        if "classifier" in nets:
            _sure(nets["classifier"][1].fc, ANSWER)
        if "estimator" in nets:
            _sure(nets["estimator"][1].fc, LEVEL)
        elif "selector" in nets:
            head = nets["selector"].head[-1]
            nn.init.zeros_(head.weight)
            nn.init.constant_(head.bias, 0.3)  # every draw is the same level
        card = {"method": method, "dataset": "shapes", "network": "several", "sigma": None}
        card |= {
            "seed": 0,
            "command": "none",
            "measured": [],
            "parts": LEVEL_PARTS[method] | experts,
        }
        weights.save_parts(nets, root / f"shapes-{method}", card)
    return root


def _experts(root):
    """A classifier of its own for each level, as the parts of a card name them."""
    experts = {}
    for level in ("0.25", "0.5", "1"):
        expert = constant_network(root / f"shapes-expert-{level}", sigma=float(level))
        experts[f"classifier-{level}"] = {"checkpoint": expert.name, "sha256": expert.sha256}
    return experts


def _sure(fc, index):
    with torch.no_grad():
        fc.weight.zero_()
        fc.bias.copy_(10.0 * torch.nn.functional.one_hot(torch.tensor(index), len(fc.bias)))
