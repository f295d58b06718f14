"""Runs NVTabular in this process, or on a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from rec_assets.common.errors import ActionableError

CONNECT_S = "30s"


@contextmanager
def dask_workers(scheduler: str) -> Iterator[None]:
    """Sends what NVTabular computes meanwhile to a cluster; it finds the connection by itself.

    Args:
        scheduler: empty for this process, or the address of a scheduler, whose workers import this package first
            (`dask worker --preload rec_assets`) and read the artifacts at the same paths.

    Raises:
        ActionableError: nobody answers there.
    """
    if not scheduler:
        yield
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ActionableError(
            f"No Dask scheduler answers at {scheduler} ({error}).", "Start it, or correct or unset REC_DASK_SCHEDULER."
        ) from error
    with client:
        yield
