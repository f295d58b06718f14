"""Measures the daily write of user features to the online store: all rows by Feast, and only changed rows.

    python -m benchmarks.online_writes [--users 100000] [--changed 0.02]

Starts a Valkey of its own. Both writes get the same days, in which a share of users has another `top_category`, and
alternate. Before each write the store has the day before.
"""

import tempfile
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from rec_assets.cli.local.valkey import Valkey
from rec_assets.features.store import online
from rec_assets.features.store.views import ITEM_FEATURES, ITEM_KEY, TIMESTAMP, USER_VIEW
from rec_assets.features.store.write_day import write_day
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect

FIRST = datetime(2025, 3, 14, tzinfo=UTC)
CATEGORIES = 20
PAIRS = 3


def write_users(file: Path, categories: "np.ndarray[tuple[int], np.dtype[np.int32]]", at: datetime) -> None:
    """Writes users with these top categories [n] as a day's features."""
    user = np.arange(1, len(categories) + 1, dtype=np.int32)
    columns = {"user_id": user, "age": 18 + user % 60, "gender": user % 2, "top_category": categories}
    pl.DataFrame(columns).with_columns(pl.lit(at).alias(TIMESTAMP)).write_parquet(file)


def main(
    users: Annotated[int, typer.Option(min=100, help="Number of users.")] = 100_000,
    changed: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of users who change from day to day.")] = 0.02,
    port: Annotated[int, typer.Option(help="Port of the Valkey.")] = 6399,
) -> None:
    """Prints the seconds of both writes, the smallest and the median of some days."""
    rng = np.random.default_rng(0)
    categories = rng.integers(-1, CATEGORIES, users, dtype=np.int32)
    seconds: dict[str, list[float]] = {"all rows (`feast materialize`)": [], "changed rows": []}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), valkey_port=port)
        file, items = settings.home / "users.parquet", settings.home / "items.parquet"
        pl.DataFrame({name: [1] for name in (ITEM_KEY, *ITEM_FEATURES)}).with_columns(
            pl.lit(FIRST).alias(TIMESTAMP)
        ).write_parquet(items)
        write_users(file, categories, FIRST)
        server = Valkey(settings)
        server.start()
        try:
            online.apply(settings, file, items)
            write_day(settings, USER_VIEW, file, FIRST)
            for number in range(1, 2 * PAIRS + 1):
                at = FIRST + timedelta(days=number)
                others = rng.choice(users, int(users * changed), replace=False)
                categories[others] = (categories[others] + 1) % CATEGORIES
                write_users(file, categories, at)
                is_full = number % 2 == 1
                start = time.perf_counter()
                _write(settings, file, at, is_full=is_full)
                seconds[list(seconds)[not is_full]].append(time.perf_counter() - start)
                stored = online.read_users(online.open_store(settings, online.BULK_TIMEOUT), np.arange(1, users + 1))
                assert (stored.columns["top_category"] == categories).all()
            memory = connect(settings).info("memory")["used_memory"]
        finally:
            server.stop()
    table = Table("", "smallest", "median", title=f"{users:,} users, {changed:.0%} changed; {machine()}")
    for name, values in seconds.items():
        table.add_row(name, f"{min(values):.2f} s", f"{np.median(values):.2f} s")
    least = [min(values) for values in seconds.values()]
    Console().print(table, f"ratio of the smallest: {least[0] / least[1]:.1f}; Valkey holds {memory / 1e6:.0f} MB")


def _write(settings: Settings, file: Path, at: datetime, *, is_full: bool) -> None:
    if is_full:
        with redirect_stdout(StringIO()):
            online.materialize(settings, at - timedelta(seconds=1), at, [USER_VIEW])
    else:
        write_day(settings, USER_VIEW, file, at)


if __name__ == "__main__":
    typer.run(main)
