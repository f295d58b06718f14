"""Runs NVTabular in this process, or on a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from rec_assets.common.errors import ActionableError

CONNECT_S = "30s"


@contextmanager
def dask_workers(scheduler: str) -> Iterator[None]:
    """Runs NVTabular on a cluster inside the `with` block. NVTabular finds the open client by itself.

    Args:
        scheduler: address of a Dask scheduler, or empty to compute in this process. Its workers import this package
            first (`dask worker --preload rec_assets`) and read the artifacts at the same paths.

    Raises:
        ActionableError: the scheduler does not respond.
    """
    if not scheduler:
        yield
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ActionableError(
            f"Dask scheduler {scheduler} does not respond ({error}).",
            "Start the scheduler, or correct or unset REC_DASK_SCHEDULER.",
        ) from error
    with client:
        yield
