"""A network of torch made ready by an engine, whichever it is."""

from pathlib import Path

from torch import nn

from rsviz.core.errors import UserError
from rsviz.smoothing import engines, graphs
from rsviz.smoothing.engine import REFERENCE, Engine
from rsviz.smoothing.openvino_engine import Compiled, from_network
from rsviz.smoothing.torch_engine import Cast


def ready(
    net: nn.Module, engine: Engine, device: str = "cpu", file: Path | None = None, sha256: str = ""
) -> nn.Module:
    """Return a network whose answers this engine computes.

    Parameters
    ----------
    net : the float32 network, in eval mode on the device; of an int8 file, the one it stands for.
    file, sha256 : the network file that answers instead (ONNX), and the hash it must have.

    Raises
    ------
    UserError
        The engine does not serve here, or the file is absent or another one.
    """
    engines.check(engine, device)
    if file is not None:
        data = engines.read_checked(file, sha256)
        return Compiled(net, graphs.from_file(engine, file, data, sha256))
    if engine.precision == "int8":
        raise UserError(
            "An int8 network is a file of its own; 'python -m rsviz quantize' makes it."
        )
    if engine.library == "openvino":
        return from_network(net, engine)
    return net if engine == REFERENCE else Cast(net, engine)
