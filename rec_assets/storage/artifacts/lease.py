"""A lease in a bucket: one holder at a time across machines. Its token grows with every holder (fencing).

A holder that loses the lease, for example because its machine slept, cannot know this in time. Therefore whoever acts
for a holder compares tokens, and refuses a lower one than it has seen.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event

from pydantic import BaseModel, ConfigDict

from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.common.errors import ActionableError
from rec_assets.storage.file_lock import LockHeldError
from rec_assets.storage.s3 import Bucket, Tagged

LIFETIME_S = 30.0  # without renewal; a lease of a killed holder ends after this time
RENEW_EVERY_S = 10.0
POLL_S = 0.5


class Lease(BaseModel):
    """Content of the object.

    Attributes:
        holder: random name of the holder; another one for each attempt, so that no two contents are equal.
        token: number of holders so far.
        until: unix time of the end, in seconds by the holder's clock; 0 after a release.
    """

    model_config = ConfigDict(frozen=True)

    holder: str
    token: int
    until: float


@contextmanager
def held_lease(bucket: Bucket, key: str, seconds: float, other: str) -> Iterator[int]:
    """Holds a lease while the block runs, and yields its token.

    Args:
        bucket: the bucket of the lease.
        key: key of its object.
        seconds: maximum time to wait for another holder.
        other: name of another holder, at the beginning of a sentence.

    Raises:
        LockHeldError: the other holder did not release the lease in time.
        ActionableError: the bucket cannot be read or written.
    """
    lease, tag = _taken(bucket, key, seconds, other)

    def renew(stop: Event) -> None:
        nonlocal tag
        while tag and not stop.wait(RENEW_EVERY_S):
            with suppress(ActionableError):  # an unreachable bucket; the lease may live long enough for the next time
                tag = _write(bucket, key, lease.model_copy(update={"until": time.time() + LIFETIME_S}), tag) or ""

    try:
        with background_thread(renew):
            yield lease.token
    finally:
        if tag:
            with suppress(ActionableError):  # then it ends by itself
                _write(bucket, key, lease.model_copy(update={"until": 0}), tag)


def _taken(bucket: Bucket, key: str, seconds: float, other: str) -> tuple[Lease, str]:
    """Returns the lease with the tag of its object, once no other holder has it."""
    deadline = time.monotonic() + seconds
    while True:
        found = bucket.read_tagged(key)
        held = Lease(holder="", token=0, until=0) if found is None else Lease.model_validate_json(found.text)
        if held.until < time.time():
            mine = Lease(holder=secrets.token_hex(8), token=held.token + 1, until=time.time() + LIFETIME_S)
            if tag := _write(bucket, key, mine, found.tag if found else None):
                return mine, tag
        if time.monotonic() > deadline:
            raise LockHeldError(
                f"{other} has held the lease {bucket.url}/{key} for {seconds:.0f} s.",
                f"Wait until it ends or stop it, then try again. A killed one ends after {LIFETIME_S:.0f} s.",
            )
        time.sleep(POLL_S)


def _write(bucket: Bucket, key: str, lease: Lease, tag: str | None) -> str | None:
    return bucket.replace(key, Tagged(lease.model_dump_json(), tag))
