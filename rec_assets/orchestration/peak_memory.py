"""Measures the peak memory of this process, as Linux counts it, and frees unused memory."""

import ctypes
import gc
import re
from contextlib import suppress
from pathlib import Path

_PROCESS = Path("/proc/self")


def release_memory() -> None:
    """Frees memory of earlier work in this process.

    Models are reference cycles, which Python collects late. glibc keeps memory that threads have freed.
    """
    gc.collect()
    with suppress(AttributeError):  # C library other than glibc
        ctypes.CDLL(None).malloc_trim(0)


def forget_peak() -> None:
    """Resets the peak to the current memory. Without permission, the peak of the whole process stays."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")  # proc(5): resets VmHWM


def peak_mb() -> float:
    """Returns the peak resident memory since `forget_peak` in MB."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
    return round(int(peak[1]) * 1024 / 1e6, 1) if peak else 0.0
