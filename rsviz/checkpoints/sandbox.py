"""A visitor's file of weights, read in a process of its own that has little time and memory.

A helper process imports torch once and then forks for each file, so that reading costs no start of
its own. What comes back is JSON and safetensors, which is read without executing anything, whatever
the file did to the fork that read it. The helper ends when it has had nothing to do for a while,
and with the process that started it.
"""

import atexit
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors

from rsviz.checkpoints.foreign import (
    MAX_BYTES,
    MEGABYTES,
    NETWORKS,
    UNPACKED,
    Foreign,
    read_foreign,
    weight_shapes,
)
from rsviz.core.errors import UserError
from rsviz.networks.normalisation import Normalisation

SECONDS = 10  # of processor for one file
MEMORY = 1 << 30  # bytes, more than the helper has
WALL_SECONDS = 60.0  # for one file, on a machine with other work
IDLE_SECONDS = 60.0
START_SECONDS = 120.0  # torch is slow to import on a busy machine
_SIZES = struct.Struct("<II")  # of the two parts of a message: JSON, and bytes


def read_apart(data: bytes, name: str, dataset: str) -> Foreign:
    """Return what `read_foreign` does, read by another process within the bounds of this file.

    Raises
    ------
    UserError
        As `read_foreign`; or the file took more time or memory than it may.
    """
    if len(data) > MAX_BYTES:
        raise UserError(f"{Path(name).name[:40]} is larger than {MEGABYTES} MB.")
    if not hasattr(os, "fork"):
        return read_foreign(data, name, dataset)
    told, tensors = _HELPER.ask({"name": name, "dataset": dataset}, data)
    if "error" in told:
        raise UserError(told["error"])
    stated = told["stated"]
    return Foreign(
        **{key: told[key] for key in ("name", "sha256", "network", "where", "in_front")},
        state=from_safetensors(tensors),
        stated=None if stated is None else Normalisation(tuple(stated[0]), tuple(stated[1])),
        notes=tuple(told["notes"]),
    )


@dataclass
class _Helper:
    """The process that forks for each file: started when first asked, one file at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    process: subprocess.Popen[bytes] | None = None

    def ask(self, request: Mapping[str, str], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the JSON and the bytes that it answers with."""
        with self.lock:
            for _ in range(2):  # it may have ended meanwhile, having been idle
                process = self._running()
                try:
                    assert process.stdin is not None and process.stdout is not None
                    _send(process.stdin, request, data)
                    return _receive(process.stdout, START_SECONDS + WALL_SECONDS)
                except (OSError, EOFError, TimeoutError):
                    self.end()
        raise UserError(f"{request['name'][:40]} cannot be read just now; try again.")

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.process.poll() is not None:
            self.end()
        if self.process is None:
            above = str(Path(__file__).parents[2])
            paths = [above, *filter(None, [os.environ.get("PYTHONPATH")])]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rsviz.checkpoints.sandbox"],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self.process

    def end(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # which closes its pipes and waits for it
                pass


_HELPER = _Helper()
atexit.register(_HELPER.end)


def _send(file: IO[bytes], told: Mapping[str, Any], data: bytes) -> None:
    head = json.dumps(told).encode()
    file.write(_SIZES.pack(len(head), len(data)) + head)
    file.write(data)
    file.flush()


def _receive(file: IO[bytes], seconds: float) -> tuple[dict[str, Any], bytes]:
    """Read one message; EOFError where there is none, TimeoutError where it does not come."""
    ends = time.monotonic() + seconds
    head, size = _SIZES.unpack(_exactly(file.fileno(), _SIZES.size, ends))
    told: dict[str, Any] = json.loads(_exactly(file.fileno(), head, ends))
    return told, _exactly(file.fileno(), size, ends)


def _exactly(handle: int, size: int, ends: float) -> bytes:
    parts: list[bytes] = []
    while size:
        ready, _, _ = select.select([handle], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(handle, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _serve(asked: int, answers: IO[bytes]) -> None:
    """Answer message after message, each in a fork, until there are none."""
    for network in NETWORKS:  # libraries are imported here: a fork may not even make their folders
        weight_shapes(network, 10)
    while select.select([asked], [], [], IDLE_SECONDS)[0]:
        try:
            ends = time.monotonic() + WALL_SECONDS
            head, size = _SIZES.unpack(_exactly(asked, _SIZES.size, ends))
            request = json.loads(_exactly(asked, head, ends))
            data = _exactly(asked, size, ends)
        except EOFError:
            return
        told, tensors = _in_a_fork(request, data)
        _send(answers, told, tensors)


def _in_a_fork(request: Mapping[str, str], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Read one file in a fork with bounds; a fork that ends without an answer broke one of them."""
    inside, outside = os.pipe()
    child = os.fork()
    if not child:
        os.close(inside)
        with suppress(BaseException):
            _bound()
            with os.fdopen(outside, "wb") as file:
                _send(file, *_answer(request, data))
        os._exit(0)
    os.close(outside)
    try:
        with os.fdopen(inside, "rb") as file:
            return _receive(file, WALL_SECONDS)
    except (EOFError, TimeoutError, ValueError):
        return {"error": _too_much(request)}, b""
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _bound() -> None:
    """Bound this process: time of the processor, memory, and no file can be written."""
    import resource  # Windows, which has no fork either, has none

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with suppress(OSError):  # where there is no /proc, memory is bounded by what a file may hold
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _answer(request: Mapping[str, str], data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        found = read_foreign(data, request["name"], request["dataset"])
        tensors = to_safetensors({k: v.contiguous().clone() for k, v in found.state.items()})
    except UserError as error:
        return {"error": str(error)}, b""
    except (MemoryError, RuntimeError):  # torch's own sort of the first is the second
        return {"error": _too_much(request)}, b""
    if len(tensors) > UNPACKED:
        return {"error": _too_much(request)}, b""
    stated = None if found.stated is None else list(asdict(found.stated).values())
    names = ("name", "sha256", "network", "where", "in_front", "notes")
    return {name: getattr(found, name) for name in names} | {"stated": stated}, tensors


def _too_much(request: Mapping[str, str]) -> str:
    return (
        f"{Path(request['name']).name[:40]} takes more than {SECONDS} s or {MEMORY >> 20} MiB to "
        "read; save the network's state_dict alone."
    )


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever prints, it is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, meant for the process above
    _serve(0, answers)
