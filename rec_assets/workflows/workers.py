"""Where NVTabular works: in this process, on a Dask cluster, or on this machine's GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

from rec_assets.errors import ActionableError

CUDA = "cuda"
CONNECT_S = "30s"


@contextmanager
def dask_workers(scheduler: str) -> Iterator[None]:
    """Sends what NVTabular computes meanwhile to a cluster; it finds the connection by itself.

    Args:
        scheduler: empty for this process; the address of a scheduler, whose workers have this package installed and
            read the artifacts at the same paths; or `cuda`, for a worker on each GPU of this machine.

    Raises:
        ActionableError: nobody answers there, or there is no GPU.
    """
    if not scheduler:
        yield
        return
    from distributed import Client

    if scheduler == CUDA:
        with _gpus() as address, Client(address):
            yield
        return
    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ActionableError(
            f"No Dask scheduler answers at {scheduler} ({error}).", "Start it, or correct or unset REC_DASK_SCHEDULER."
        ) from error
    with client:
        yield


@contextmanager
def _gpus() -> Iterator[str]:
    try:
        from dask_cuda import LocalCUDACluster

        cluster = LocalCUDACluster()
    except Exception as error:  # pynvml raises types of its own where there is no driver
        raise ActionableError(
            f"No GPU workers can be started here ({type(error).__name__}: {error}).", "Unset REC_DASK_SCHEDULER."
        ) from error
    with cluster:
        yield cluster.scheduler_address
