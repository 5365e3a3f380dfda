from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from rsviz.certification import certify
from rsviz.core.spec import RunSpec
from rsviz.data import catalog, datasets, shapes
from rsviz.data.canvases import SEEDS, place_all
from rsviz.methods import adaptive, consistency
from rsviz.networks import classifiers, masks
from rsviz.training import loop


@pytest.fixture(scope="module")
def canvases():
    drawn = [shapes.draw(1, i) for i in range(256)]
    x_NHWC = np.stack([np.round(255 * d.x_HWC).astype(np.uint8) for d in drawn])
    x_NCHW = place_all(x_NHWC.transpose(0, 3, 1, 2), 48, SEEDS["train"])
    y_N = torch.tensor([d.label for d in drawn])
    return datasets.Dataset("shapes-k48", "train", shapes.CLASSES, torch.from_numpy(x_NCHW), y_N)


@pytest.mark.parametrize("kind", ["adaptive", "static"])
def test_training_lowers_the_loss_and_moves_the_mask(canvases, tmp_path, kind):
    torch.manual_seed(0)
    classifier = nn.Sequential(
        classifiers.Normalize(*catalog.STATISTICS["shapes"]), classifiers.Compact(10, 8)
    )
    mask = masks.build_mask("shapes-k48", 4) if kind == "adaptive" else masks.StaticMask(48)
    loss = adaptive.loss if kind == "adaptive" else adaptive.loss_static
    nets = nn.ModuleDict({"classifier": classifier, "mask": mask})
    before = [p.detach().clone() for p in mask.parameters()]
    said = []
    settings = loop.TrainSpec("ars", "shapes-k48", "compact", 0.1, 6, lr=0.1, batch=32)
    loop.train(nets, canvases, loss, settings, tmp_path / "s.pt", "cpu", False, said.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in said]
    assert losses[-1] < 0.93 * losses[0]
    assert all(
        not torch.equal(old, new) for old, new in zip(before, mask.parameters(), strict=True)
    )
    nets.eval().requires_grad_(False)
    run = adaptive.certify if kind == "adaptive" else adaptive.certify_static
    x_CHW, run_spec = canvases.image(0), RunSpec("x", "c", 0.1, n=200)
    *_, last = certify.watch_votes(
        lambda: run(x_CHW, nets, run_spec), partial(adaptive.read, d=x_CHW.numel()), x_CHW, run_spec
    )
    assert last.certificate.detail["d"] == 3 * 48 * 48


@pytest.mark.parametrize("kind", ["adaptive", "static", "plain"])
def test_with_a_weight_two_votes_of_an_image_are_asked_to_agree(canvases, kind):
    torch.manual_seed(0)
    classifier = nn.Sequential(
        classifiers.Normalize(*catalog.STATISTICS["shapes"]), classifiers.Compact(10, 4)
    ).eval()
    mask = masks.build_mask("shapes-k48", 4) if kind == "adaptive" else masks.StaticMask(48)
    nets = nn.ModuleDict({"classifier": classifier, "mask": mask.eval()})
    losses = {
        "adaptive": adaptive.loss,
        "static": adaptive.loss_static,
        "plain": adaptive.loss_plain,
    }
    asked = []
    classifier.register_forward_hook(lambda *seen: asked.append(seen[2]))
    x_NCHW, y_N = canvases.x_NCHW[:8].float() / 255, canvases.y_N[:8]
    sigma_N111 = torch.full((8, 1, 1, 1), 0.5)

    def value(lam):
        generator = torch.Generator().manual_seed(1)
        return losses[kind](nets, x_NCHW, y_N, sigma_N111, generator, 0, lam=lam)

    one = value(0.0)
    assert len(asked) == 1
    assert torch.equal(one, nn.functional.cross_entropy(asked[0], y_N))
    two = value(10.0)
    assert torch.equal(asked[1], asked[0]) and not torch.equal(asked[2], asked[1])
    assert torch.equal(two, consistency.objective(torch.stack(asked[1:]), y_N, 10.0, 0.5))
