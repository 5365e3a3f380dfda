"""Seeded standard normal noise in fixed chunks, the same whatever is computed beside it.

Shape suffixes: N rows of a chunk, C channels, H height, W width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rsviz.core.late import torch

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 100  # rows; the field's n0, and within a few percent of the fastest batch on a CPU

Scheme = Literal["sfc64", "philox", "torch"]


def newest(device: str) -> Scheme:
    """Return how new runs draw on a device; early certificates drew by torch's own generators."""
    if not device.startswith("cuda"):
        return "sfc64"
    return "philox" if _one_launch_works(device) else "torch"


@cache
def _one_launch_works(device: str) -> bool:
    try:
        from rsviz.smoothing import gpu_noise  # needs Triton, which few machines have

        gpu_noise.fill(torch.empty(4, device=device), [0])
    except Exception:  # no Triton, no compiler of C for it, a GPU it does not know, ...
        return False
    return True


def arrays(x: Any) -> Any:
    """Return the library of an array: numpy, or torch; what is called of it here is in both."""
    return np if isinstance(x, np.ndarray) else torch


def chunk_name(seed: int, image: str, stage: str, query: int, index: int) -> str:
    """Return the name of one chunk, made of everything that must give it noise of its own.

    Two queries of one vote, two stages of one image and two images never share a chunk: the same
    noise in two queries of ARS would reveal the image, and the votes that choose the class must
    not be among those that bound it.
    """
    return f"{seed}|{image}|{stage}|{query}|{index}"


def chunk_seed(seed: int, image: str, stage: str, query: int, index: int) -> int:
    """Return a seed of 63 bits, a hash of `chunk_name`."""
    return _seed(chunk_name(seed, image, stage, query, index))


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1


def chunk(
    shape_CHW: tuple[int, int, int], name: str, device: str = "cpu", scheme: Scheme | None = None
) -> Tensor:
    """Return noise_NCHW ~ N(0, I), `CHUNK` rows, float32, channels last in memory; see `draw`."""
    C, H, W = shape_CHW
    out_NHWC = torch.empty(CHUNK, H, W, C, device=device)
    return draw(out_NHWC, [name], scheme or newest(device)).permute(0, 3, 1, 2)


def draw(out_NHWC: Tensor, names: Sequence[str], scheme: Scheme) -> Tensor:
    """Fill chunks, one below the other, with the noise of their names, and return them.

    sfc64, on a CPU: the 192-bit state is a hash of the whole name, so that no two chunks of even
    10^8 coincide. philox, on a GPU: one launch for all chunks, 63 bits of the hash the key of each.
    torch: its generator of the device, seeded with those 63 bits, of which a CPU uses 32.
    """
    if scheme == "philox":
        from rsviz.smoothing import gpu_noise  # needs Triton, which few machines have

        gpu_noise.fill(out_NHWC, [_seed(name) for name in names])
        return out_NHWC
    for i, name in enumerate(names):
        out = out_NHWC[i * CHUNK : (i + 1) * CHUNK]
        if scheme == "sfc64":
            fill(np.asarray(out), hashlib.blake2b(name.encode(), digest_size=24).digest())
        else:
            generator = torch.Generator(out.device).manual_seed(_seed(name))
            torch.randn(out.shape, generator=generator, device=out.device, out=out)
    return out_NHWC


def fill(out: np.ndarray, key: bytes) -> np.ndarray:
    """Fill a contiguous float32 array, of even size, with N(0, 1) by Box and Muller's formula.

    z = sqrt(-2 ln u) (cos v, sin v), u uniform in (0, 1] and v in [-pi, pi], each from 32 bits of
    SFC64. Numpy computes it in vectors, four times as fast as its own `standard_normal`.

    Parameters
    ----------
    key : 24 bytes of a hash, all of the generator's state but its counter.
    """
    generator = np.random.SFC64(0)
    state_4 = np.append(np.frombuffer(key, "<u8"), np.uint64(1))  # the counter starts at 1
    generator.state = generator.state | {"state": {"state": state_4}}
    half = out.size // 2
    bits = generator.random_raw(half).view(np.uint32)
    length, angle = out.reshape(-1)[:half], out.reshape(-1)[half:]
    np.add(bits[:half], np.float32(0.5), out=length, dtype=np.float32, casting="unsafe")
    np.multiply(length, np.float32(2.0**-32), out=length)
    np.log(length, out=length)
    np.multiply(length, np.float32(-2), out=length)
    np.sqrt(length, out=length)
    turn = np.float32(np.pi * 2.0**-31)
    np.multiply(bits[half:].view(np.int32), turn, out=angle, dtype=np.float32, casting="unsafe")
    cosine = np.cos(angle)
    np.sin(angle, out=angle)
    np.multiply(angle, length, out=angle)
    np.multiply(length, cosine, out=length)
    return out


def scheme_of(path: str, device: str) -> Scheme:
    """Return how a certificate's votes were drawn, from its path; how new ones are, if not here."""
    named: tuple[Scheme, ...] = ("sfc64", "philox")
    drawn = (scheme for scheme in named if f"noise {scheme}" in path)
    found: Scheme = next(drawn, "torch")
    return found if found in ("torch", newest(device)) else newest(device)


class Drawer:
    """Draws the noise of coming batches, on a CPU in a thread of its own, into buffers used again.

    Use it in a ``with`` block, which ends the thread.
    """

    def __init__(self, device: str, scheme: Scheme | None = None) -> None:
        self.device, self.scheme = device, scheme or newest(device)
        self._thread = None if device.startswith("cuda") else ThreadPoolExecutor(1, "rsviz-noise")
        self._free: list[Tensor] = []

    def __enter__(self) -> Drawer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def start(self, x_CHW: Tensor, names: Sequence[str]) -> Future[Tensor]:
        """Begin to draw the chunks of these names; the result is noise_NCHW, in their order.

        It is an array of the library of the image, ``x_CHW``.
        """
        C, H, W = x_CHW.shape
        xp, shape = arrays(x_CHW), (len(names) * CHUNK, H, W, C)
        fitting = [i for i, free in enumerate(self._free) if free.shape == shape]
        out = (
            self._free.pop(fitting[0])
            if fitting
            else xp.empty(shape, dtype=xp.float32, device=self.device)
        )

        def work() -> Tensor:
            return xp.moveaxis(draw(out, names, self.scheme), 3, 1)

        if self._thread is not None:
            return self._thread.submit(work)
        done: Future[Tensor] = Future()
        done.set_result(work())
        return done

    def give_back(self, noise_NCHW: Tensor) -> None:
        """Let a buffer be drawn into again, once nothing reads it any more."""
        self._free.append(arrays(noise_NCHW).moveaxis(noise_NCHW, 1, 3))
