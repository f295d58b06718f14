"""The memory of this process: the peak since a moment, as Linux counts it, and its release."""

import ctypes
import gc
import re
from contextlib import suppress
from pathlib import Path

_PROCESS = Path("/proc/self")


def release_memory() -> None:
    """Frees what earlier work of this process left behind.

    A model is a cycle of objects, which Python collects late, and glibc keeps what many threads have freed.
    """
    gc.collect()
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def forget_peak() -> None:
    """Starts to count anew from what is held now; where the system refuses, the peak stays that of the process."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")  # proc(5): resets VmHWM


def peak_mb() -> float:
    """Returns the peak, MB."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
    return round(int(peak[1]) * 1024 / 1e6, 1) if peak else 0.0
