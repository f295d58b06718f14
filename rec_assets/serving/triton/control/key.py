"""The key that changes of Triton's models need: of the settings, or of the local server of this home."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rec_assets.settings import Settings

LOCAL_HOSTS = ("127.0.0.1", "localhost")


def read(settings: Settings) -> str:
    """Returns the key of the settings, or of this home's local server; empty without one."""
    if settings.triton_control_key or settings.host not in LOCAL_HOSTS:
        return settings.triton_control_key
    with suppress(FileNotFoundError):
        return _file(settings).read_text()
    return ""


def make(settings: Settings) -> str:
    """Returns the key of the local server; creates a random one, readable by its owner only, if there is none."""
    if not read(settings):
        file = _file(settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as new:
            new.write(secrets.token_urlsafe(32))
    return read(settings)


def _file(settings: Settings) -> Path:
    return settings.home.absolute() / "triton" / "control.key"
