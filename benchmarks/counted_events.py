"""Measures how many events a second one Valkey counts for the trending items, by its own processor time.

    python -m benchmarks.counted_events [--events 50000] [--port 6399]

Starts a Valkey of its own. The events come in batches of a worker and are distinct.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.machine import machine
from rec_assets.cli.local.valkey import Valkey
from rec_assets.realtime.consumer import BATCH
from rec_assets.realtime.events import Event
from rec_assets.realtime.trending import Counted, Trending
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect

NOON, ITEMS, CATEGORIES = 1_741_608_000, 3_000, (20, 60)


def main(
    events: Annotated[int, typer.Option(min=BATCH, help="Number of events.")] = 50_000,
    port: Annotated[int, typer.Option(help="Port of the Valkey.")] = 6399,
) -> None:
    """Prints microseconds per event, and events per second of processor time."""
    rng = np.random.default_rng(0)
    users, items, times = rng.integers(1, 10**6, events), rng.integers(0, ITEMS, events), rng.integers(0, 3600, events)
    counted = [
        Counted(Event(user_id=user, item_id=item, at=NOON + at), item % CATEGORIES[0], item % CATEGORIES[1])
        for user, item, at in zip(users.tolist(), items.tolist(), times.tolist(), strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), valkey_port=port)
        server = Valkey(settings)
        server.start()
        try:
            trending, before = Trending.connect(settings), _processor_seconds(settings)
            for first in range(0, events, BATCH):
                trending.count(counted[first : first + BATCH])
            seconds = _processor_seconds(settings) - before
        finally:
            server.stop()
    Console().print(f"{1e6 * seconds / events:.1f} µs per event, {events / seconds:,.0f} events a second; {machine()}")


def _processor_seconds(settings: Settings) -> float:
    used = connect(settings).info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


if __name__ == "__main__":
    typer.run(main)
