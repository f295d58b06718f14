"""One training in several processes of a machine, each with rows and a GPU of its own, by Horovod."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.errors import ActionableError

if TYPE_CHECKING:
    from rec_assets.models.early_stopping import History
    from rec_assets.models.train_two_tower import TwoTowerConfig
    from rec_assets.models.training_set import TrainingSet
    from rec_assets.models.two_tower import TwoTower


@dataclass(frozen=True)
class Share:
    """What one of `size` processes does of a training; they take every step together, hence equally many.

    Alone, it is the whole training, and Horovod is not asked for.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is this process that reports, keeps the state and writes the result."""
        return self.rank == 0

    def of(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Its part [n // size] of an order [n]; a remainder is left out, for equal parts are equally many steps."""
        return order[self.rank :: self.size][: len(order) // self.size]

    def averaging(self, optimizer: Any) -> Any:
        """The optimizer, made to apply the mean of all processes' gradients."""
        if self.size == 1:
            return optimizer
        import horovod.tensorflow.keras as hvd

        return hvd.DistributedOptimizer(optimizer)

    def start_equal(self, model: tf.keras.Model) -> None:
        """Gives a built model the weights of the first process."""
        if self.size > 1:
            import horovod.tensorflow as hvd

            hvd.broadcast_variables(model.variables, root_rank=0)

    def agreed(self, value: float) -> float:
        """The value of the first process."""
        if self.size == 1:
            return value
        import horovod.tensorflow as hvd

        return float(hvd.broadcast(tf.constant(value, tf.float64), root_rank=0))


ALONE = Share()


def train_in_processes(
    processes: int,
    data: "TrainingSet",
    folder: Path,
    config: "TwoTowerConfig",
    seed: int,
    unfinished: Path | None = None,
) -> "tuple[TwoTower, History]":
    """Trains as `train_two_tower` does, in new processes of this machine, and reads what the first of them wrote.

    Args:
        processes: how many.
        data: rows, histories, items and the users to judge by.
        folder: where each process reads the same, into its own memory.
        config: the recipe; a batch is what each process takes, so that a step learns from `processes` of them.
        seed: of initial weights, negatives and order.
        unfinished: where the state is kept while training, to go on from after a crash.

    Raises:
        ActionableError: Horovod is not installed, or there are GPUs but fewer than processes.
        RuntimeError: a process failed; its output says why.
    """
    if find_spec("horovod") is None:
        raise ActionableError(
            f"REC_TRAINING_PROCESSES={processes} needs Horovod, which is not installed.",
            "Install horovod, built with TensorFlow, in the image of gpu steps, or set REC_TRAINING_PROCESSES=1.",
        )
    gpus = len(tf.config.list_physical_devices("GPU"))
    if 0 < gpus < processes:
        raise ActionableError(
            f"REC_TRAINING_PROCESSES={processes}, but there {'is 1 GPU' if gpus == 1 else f'are {gpus} GPUs'} here.",
            f"Set REC_POD_GPU_COUNT={processes}, or REC_TRAINING_PROCESSES={gpus}.",
        )
    import horovod

    from rec_assets.models.checkpoints import load_history
    from rec_assets.models.reproducible import start_from
    from rec_assets.models.train_two_tower import restore_two_tower

    with TemporaryDirectory() as name:
        checkpoint = Path(name)
        recipe = asdict(config)  # its class would import Merlin where it is unpickled, before a GPU is taken
        with _own_signals():
            arguments = (folder, recipe, seed, unfinished, checkpoint)
            horovod.run(train_share, arguments, num_proc=processes, disable_cache=True)  # a file beside REC_HOME
        start_from(seed)
        return restore_two_tower(data, config, checkpoint, seed), load_history(checkpoint)


def train_share(folder: Path, recipe: dict[str, Any], seed: int, unfinished: Path | None, out: Path) -> None:
    """What each process runs; the first writes the checkpoint to `out`."""
    share = take_share()
    from rec_assets.models.checkpoints import save_checkpoint
    from rec_assets.models.train_two_tower import TwoTowerConfig, train_two_tower
    from rec_assets.models.training_set import TrainingSet

    data, config = TrainingSet.load(folder), TwoTowerConfig(**recipe)

    def report(line: str) -> None:
        if share.leads:
            print(line, flush=True)

    model, history = train_two_tower(data, config, seed, report, unfinished, share)
    if share.leads:
        save_checkpoint(model, history, out)


def take_share() -> Share:
    """Meets the other processes, and takes a GPU if there are any; to be called before Merlin is imported.

    Merlin wakes TensorFlow up, which then neither hides GPUs nor lets their memory grow.
    """
    import horovod.tensorflow as hvd

    hvd.init()
    if gpus := tf.config.list_physical_devices("GPU"):
        own = gpus[hvd.local_rank()]
        tf.config.set_visible_devices(own, "GPU")
        tf.config.experimental.set_memory_growth(own, True)
    return Share(hvd.rank(), hvd.size())


@contextmanager
def _own_signals() -> Iterator[None]:
    """Horovod handles these signals and leaves it at that: without their old handlers, no one could end the step."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
