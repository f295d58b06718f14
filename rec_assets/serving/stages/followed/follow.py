"""Keeps what a stage copied from a store up to date, in a thread that ends with the stage."""

import time
import weakref
from collections.abc import Callable
from threading import Thread
from typing import Generic, Protocol, TypeVar

from rec_assets.serving.stages.base import StoreGuard

LOOK_EVERY_S = 1.0  # between two reads of a version, one short command each
T = TypeVar("T")


class Following(Protocol):
    """A stage, or a part of one, with a copy of some data."""

    def refresh(self) -> bool:
        """Reads the data again if their version changed; returns True if it replaced the copy."""
        ...


class FollowedCopy(Generic[T]):
    """A copy of one versioned value of a store."""

    def __init__(
        self, value: T, read_version: Callable[[], bytes | None], read: Callable[[], T], guard: StoreGuard
    ) -> None:
        """Creates a copy with a first value.

        Args:
            value: the value until the first read.
            read_version: returns the version of the store's value, None without one.
            read: returns the store's value.
            guard: guard of both reads.
        """
        self.value = value
        self._read_version = read_version
        self._read = read
        self._version: bytes | None = None
        self.guard = guard

    def refresh(self) -> bool:
        """Reads the value if its version changed; returns True if it replaced the copy.

        A store that lost its data changes nothing.
        """
        version = self.guard.call(self._read_version)
        if version in (None, self._version):
            return False
        value = self.guard.call(self._read)
        if value is None:
            return False
        self.value, self._version = value, version
        return True


def follow(copy: Following, name: str) -> None:
    """Starts a thread that refreshes a copy every `LOOK_EVERY_S` until the copy is garbage collected."""
    Thread(target=_follow, args=(weakref.ref(copy),), name=name, daemon=True).start()


def _follow(copy: "weakref.ref[Following]") -> None:
    while (held := copy()) is not None:
        held.refresh()
        del held
        time.sleep(LOOK_EVERY_S)
