"""A visitor's file of weights: used where it fits, refused in words where it does not."""

import io
import zipfile

import pytest
import torch

from rsviz.checkpoints import foreign
from rsviz.core.errors import UserError
from rsviz.networks import classifiers


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def field_file(network="resnet20", **more):
    torch.manual_seed(0)
    net = classifiers.build(network, "cifar10")
    state = {f"module.1.{key}": value for key, value in net[1].state_dict().items()}
    return net.eval(), saved({"arch": network, "state_dict": state} | more)


@pytest.mark.parametrize("network", ["resnet20", "compact", "compact-48"])
def test_weights_of_the_fields_layout_give_the_same_logits(network):
    net, data = field_file(network)
    found = foreign.read_own(data, "../../best.pth.tar", "cifar10", 0.5)
    assert found.checkpoint.card["network"] == network
    assert found.checkpoint.name == "yours: best.pth.tar"
    assert found.checkpoint.verified
    assert len(found.checkpoint.sha256) == 64
    x = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(found.nets["classifier"](x), net(x), atol=1e-4)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", b"\0" * (foreign.UNPACKED + 1))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a file that torch.save writes"),
        (b"PK but no zip", "not a file that torch.save writes"),
        (saved({"state_dict": {"a": torch.zeros(1)}}), "fits none"),
        (saved({"state_dict": "none"}), "no state_dict"),
        (saved(Evil()), "not a file of plain weights"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(data, says):
    with pytest.raises(UserError, match=says):
        foreign.read_own(data, "file.pt", "cifar10", 0.5)


def test_a_file_that_unpacks_to_too_much_is_not_read():
    data = bomb()
    assert len(data) < 2**20
    with pytest.raises(UserError, match="unpacks to more"):
        foreign.read_own(data, "file.pt", "cifar10", 0.5)
