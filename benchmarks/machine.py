"""Describes the machine of a measurement."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """Returns cores and CPU model of this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores, {model or platform.processor() or platform.machine()}"
