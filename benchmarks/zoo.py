"""Runs shops of unusual shapes through the graph: from raw rows to a bundle that passed or failed its gates.

.venv/bin/python -m benchmarks.zoo [SHAPE …] prints a line a shape: the bundle, or the refusal and its reason. Serving's
stages run without Valkey; nothing is promoted.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings, get_settings

FIRST = date(2025, 3, 3)
DAY_S = 86_400


@dataclass
class Frames:
    """The tables of a shop; a shape changes them.

    Attributes:
        rows: user_id, item_id, day (number from the first) and second of the day.
        items, users: as the contract has them, columns left out where absent.
        days: length of the history.
    """

    rows: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    days: int = 6


def shop(users: int = 60, items: int = 40, per_day: int = 250, days: int = 6, seed: int = 0) -> Frames:
    """Returns an ordinary small shop: popular items, users with favorites."""
    random = np.random.default_rng(seed)
    n = per_day * days
    user = random.integers(0, users, n)
    popular = np.minimum(random.geometric(0.08, n) - 1, items - 1)
    favorite = (user * 7) % items
    rows = pl.DataFrame(
        {
            "user_id": user,
            "item_id": np.where(random.random(n) < 0.4, favorite, popular),
            "device_type": random.integers(0, 3, n),
            "day": np.repeat(np.arange(days), per_day),
            "second": random.integers(0, DAY_S, n),
        }
    )
    catalog = pl.DataFrame(
        {
            "item_id": np.arange(items),
            "title": [f"Thing {n}" for n in range(items)],
            "product_description": [f"Thing {n} of kind {n % 4}" for n in range(items)],
            "price": 1.0 + np.arange(items) % 17,
            "category_l1": np.arange(items) % 4,
            "category_l2": np.arange(items) % 8,
        }
    )
    numbers = np.arange(users)
    people = pl.DataFrame({"user_id": numbers, "age": 18 + numbers % 50, "gender": numbers % 2})
    return Frames(rows, catalog, people, days)


def without(*columns: str) -> Frames:
    """Returns an ordinary shop that lacks some columns."""
    made = shop()
    made.rows, made.items, made.users = (
        frame.drop([name for name in columns if name in frame.columns]) for frame in (made.rows, made.items, made.users)
    )
    return made


def with_one_value(column: str, value: Any) -> Frames:
    """Returns an ordinary shop where a column has one value."""
    made = shop()
    for name in ("rows", "items", "users"):
        frame = getattr(made, name)
        if column in frame.columns:
            setattr(made, name, frame.with_columns(pl.lit(value).alias(column)))
    return made


def single_events() -> Frames:
    """Returns a shop in which every user has one interaction."""
    made = shop(users=1_500)
    made.rows = made.rows.with_columns(user_id=pl.int_range(pl.len()))
    return made


def with_gaps() -> Frames:
    """Returns a shop with two days without rows between full ones."""
    made = shop(days=8)
    made.rows = made.rows.filter(~pl.col("day").is_in([2, 3]))
    return made


def large_catalog(items: int) -> Frames:
    """Returns a shop with interactions with a few of very many items."""
    made = shop(users=200)
    numbers = np.arange(items)
    made.items = pl.DataFrame(
        {"item_id": numbers, "title": [f"Thing {n % 500}" for n in range(items)], "category_l1": numbers % 20}
    )
    return made


def heavy_user(rows: int) -> Frames:
    """Returns a shop where one user has most of the rows."""
    made = shop()
    many = made.rows.sample(rows, with_replacement=True, seed=1).with_columns(user_id=pl.lit(3, pl.Int64))
    made.rows = pl.concat([made.rows, many.with_columns(second=pl.int_range(pl.len()) % DAY_S)])
    return made


SHAPES: dict[str, Callable[[], Frames]] = {
    "ordinary": shop,
    "no ages": lambda: without("age"),
    "no ages and genders": lambda: without("age", "gender"),
    "no devices": lambda: without("device_type"),
    "no prices": lambda: without("price"),
    "no genders": lambda: without("gender"),
    "no descriptions": lambda: without("product_description"),
    "no descriptions and titles": lambda: without("title", "product_description"),
    "no categories": lambda: without("category_l1", "category_l2"),
    "nothing but ids": lambda: without(
        "age", "gender", "device_type", "price", "title", "product_description", "category_l1", "category_l2"
    ),
    "one price": lambda: with_one_value("price", 10.0),
    "price 0": lambda: with_one_value("price", 0.0),
    "one category": lambda: with_one_value("category_l1", 0),
    "one age": lambda: with_one_value("age", 30),
    "one device": lambda: with_one_value("device_type", 1),
    "one description": lambda: with_one_value("product_description", "A thing"),
    "ten items": lambda: shop(items=10),
    "two items": lambda: shop(items=2),
    "one item": lambda: shop(items=1),
    "one user": lambda: shop(users=1, per_day=60),
    "two users": lambda: shop(users=2, per_day=60),
    "ten rows a day": lambda: shop(per_day=10),
    "one row a day": lambda: shop(per_day=1),
    "single events": single_events,
    "empty days between full ones": with_gaps,
    "a user with 20,000 rows": lambda: heavy_user(20_000),
    "a user with 100,000 rows": lambda: heavy_user(100_000),
    "two days": lambda: shop(days=2),
    "400 days": lambda: shop(per_day=20, days=400),
    "200,000 items": lambda: large_catalog(200_000),
}


def write(made: Frames, folder: Path) -> None:
    """Writes a shop in the layout of `REC_SOURCE=files`."""
    midnight = int(datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC).timestamp())
    rows = made.rows.with_columns(timestamp=midnight + pl.col("day") * DAY_S + pl.col("second"))
    for number in range(made.days):
        day = rows.filter(day=number).drop("day", "second")
        day.write_parquet(folder / f"{FIRST + timedelta(days=number)}.parquet")
    made.items.write_parquet(folder / "items.parquet")
    made.users.write_parquet(folder / "users.parquet")


def run(made: Frames, folder: Path) -> str:
    """Trains a shop and tries its gates; returns one sentence."""
    (folder / "data").mkdir(parents=True)
    write(made, folder / "data")
    valid = 1
    settings = Settings(
        home=folder / "home",
        source="files",
        files_location=str(folder / "data"),
        start_date=FIRST,
        days=made.days,
        train_days=max(1, made.days - valid),
        valid_days=valid,
        max_epochs=2,
        valkey_port=1,
    )
    return train(settings)


def train(settings: Settings) -> str:
    """Trains the shop of the settings without Valkey and tries its gates; returns one sentence."""
    from rec_assets.orchestration.runs.run_local import phases, rebuild
    from rec_assets.serving.promotion.catalog import known_bundles
    from rec_assets.storage.artifacts.stores import open_store

    try:
        rebuild(settings, [phase for phase in phases(settings) if phase.job != "online_store"])
    except ActionableError as error:
        bundles = known_bundles(open_store(settings), settings)
        report = bundles[0].gate_report if bundles else None
        return f"refused: {'; '.join(report.reasons)}" if report else f"FAILED: {error.problem}"
    (bundle,) = known_bundles(open_store(settings), settings)
    assert bundle.gate_report is not None and bundle.gate_report.passed
    return f"bundle {bundle.bundle_id}"


def main(names: Annotated[list[str] | None, typer.Argument(help="Shapes; default: all.")] = None) -> None:
    """Runs the shapes and prints a table."""
    results = []
    for name in names or SHAPES:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            get_settings.cache_clear()
            try:
                outcome = run(SHAPES[name](), Path(folder))
            except Exception as error:
                outcome = f"CRASHED: {type(error).__name__}: {error}"
        results.append((name, outcome, time.monotonic() - started))
        typer.echo(f"=== {name}: {outcome} ({results[-1][2]:.0f} s)")
    typer.echo("\n| shape | outcome |\n| --- | --- |")
    for name, outcome, _ in results:
        typer.echo(f"| {name} | {outcome} |")


if __name__ == "__main__":
    typer.run(main)
