"""What a file says beside its picture, read apart from it: notes may be damaged.

A decoder is given the picture alone, with what says how it is turned and coloured.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
MAX_PROFILE = 10 * 2**20  # bytes of a colour profile, unpacked
# Ancillary chunks of a PNG that are kept, with the fewest bytes each may have.
_KEPT = {b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"eXIf": 1}
_TRANSPARENCY = {0: 2, 2: 6, 3: 1}  # the fewest bytes of tRNS, by type of colour
# Application segments of a JPEG that are kept: marker and start, and the fewest bytes behind it.
_SEGMENTS = {b"\xe0JFIF\0": 7, b"\xe1Exif\0\0": 1, b"\xe2ICC_PROFILE\0": 2, b"\xeeAdobe": 7}


@dataclass(frozen=True)
class Picture:
    """A file for the decoder, and what a PNG says of its colours, empty where it says nothing.

    ``cicp`` are the four code points of ITU-T H.273, ``profile`` is an ICC profile.
    """

    data: bytes
    cicp: bytes = b""
    profile: bytes = b""


def read(data: bytes) -> Picture:
    """Return a PNG or JPEG without its notes, and so without what may be damaged in them.

    Of a PNG's ancillary chunks those count that decide what is seen and whose checksum is right, as
    in browsers. Of an animation the first frame is left, in place of a picture that stands in for
    it. A PNG that is cut within a note behind its image data gets its end. Other files are returned
    as they are.
    """
    if data.startswith(JPEG):
        return Picture(b"".join(_jpeg_segments(data)))
    if not data.startswith(PNG):
        return Picture(data)
    chunks = list(_chunks(data))
    found = {name: content for name, content in reversed(chunks) if not _critical(name)}
    kept = [chunk for chunk in chunks if _belongs(*chunk, chunks)]
    kept = _first_frame(chunks, kept) or kept
    if kept and kept[-1][0] == b"IDAT":
        kept.append((b"IEND", b""))
    cicp, profile = found.get(b"cICP", b""), found.get(b"iCCP", b"")
    return Picture(PNG + b"".join(map(_join, kept)), cicp * (len(cicp) == 4), _unpacked(profile))


_Chunk = tuple[bytes, bytes]  # name and content


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield each chunk, but ancillary ones only where undamaged; the last one may be cut short."""
    at = len(PNG)
    while at + 8 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        name, content = data[at + 4 : at + 8], data[at + 8 : end - 4]
        sound = data[end - 4 : end] == struct.pack(">I", zlib.crc32(name + content))
        if sound or _critical(name):
            yield name, content
        if name == b"IEND":
            return
        at = end


def _join(chunk: _Chunk) -> bytes:
    name, content = chunk
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _critical(name: bytes) -> bool:
    return name[:1].isupper()


def _belongs(name: bytes, content: bytes, chunks: Sequence[_Chunk]) -> bool:
    """Whether a chunk is not a note, and is long enough to be read."""
    if name == b"tRNS":
        kind = chunks[0][1][9] if len(chunks[0][1]) > 9 else -1
        return kind in _TRANSPARENCY and len(content) >= _TRANSPARENCY[kind]
    return _critical(name) or (name in _KEPT and len(content) >= _KEPT[name])


def _first_frame(chunks: Sequence[_Chunk], kept: Sequence[_Chunk]) -> list[_Chunk]:
    """Return the first frame as a picture, empty where the image data is it or there is none."""
    names = [name for name, _ in chunks]
    if not {b"acTL", b"fcTL", b"IDAT"} <= set(names):
        return []
    at = names.index(b"fcTL")
    if at < names.index(b"IDAT") or chunks[at][1][4:20] != chunks[0][1][:8] + bytes(8):
        return []
    frames = names.index(b"fcTL", at + 1) if b"fcTL" in names[at + 1 :] else len(names)
    parts = [(b"IDAT", content[4:]) for name, content in chunks[at:frames] if name == b"fdAT"]
    head = [chunk for chunk in kept if chunk[0] not in (b"IDAT", b"IEND")]
    return [*head, *parts, (b"IEND", b"")] if parts else []


def _unpacked(content: bytes) -> bytes:
    """Return the profile that an iCCP chunk holds: a name, a zero, the method 0, and it packed."""
    packed = content.partition(b"\0")[2]
    if packed[:1] != b"\0":
        return b""
    try:
        unpack = zlib.decompressobj()
        profile = unpack.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return profile if unpack.eof else b""


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Yield the start of a JPEG, each segment that is not a note, and the image data unchanged."""
    yield data[:2]
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xDA or not 0xC0 <= marker < 0xFF:  # the image data, or no segment
            break
        segment = data[at : at + 2 + length]
        told = segment[1:2] + segment[4:]
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or any(
            told.startswith(start) and len(told) >= len(start) + least
            for start, least in _SEGMENTS.items()
        ):
            yield segment
        at += 2 + length
    yield data[at:]
