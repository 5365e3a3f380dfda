"""Files: read within a limit, written whole or not at all, by one writer at a time (no torch).

A finished log may be kept packed: NAME.csv.gz in place of NAME.csv, by which it still goes.
"""

import gzip
import os
import socket
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from rsviz.core.errors import UserError

SHOWN = 80  # characters of a file's name in a sentence
PACKED = ".gz"  # ends the name of a file that gzip packed


def shown(name: Path | str) -> str:
    """Return a file's name fit for a sentence: printable, its start and its end."""
    text = "".join(c if c.isprintable() else "?" for c in str(name))
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}…{text[1 - SHOWN // 2 :]}"


def kept(file: Path | str) -> Path:
    """Return where a file lies: by its own name, or packed beside it."""
    file = Path(file)
    packed = file.with_name(f"{file.name}{PACKED}") if file.name else file
    return packed if not file.exists() and packed.is_file() else file


def kept_in(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match a pattern, packed ones by the name they go by."""
    packed = (file.with_suffix("") for file in folder.glob(f"{pattern}{PACKED}"))
    return sorted({*folder.glob(pattern), *packed})


def opened(file: Path | str) -> BinaryIO:
    """Open a file to be read, unpacked where it is packed."""
    path = kept(file)
    return cast(BinaryIO, gzip.open(path)) if path.suffix == PACKED else path.open("rb")


def read_bytes(path: Path | str, limit: int) -> bytes:
    """Return what a file holds, unpacked, at most ``limit`` bytes.

    Raises
    ------
    UserError
        It is not there, is a folder or a device, cannot be read, or is larger.
    """
    try:
        path = kept(path)
        mode = path.stat().st_mode
        piped = stat.S_ISFIFO(mode) and path.is_relative_to("/dev")  # as of a shell's <(...)
        if not stat.S_ISREG(mode) and not piped:
            kind = "a folder" if stat.S_ISDIR(mode) else "not a file on a disk"
            raise UserError(f"{shown(path)} is {kind}; name a file.")
        with opened(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read: {reason(error)}.") from None
    except (EOFError, zlib.error):
        raise UserError(f"{shown(path)} cannot be unpacked: it is cut off or damaged.") from None
    if len(data) > limit:
        size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
        raise UserError(f"{shown(path)} is larger than {size}; such a file is not read.")
    return data


def check_out_file(path: Path) -> None:
    """Refuse, in words, a place where no file can be written: a folder, a device, a bad name."""
    if path.suffix == PACKED:
        raise UserError(
            f"{shown(path)} cannot grow: name {shown(path.stem)} with --out; gzip may pack it once "
            "it is finished."
        )
    try:
        if path.is_dir() or not (path.is_file() or not path.exists()):
            kind = "a folder" if path.is_dir() else "not a file on a disk"
            raise UserError(f"{shown(path)} is {kind}; name a file with --out.")
        _check_parents(path)
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be written: {reason(error)}.") from None


def check_out_folder(path: Path) -> None:
    """Refuse, in words, a place where no folder can be: a file, or a bad name."""
    try:
        if path.exists() and not path.is_dir():
            raise UserError(f"{shown(path)} is a file; name a folder with --out.")
        if path.name in ("", ".."):
            raise UserError(f"{shown(path)} names no new folder; give it a name with --out.")
        _check_parents(path / "card.json")
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be written: {reason(error)}.") from None


def _check_parents(path: Path) -> None:
    above = next((p for p in path.absolute().parents if p.exists()), Path("/"))
    if not above.is_dir():
        raise UserError(f"{shown(path)} cannot be written: {shown(above)} is a file.")
    if not os.access(above, os.W_OK):
        raise UserError(f"{shown(path)} cannot be written: {shown(above)} is read-only here.")


def reason(error: OSError) -> str:
    """Return why the system refused, in its own words."""
    return (error.strerror or str(error) or type(error).__name__).rstrip(".").lower()


def version(file: Path | str) -> tuple[int, ...] | None:
    """Return what changes whenever a file does, None where there is none: the key of a cache."""
    for name in (file, f"{file}{PACKED}"):
        with suppress(OSError):
            s = os.stat(name)
            return s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino, s.st_mode
    return None


def begun(file: Path, head: str, most: int) -> bytes:
    """Return what a file of at most so many bytes holds; one that holds nothing gets its head.

    One that is kept packed is unpacked, since it may grow.
    """
    if (packed := kept(file)) != file:
        write_whole(file, read_bytes(packed, most))
        packed.unlink()
    data = read_bytes(file, most) if file.exists() else b""
    if not data:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, head)
    return data


def write_whole(file: Path, data: bytes | str) -> None:
    """Write a file so that a kill or a full disk leaves the old one or the new one, never a part.

    It is written beside, flushed to the disk and renamed.
    """
    part = write_beside(file, data)
    part.replace(file)
    _flush_folder(file.parent)


def write_beside(file: Path, data: bytes | str) -> Path:
    """Write the text of ``file`` into a file beside it, flush it to disk, and return that file."""
    part = part_of(file)
    try:
        with naming(file), part.open("wb") as out:
            out.write(data.encode() if isinstance(data, str) else data)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return part


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Have an error of the system name the file it is about, as one of a full disk does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def part_of(file: Path) -> Path:
    """Return where `write_beside` writes."""
    return file.with_name(f".{file.name}.part")


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def sole_writer(file: Path, wait: float = 2.0) -> Iterator[None]:
    """Hold the right to write ``file``, or whatever it stands for, until the block ends.

    Parameters
    ----------
    wait : seconds to wait for another writer, of this process or of another one.

    Raises
    ------
    UserError
        Another writer holds it; the sentence says which process, where and since when.
    """
    from filelock import FileLock, Timeout  # it imports asyncio, which help need not wait for

    beside = file.with_name(f".{file.name}.lock")
    beside.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(beside, thread_local=False)
    try:
        beside.touch()  # so that a read-only folder is not mistaken for another writer
        lock.acquire(timeout=wait)
    except Timeout:
        raise UserError(
            f"{shown(file)} is being written by {_holder(beside)}; wait for it to end, or choose "
            "another name."
        ) from None
    except OSError as error:
        raise UserError(f"{shown(file)} cannot be written: {reason(error)}.") from None
    try:
        with suppress(OSError):
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
            beside.write_text(
                f"process {os.getpid()} on {socket.gethostname()} ({command}), since {since}"
            )
        yield
    finally:
        lock.release()


def _holder(lock: Path) -> str:
    try:
        return shown(lock.read_bytes()[:300].decode("utf-8", "replace")) or "another process"
    except OSError:
        return "another process"
