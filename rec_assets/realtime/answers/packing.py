"""Several byte strings as one: their lengths as uint32, then the strings."""

from collections.abc import Sequence

import numpy as np

_LENGTH = np.dtype("<u4")


def pack(parts: Sequence[bytes]) -> bytes:
    """Returns parts as one byte string."""
    return b"".join([np.array([*map(len, parts)], _LENGTH).tobytes(), *parts])


def unpack(content: bytes, count: int) -> list[bytes]:
    """Returns the parts of `pack`; raises ValueError unless the string has `count` parts."""
    start, parts = _LENGTH.itemsize * count, []
    for length in np.frombuffer(content, _LENGTH, count).tolist():
        parts.append(content[start : start + length])
        start += length
    if start != len(content):
        raise ValueError(f"{len(content)} bytes are not {count} parts")
    return parts
