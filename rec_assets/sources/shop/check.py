"""Checks a shop's data without training: counts of rows that are dropped, with examples, and a summary of the shop."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from textwrap import shorten

import polars as pl

from rec_assets.sources.base import ATTRIBUTES
from rec_assets.sources.roles import HISTORY, ROLE, SEEN, TARGET
from rec_assets.sources.shop import values
from rec_assets.sources.shop.images import TRIED
from rec_assets.sources.shop.mapping import Items
from rec_assets.sources.shop.source import ShopSource
from rec_assets.sources.shop.tables import connect, open_table

EXAMPLES = 3
SHOWN = 100  # letters of a condition; the mapping has the rest
OUTCOMES = {
    TARGET: "teaches: trainings, hits of evaluations, popularity, and history",
    HISTORY: "history: models read the rows, and do not learn to predict them",
    SEEN: "filters: the item leaves the user's lists for some days",
    None: "dropped",
}
# What a shop loses without a column.
ABSENT = {
    "titles": "lists show ids instead of names",
    "prices": "the ranker has no price",
    "categories": "new items have no rate of their category to start from",
    "images": "vectors of items do not say how they look",
    "devices": "lists do not differ by device",
    "ages and genders": "users without history get the same list",
}


@dataclass(frozen=True)
class Problem:
    """Rows of a table that are dropped or changed.

    Attributes:
        where: table and column.
        rows: number of rows.
        examples: first values.
        outcome: what happens to the rows.
    """

    where: str
    rows: int
    examples: tuple[str, ...]
    outcome: str


@dataclass(frozen=True)
class Summary:
    """Figures of a shop by name, and what it lacks, each with the cost."""

    figures: dict[str, str]
    absent: dict[str, str]


def find_problems(source: ShopSource) -> list[Problem]:
    """Reads all tables; returns every problem, the largest first."""
    found = (*_in_interactions(source), *_in_items(source), *_in_images(source))
    return sorted(found, key=lambda one: -one.rows)


def count_events(source: ShopSource) -> list[tuple[str, int, str]]:
    """Returns event type or rating, number of rows, and what happens to them, most frequent first.

    Empty for a shop without a column of either. Rows that do not meet `where` are left out.
    """
    rows = source.shop.interactions
    if not (rows.event or rows.rating):
        return []
    connection = connect(source.shop.timezone, source.base, source.shop.days)
    connection.register("shop_rows", open_table(connection, rows, source.base, source.limits))
    counted = connection.sql(
        f"SELECT {values.event(rows)}, {values.rating(rows)}, {values.role(rows)}, count(*) FROM shop_rows "
        f"WHERE {values.meets(rows)} GROUP BY ALL ORDER BY 4 DESC, 1, 2"
    ).fetchall()
    ratings = {
        "high": f"{rows.rating} {rows.rating_at_least:g} or higher",
        "low": f"{rows.rating} below {rows.rating_at_least:g}",
        "none": f"{rows.rating} is no number",
    }
    found = []
    for kind, rated, role, count in counted:
        shown = [kind or f"no {rows.event}"] if rows.event else []
        outcome = OUTCOMES[role]
        if role == SEEN and source.shop.seen_filter == "nothing":
            outcome = 'no effect: seen_filter is "nothing"; set it to "marked"'
        found.append((", ".join([*shown, *([ratings[rated]] if rows.rating else [])]), int(count), outcome))
    return found


def summarize(source: ShopSource) -> Summary:
    """Returns the figures that a shop owner compares with their own."""
    shop, days = source.shop, source.shop.days
    rows = source.rows().collect().with_columns(day=pl.from_epoch("timestamp").dt.date())
    kept = rows.filter(pl.col("day").is_between(days.first, days.last))
    used = kept.filter(pl.col(ROLE) == TARGET)
    split = days.first + timedelta(days=days.train)
    trained, later = used.filter(pl.col("day") < split), used.filter(pl.col("day") >= split)
    visits = used.unique(["user", "item", "day"])
    again = visits.height - visits.unique(["user", "item"]).height
    arriving = later["user"].unique()
    cold = arriving.filter(~arriving.is_in(trained["user"].unique().implode())).len()
    items = source.catalog()
    number = (days.last - days.first).days + 1
    empty = number - used["day"].n_unique()
    median = used.group_by("user").len().select(pl.col("len").median().cast(pl.Float64)).item() or 0.0
    figures = {
        "days": f"{days.first} to {days.last} ({number}, of which {empty} have no rows)",
        "interactions": f"{used.height:,} (of {rows.height:,} in the files)",
        **({"rows that do not teach": f"{kept.height - used.height:,}"} if kept.height > used.height else {}),
        "users": f"{used['user'].n_unique():,}",
        "items": f"{items.height:,} in the catalog, {used['item'].n_unique():,} with interactions",
        **_attributes(items, shop.items),
        **_images(source),
        "interactions per user, median": f"{median:g}",
        "repeated interactions": f"{again / max(1, visits.height):.0%}",
        "new users in the days after training": f"{cold / max(1, arriving.len()):.0%} of {arriving.len():,}",
    }
    known = {
        "titles": items["title"].null_count() < items.height,
        "prices": items["price"].null_count() < items.height,
        "categories": items["category_l1"].null_count() < items.height,
        "images": shop.items.has_images,
        "devices": bool(shop.interactions.device),
        "ages and genders": bool(shop.users.age or shop.users.birth_year or shop.users.gender),
    }
    return Summary(figures, {name: cost for name, cost in ABSENT.items() if not known[name]})


def _attributes(items: pl.DataFrame, mapping: Items) -> dict[str, str]:
    """Returns a figure for each column that only filters and rules read."""
    found = {}
    for name in ATTRIBUTES:
        if getattr(mapping, name):
            known = items[name].drop_nulls()
            span = "" if name == "brand" else f" from {float(known.min()):g} to {float(known.max()):g}"  # type: ignore[arg-type]
            values = f"{known.n_unique():,} values{span}"
            found[name] = f"{known.len():,} of {items.height:,} items, {values}" if known.len() else "no readable value"
    return found


def _in_interactions(source: ShopSource) -> Iterator[Problem]:
    rows = source.shop.interactions
    connection = connect(source.shop.timezone, source.base, source.shop.days)
    connection.register("shop_rows", open_table(connection, rows, source.base, source.limits))
    condition = shorten(rows.where, SHOWN, placeholder=" …")
    dropped = {f"dropped: they do not meet {condition}": f"NOT {values.is_met(rows)}"} if rows.where else {}
    if rows.quantity:
        dropped[f"dropped as returns: {rows.quantity} is 0 or less"] = f"NOT {values.is_kept(rows)}"
    for outcome, condition in dropped.items():
        if count := connection.sql(f"SELECT count(*) FROM shop_rows WHERE {condition}").fetchall()[0][0]:
            yield Problem("interactions", count, (), outcome)
    readers = {
        rows.user: values.identifier(rows.user),
        rows.item: values.identifier(rows.item),
        rows.time: values.moment(rows),
    }
    for column, reader in readers.items():
        shown = f"CAST({values.quoted(column)} AS VARCHAR)"
        wrong = f"FROM shop_rows WHERE {reader} IS NULL"
        count = connection.sql(f"SELECT count(*) {wrong}").fetchall()[0][0]
        if count:
            found = connection.sql(f"SELECT DISTINCT coalesce({shown}, 'empty') {wrong} LIMIT {EXAMPLES}").fetchall()
            yield Problem(
                f"interactions, {column}", count, tuple(one for (one,) in found), "dropped: no readable value"
            )
    if rows.time_of_day:
        wrong = f"FROM shop_rows WHERE {values.clock(rows.time_of_day)} IS NULL"
        if count := connection.sql(f"SELECT count(*) {wrong}").fetchall()[0][0]:
            yield Problem(f"interactions, {rows.time_of_day}", count, (), "kept: the time of day counts as midnight")
    all_rows = source.rows().collect()
    repeated = all_rows.height - all_rows.unique().height
    if repeated:
        yield Problem("interactions", repeated, (), "dropped: exact duplicates of other rows")
    known = source.catalog()["item"]
    unknown = all_rows.filter(~pl.col("item").is_in(known.implode()))
    if unknown.height:
        examples = tuple(unknown["item"].unique(maintain_order=True).head(EXAMPLES))
        yield Problem(f"interactions, {rows.item}", unknown.height, examples, "dropped: not in the catalog")
    yield from _outside(source, all_rows)


def _outside(source: ShopSource, rows: pl.DataFrame) -> Iterator[Problem]:
    days = source.shop.days
    day = pl.from_epoch("timestamp").dt.date()
    for name, condition in {
        "before": day < days.first,
        "after": day > days.last,
    }.items():
        outside = rows.filter(condition).select(day=day)["day"]
        if outside.len():
            shown = tuple(one.isoformat() for one in (outside.min(), outside.max()) if isinstance(one, date))
            yield Problem("interactions", outside.len(), shown, f"not used: {name} the days of the mapping")


def _in_items(source: ShopSource) -> Iterator[Problem]:
    items, mapping = source.catalog(), source.shop.items
    named = {"title": mapping.title, "price": mapping.price, "category_l1": ", ".join(mapping.categories)}
    named |= {name: getattr(mapping, name) for name in ATTRIBUTES}
    for column, name in named.items():
        lacking = items.filter(pl.col(column).is_null())
        if name and lacking.height:
            examples = tuple(lacking["item"].head(EXAMPLES))
            yield Problem(f"items, {name}", lacking.height, examples, "kept: the value counts as unknown")


def _in_images(source: ShopSource) -> Iterator[Problem]:
    """Finds all images of files, and opens a few; asks the servers of downloads for these few alone."""
    mapping = source.shop.items
    if not mapping.has_images:
        return
    found = source.found_images
    where = f"items, {mapping.image or mapping.images}"
    missing = [one for one in source.catalog()["item"] if one not in found.places and one not in found.failures]
    outcomes = {
        "kept: the item has no image": missing,
        "kept: of several images, the first by name is taken": list(found.several),
        "kept: the image counts as missing": [f"{item}: {reason}" for item, reason in found.failures.items()],
    }
    trial = source.images.try_some(found)
    failed = f"kept: of {trial.tried} images that were opened for a try, these count as missing"
    outcomes[failed] = [f"{item}: {reason}" for item, reason in trial.failures.items()]
    for outcome, examples in outcomes.items():
        if examples:
            yield Problem(where, len(examples), tuple(examples[:EXAMPLES]), outcome)


def _images(source: ShopSource) -> dict[str, str]:
    """Returns a figure of the images: files that are there, and downloads, of which a check opens only a few."""
    if not source.shop.items.has_images:
        return {}
    places = source.found_images.places
    addresses = sum(isinstance(place, str) for place in places.values())
    text = f"{len(places):,} of {source.catalog().height:,} items"
    if addresses:
        text += f"; {addresses:,} are downloads, of which the check tries at most {TRIED}"
    return {"images": text}
