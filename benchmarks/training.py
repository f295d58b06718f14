"""Measures the training speed of the two towers and the ranker in rows per second, on the available devices.

    python -m benchmarks.training [DAY] [--rows 1000000] [--batch-size 4096]

Reads the training set of DAY (default: the day of the first full training), which `make demo` writes. `--rows` copies
users to reach a number of rows. A step of the two towers has one batch per GPU. A row of the ranker is one position of
a list. `loader` is the time to make the batches of an epoch, relative to the epoch. The first epoch is left out,
because it traces the graph.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID
from rec_assets.features.history import InteractionLog
from rec_assets.orchestration.peak_memory import forget_peak, peak_mb
from rec_assets.settings import get_settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.training.ranking.train import RankerConfig, build_ranker, list_batches
from rec_assets.training.retrieval.tower_rows import TowerRows
from rec_assets.training.retrieval.train import TwoTowerConfig, build_two_tower

SEED, HORIZON_DAYS, CANDIDATES, MAX_LISTS = 0, 3, 300, 20_000
EPOCHS = 3


@dataclass(frozen=True)
class Speed:
    """Measured over one epoch.

    Attributes:
        rows_per_second: rows per second end to end, with making the batches.
        loader: seconds to make the batches, divided by the seconds of the epoch.
        median_ms: median time of a step.
        largest_ms: time of the slowest step.
    """

    rows_per_second: float
    loader: float
    median_ms: float
    largest_ms: float


def main(
    day: Annotated[str, typer.Argument(help="The as-of day. Default: the day of the first full training.")] = "",
    rows: Annotated[int, typer.Option(min=0, help="Copies users to reach this number of rows. 0: no copies.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Batch size of the two towers per device. 0: the default.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Folder of a training set. Default: the artifact store.")] = None,
) -> None:
    """Prints the speed of both trainings."""
    settings = get_settings()
    try:
        folder = folder or open_store(settings).get("training_set", day or settings.as_of.isoformat()).path
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    data = TrainingSet.load(folder)
    data = data if not rows else copied(data, rows)
    shown = Table("", "rows", "rows/s", "loader", "median step", "largest step", "memory", "GPU memory")
    for title, measure in (("two towers", two_towers), ("ranker", ranker)):
        forget_peak()
        count, speed = measure(data, batch_size)
        figures = (f"{speed.rows_per_second:,.0f}", f"{speed.loader:.0%}", f"{speed.median_ms:.1f} ms")
        shown.add_row(title, f"{count:,}", *figures, f"{speed.largest_ms:.1f} ms", f"{peak_mb():,.0f} MB", gpu_memory())
    console = Console()
    console.print(shown)
    console.print(f"{machine()}; {devices()}")


def copied(data: TrainingSet, rows: int) -> TrainingSet:
    """Returns the training set with copies of all users, until it has `rows` rows. Each copy is a separate user."""
    times = -(-rows // len(data.rows["item_id"]))
    new_user = int(max(data.rows[REQUEST_USER_ID].max(), data.log.user_ids.max())) + 1
    columns = {name: np.tile(column, times)[:rows] for name, column in data.rows.items()}
    copy = np.repeat(np.arange(times), len(data.rows["item_id"]))[:rows]
    columns[REQUEST_USER_ID] = np.where(
        columns[REQUEST_USER_ID] < 0, -1, columns[REQUEST_USER_ID] + new_user * copy
    ).astype(np.int32)
    users = np.concatenate([data.log.user_ids + new_user * number for number in range(times)])
    log = InteractionLog.of(users, np.tile(data.log.timestamps, times), np.tile(data.log.item_ids, times))
    return replace(data, rows=columns, log=log)


def two_towers(data: TrainingSet, batch_size: int) -> tuple[int, Speed]:
    """Trains the two towers on all rows. Returns the rows of an epoch and the speed."""
    from rec_assets.training.loop.data_parallel import compile_with_adam, replicas, training_strategy
    from rec_assets.training.loop.determinism import make_deterministic

    make_deterministic(SEED)
    config = TwoTowerConfig(HORIZON_DAYS)
    tower_rows = TowerRows.of(data.rows, data.log)
    with training_strategy().scope():
        model = build_two_tower(data, config, SEED)
        config = replace(config, batch_size=(batch_size or config.batch_size) * replicas())
    compile_with_adam(model, config.learning_rate)
    return timed(
        model,
        lambda epoch: tower_rows.epoch(len(tower_rows), HORIZON_DAYS, config.batch_size, epoch),
        config.batch_size,
    )


def ranker(data: TrainingSet, _: int) -> tuple[int, Speed]:
    """Trains the ranker on lists of random candidates. Returns the positions of an epoch and the speed."""
    from rec_assets.datasets.candidates import Candidates
    from rec_assets.datasets.neighbors.item_neighbors import item_neighbors, training_log
    from rec_assets.datasets.rows import take
    from rec_assets.features.columns import REQUEST_USER_ID
    from rec_assets.training.loop.data_parallel import compile_with_adam
    from rec_assets.training.loop.determinism import make_deterministic
    from rec_assets.training.ranking.candidate_lists import RankerLists, arrivals

    make_deterministic(SEED)
    config, random = RankerConfig(HORIZON_DAYS), np.random.default_rng(SEED)
    requests = take(data.rows, arrivals(data.rows, data.rows[REQUEST_USER_ID] >= 0, MAX_LISTS, SEED))
    users = requests[REQUEST_USER_ID]
    shape = (len(requests["item_id"]), min(CANDIDATES, len(data.items.catalog)))
    # The clicked item is a candidate, because real retrieval finds some of these items too.
    ids = random.choice(data.items.catalog, shape).astype(np.int32)
    ids[:, 0] = requests["item_id"]
    candidates = Candidates(ids, np.sort(random.normal(size=shape).astype(np.float32))[:, ::-1])
    near = item_neighbors(training_log(data), len(data.items.raw_ids))
    lists = RankerLists.of(requests, users, candidates, data.log, data.log, data.items, near, HORIZON_DAYS)
    model = build_ranker(data, [lists])
    model.train_on(data.items.features)
    compile_with_adam(model, config.learning_rate)
    positions = config.batch_size * (config.positives + config.negatives)
    return timed(model, lambda epoch: list_batches([lists], config, epoch), positions)


def timed(model: Any, batches: Callable[[int], Any], rows_per_step: int) -> tuple[int, Speed]:
    """Fits one warm-up epoch and `EPOCHS` timed epochs. Batches are drawn ahead in a thread, as in trainings."""
    import tensorflow as tf

    from rec_assets.training.loop.early_stopping import drawn_ahead

    ends: list[float] = []
    record_end = tf.keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: ends.append(time.perf_counter()))
    start = 0.0
    for epoch, drawn in drawn_ahead(batches, 0, 1 + EPOCHS):
        model.fit(drawn, verbose=0, callbacks=[record_end] if epoch else [])
        start = start or time.perf_counter()
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    for _ in batches(1):
        pass
    loader = EPOCHS * (time.perf_counter() - start)
    steps = np.diff(ends[: len(ends) // EPOCHS]) * 1_000
    rows = len(ends) * rows_per_step
    return rows // EPOCHS, Speed(rows / seconds, loader / seconds, float(np.median(steps)), float(steps.max()))


def devices() -> str:
    """Returns the version of TensorFlow and the names of its GPUs."""
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    names = [one.get("device_name", "GPU") for one in details]
    return f"TensorFlow {tf.__version__}, " + (", ".join(names) or "no GPU")


def gpu_memory() -> str:
    """Returns the peak memory of TensorFlow's tensors on the first GPU."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return "none"
    return f"{tf.config.experimental.get_memory_info('GPU:0')['peak'] / 1e6:,.0f} MB"


if __name__ == "__main__":
    typer.run(main)
