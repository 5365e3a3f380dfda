"""Int8 network files: a network with whole numbers for weights and activations, as ONNX.

ONNX Runtime's static quantisation makes them: quantise and dequantise nodes (QDQ) around every
layer, unsigned 8-bit activations whose range is the least and largest value seen in calibration,
signed weights with a scale for each channel. Weights take 7 of their 8 bits, so that processors
without VNNI, which add pairs of products in 16 bits, compute the same numbers.
"""

import copy
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.core.errors import UserError


class _Reader:
    """What ONNX Runtime's calibration reads: one batch after another, by input."""

    def __init__(self, batches: Sequence[tuple[Tensor, ...]]) -> None:
        self._left = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, None after the last."""
        batch = next(self._left, None)
        if batch is None:
            return None
        return {f"input{i}": x.contiguous().numpy() for i, x in enumerate(batch)}


def quantized(net: nn.Module, batches: Sequence[tuple[Tensor, ...]]) -> bytes:
    """Return the file of a network, in eval mode and folded, quantised on batches of its inputs.

    Raises
    ------
    UserError
        Its answers are not numbers, or the packages that quantise are not installed (`versions`).
    """
    versions()
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with torch.inference_mode():
        if not all(torch.isfinite(net(*batch)).all() for batch in batches):
            raise UserError("A network that answers what is no number cannot be quantised.")
    net = copy.deepcopy(net).to(memory_format=torch.contiguous_format)
    names = [f"input{i}" for i in range(len(batches[0]))]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that needs no package but onnx
        plain, prepared = Path(folder, "plain.onnx"), Path(folder, "prepared.onnx")
        done = Path(folder, "quantized.onnx")
        torch.onnx.export(
            net,
            tuple(x[:2].contiguous() for x in batches[0]),
            str(plain),
            dynamo=False,
            input_names=names,
            output_names=["answer"],
            dynamic_axes={name: {0: "N"} for name in [*names, "answer"]},
            opset_version=17,
        )
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(done),
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return done.read_bytes()


def versions() -> dict[str, str]:
    """Return the versions of the packages that quantise; UserError says how to get them."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise UserError(
            "Quantising needs two packages more: pip install '.[quantize]' in rsviz's folder."
        ) from None
    return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
