"""Keeps what a stage copied from a store up to date, in a thread that ends with the stage."""

import time
import weakref
from threading import Thread
from typing import Protocol

LOOK_EVERY_S = 1.0  # between two reads of a version, one short command each


class Following(Protocol):
    """A stage, or a part of one, with a copy of some data."""

    def refresh(self) -> bool:
        """Reads the data again if their version changed; returns True if it replaced the copy."""
        ...


def follow(copy: Following, name: str) -> None:
    """Starts a thread that refreshes a copy every `LOOK_EVERY_S` until the copy is garbage collected."""
    Thread(target=_follow, args=(weakref.ref(copy),), name=name, daemon=True).start()


def _follow(copy: "weakref.ref[Following]") -> None:
    while (held := copy()) is not None:
        held.refresh()
        del held
        time.sleep(LOOK_EVERY_S)
