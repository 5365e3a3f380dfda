import json

import pytest
import torch

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.networks import classifiers, inspection
from rsviz.networks.from_card import build_part, build_selector

PARTS = {
    "classifier": {"network": "compact"},
    "estimator": {"network": "compact", "classes": 3},
    "mask": {"network": "mask-unet", "channels": 4, "half": True},
    "fixed": {"network": "static-mask", "size": 32},
    "selector": {"network": "selector", "low": 0.1, "high": 1.0, "width": 8},
}
COMPACT = PARTS["classifier"]
CARD = {
    "method": "gaussian",
    "dataset": "shapes",
    "network": "several",
    "sigma": None,
    "parts": PARTS,
}
LAM_1 = torch.zeros(1)


def nets(parts=PARTS):
    torch.manual_seed(0)
    made = {name: build_part(part, "shapes") for name, part in parts.items()}
    return {name: net.half().float().eval() for name, net in made.items()}  # as shipped


def answers(found, x_NCHW):
    with torch.no_grad():
        return {
            name: net(x_NCHW, LAM_1) if name == "selector" else net(x_NCHW)
            for name, net in found.items()
        }


def test_all_parts_come_back_as_they_were_saved(tmp_path):
    made = nets()
    saved = weights.save_parts(made, tmp_path / "several", CARD)
    assert saved.verified
    loaded = weights.load_nets(saved)
    assert list(loaded) == list(PARTS)
    x_NCHW = torch.rand(1, 3, 32, 32)
    before, after = answers(made, x_NCHW), answers(loaded, x_NCHW)
    assert after["estimator"].shape == (1, 3)
    for name in PARTS:
        assert torch.allclose(before[name], after[name], atol=1e-4), name


def test_a_part_may_be_another_checkpoint_and_is_held_to_its_hash(tmp_path):
    single = {key: value for key, value in CARD.items() if key != "parts"} | COMPACT
    other = weights.save(classifiers.build("compact", "shapes"), tmp_path / "other", single)
    named = {"classifier": {"checkpoint": "other", "sha256": other.sha256}}
    parts = named | {"estimator": PARTS["estimator"]}
    both = weights.save_parts(
        nets({"estimator": PARTS["estimator"]}), tmp_path / "both", CARD | {"parts": parts}
    )
    alone = weights.save_parts({}, tmp_path / "alone", CARD | {"parts": named})
    assert both.verified and alone.verified
    x_NCHW = torch.rand(1, 3, 32, 32)
    for saved in (both, alone):
        got = weights.load_nets(saved)["classifier"](x_NCHW)
        assert torch.equal(got, weights.load(catalog.inspect(other.folder))(x_NCHW))
    weights.save(classifiers.build("compact", "shapes"), tmp_path / "other", single)
    assert "another network now" in (catalog.inspect(both.folder).problem or "")
    assert "another network now" in (catalog.inspect(alone.folder).problem or "")


def test_a_changed_description_or_weight_is_noticed(tmp_path):
    saved = weights.save_parts(nets(), tmp_path / "several", CARD)
    card = json.loads((saved.folder / "card.json").read_text())
    changed = PARTS | {"selector": PARTS["selector"] | {"high": 2.0}}
    catalog.write_card(saved.folder, card | {"parts": changed})
    assert "sha256 differs" in (catalog.inspect(saved.folder).problem or "")


def test_a_card_with_broken_parts_is_refused_in_words(tmp_path):
    saved = weights.save_parts(nets(), tmp_path / "several", CARD)
    card = json.loads((saved.folder / "card.json").read_text())
    for parts in (3, None, {"classifier": 3}, ["classifier"]):
        catalog.write_card(saved.folder, card | {"parts": parts})
        assert catalog.inspect(saved.folder).problem


def test_several_networks_are_not_taken_for_one(tmp_path):
    saved = weights.save_parts(nets(), tmp_path / "several", CARD)
    with pytest.raises(UserError, match="made of several networks"):
        weights.load(saved)


def test_an_unknown_part_is_refused_in_words(tmp_path):
    for part in ({"network": "magic"}, {"network": "selector", "depth": 3}, {}):
        with pytest.raises(UserError, match="does not know"):
            build_part(part, "shapes")


def test_a_selector_stays_in_its_range_and_is_small():
    selector = build_selector("shapes", 0.1, 1.0).eval()
    with torch.no_grad():
        sigma_N = selector(torch.rand(16, 3, 32, 32), torch.linspace(0, 1, 16))
    assert sigma_N.shape == (16,) and 0.1 < float(sigma_N.min()) <= float(sigma_N.max()) < 1.0
    whole = inspection.multiply_adds(classifiers.build("compact", "shapes"), 32)
    assert inspection.multiply_adds(selector.trunk, 32) < 0.3 * whole
