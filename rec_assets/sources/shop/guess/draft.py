"""Guesses a mapping from the names and values of columns: a first draft that its owner reads and corrects."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rec_assets.common.errors import ActionableError
from rec_assets.sources.images.pattern import mistake_in
from rec_assets.sources.roles import TARGET
from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess.categories import category_columns
from rec_assets.sources.shop.guess.conditions import condition_of
from rec_assets.sources.shop.guess.events import event_roles
from rec_assets.sources.shop.guess.images import Images, find_images
from rec_assets.sources.shop.guess.names import CODED, plain
from rec_assets.sources.shop.guess.sample import ONE_VALUE, Sample
from rec_assets.sources.shop.guess.table import Table
from rec_assets.sources.shop.guess.tables import find_tables
from rec_assets.sources.shop.mapping import Days, Interactions, Items, Shop, Users
from rec_assets.sources.shop.tables import connect, open_table

TRAIN_DAYS, VALID_DAYS, DAYS = 180, 28, 210
FEW_ROWS, LONGEST = 100_000, 4  # below so many rows, the windows grow up to so many times as long
STRAY, STRAY_DAYS = 0.001, 60  # share of rows, and their distance from the others, that are taken for wrong dates
TITLES = 0.05  # titles for each item that a column of titles has at least
REPEATS = 0.1  # share of interactions from which seen items stay in the lists
LIKED = {1.0: 1.0, 5.0: 4.0, 10.0: 7.0, 100.0: 70.0}  # smallest liked rating by the end of its scale
ANY_DAYS = Days(first=date(2000, 1, 1), count=1, train=1, valid=1)  # until the history is read


@dataclass(frozen=True)
class Draft:
    """A guessed mapping, and a sentence for each decision."""

    shop: Shop
    notes: tuple[str, ...]


def guess_shop(location: Path, base: Path) -> Draft:
    """Drafts the mapping of a file or of a folder.

    Args:
        location: the exported data.
        base: folder of the mapping file; paths in the mapping are relative to it.

    Raises:
        ActionableError: there are no data files, or no table has users, items and times.
    """
    tables = find_tables(location, base)
    interactions, notes = _interactions(tables.main, base)
    notes += [f"  not used, though it has interactions too: {one.label}, {one.rows:,} rows" for one in tables.unused]
    notes += [f"  left out: {error.problem} {error.next_step}" for error in tables.unreadable]
    items, item_notes = _items(tables.items or tables.main, tables.items is not None, interactions.item, base)
    if tables.items and not items.price and (paid := tables.main.roles.get("price")):
        interactions = interactions.model_copy(update={"price": paid})
        item_notes = [note.replace("absent: price, ", "absent: ") for note in item_notes if note != "  absent: price"]
        item_notes.append(f"  price: {paid} of the interactions")
    notes += [*item_notes, f"users: {tables.users.label if tables.users else 'taken from the interactions'}"]
    notes += tables.users.notes if tables.users else ()
    users = _users(tables.users, base)
    draft = Shop(name=_name_of(location), days=ANY_DAYS, interactions=interactions, items=items, users=users)
    counts, repeats = _history(draft, base)
    days = days_of(counts)
    first, last = map(_day, span_of(counts))
    notes.append(f"rows of {first} to {last}; used: {days.count} days from {days.first} on")
    notes.append(f"a full training reads {days.train} days and validates on {days.valid} more")
    again = repeats > REPEATS
    notes.append(f"{repeats:.0%} of interactions repeat an item of an earlier day")
    notes.append("seen items stay in the lists" if again else "seen items leave the lists for a week")
    marks = bool(interactions.seen_events or interactions.rating)
    seen_filter = "clicked" if not again else "marked" if marks else "nothing"
    return Draft(draft.model_copy(update={"days": days, "seen_filter": seen_filter}), tuple(notes))


def days_of(counts: Mapping[int, int]) -> Days:
    """Chooses the windows of a history.

    Validation takes a thirteenth of it, at most four weeks, training the days before, at most 180. With few rows, the
    windows grow up to four times as long. The last two days are left for fine-tunes. Days before the window are not
    used.

    Args:
        counts: interactions by day, days since 1970 in ascending order.
    """
    first, last = span_of(counts)
    count = last - first + 1
    factor = 1
    while factor < LONGEST and sum(n for day, n in counts.items() if last - factor * DAYS < day <= last) < FEW_ROWS:
        factor += 1
    valid = min(factor * VALID_DAYS, max(1, round(count / 13)))
    later = 2 if count > 6 else 0
    train = max(1, min(factor * TRAIN_DAYS, count - valid - later))
    used = min(count, train + valid + later)
    return Days(first=_day(last - used + 1), count=used, train=train, valid=valid)


def _interactions(table: Table, base: Path) -> tuple[Interactions, list[str]]:
    roles, sample = table.roles, table.sample
    notes = [f"interactions: {table.label}, {table.rows:,} rows", *table.notes]
    notes += [f"  one row for each element of {table.origin.unfold}"] if table.origin.unfold else []
    notes += [
        f"  {role.replace('_', ' ')}: {roles[role]}"
        for role in ("user", "item", "time", "time_of_day", "device")
        if role in roles
    ]
    roles_of_events = dict[str, tuple[str, ...]]()
    quantity, event = roles.get("quantity", ""), _event_column(table)
    where, dropped = condition_of(table, event)
    notes += [f"  rows with {quantity} of 0 or less are dropped as returns"] if quantity else []
    notes += dropped
    if event:
        counts = sample.counts(event)
        roles_of_events = event_roles(kind.strip() for kind in counts)
        if roles_of_events.get("events", ()) == tuple(sorted({kind.strip() for kind in counts})):
            roles_of_events = {}  # all teach, also types of later files
        shown = ", ".join(f"{kind} {count:,}" for kind, count in list(counts.items())[:6])
        notes += [f"  events: {shown}", f"    teach: {', '.join(roles_of_events.get('events', ())) or 'all'}"]
        for name, meaning in (("history_events", "only history"), ("seen_events", "only filter")):
            notes += [f"    {meaning}: {', '.join(roles_of_events[name])}"] if name in roles_of_events else []
    rating, liked = roles.get("rating", ""), 0.0
    if rating:
        largest = sample.number(f"max({values.amount(rating)})")
        liked = next((least for end, least in LIKED.items() if largest <= end), 0.0)
        notes.append(f"  rows with {rating} below {liked:g} only filter, as not liked")
    mapping = Interactions(
        **_origin(table, base),
        where=where,
        user=roles["user"],
        item=roles["item"],
        time=roles["time"],
        time_of_day=roles.get("time_of_day", ""),
        time_format=sample.time_format(roles["time"]) or "",
        device=roles.get("device", ""),
        quantity=quantity,
        event=event if roles_of_events else "",
        **roles_of_events,
        rating=rating,
        rating_at_least=liked,
        low_ratings="seen" if rating else "dropped",
    )
    return mapping, notes


def _event_column(table: Table) -> str:
    """Returns the first column of event types whose teaching rows have items; "" without one.

    Some exports have two: a kind of rows, such as page views and events, and the action of an event.
    """
    sample, item = table.sample, values.identifier(table.roles["item"])
    for column in sample.candidates("event") if "event" in table.roles else ():
        teaching = event_roles(kind.strip() for kind in sample.counts(column)).get("events", ())
        listed = ", ".join(map(values.literal, teaching))
        kind = f"trim(CAST({values.quoted(column)} AS VARCHAR))"
        if teaching and sample.share(f"coalesce({kind} IN ({listed}) AND {item} IS NOT NULL, false)") > 0:
            return column
    return ""


def _items(table: Table, own: bool, item: str, base: Path) -> tuple[Items, list[str]]:
    sample, key = table.sample, table.roles["item"] if own else item
    # Most rows of an item say the same of it. The title of a review, for example, does not.
    roles = {
        role: name
        for role, name in table.roles.items()
        if own or role == "price" or sample.determined(name, key) >= ONE_VALUE
    }
    others = {name for role, name in roles.items() if role not in ("title", "description")}
    if title := _title(sample, key, own, others):
        roles["title"] = title
        roles = {role: name for role, name in roles.items() if role != "description" or name != title}
    else:
        roles.pop("title", None)
    images = find_images(sample, roles.get("image", ""), key, table.root)
    start = _relative(table.root / images.images, base) if images.images else ""
    if mistake_in(start, has_column=bool(images.column)):  # a folder with braces or stars in its name
        images, start = Images(), ""
    named = ("title", "description", "price", "available", "brand", "image", "user", "time", "event", "item")
    categories = category_columns(sample, key, {roles[role] for role in named if role in roles} | {key})
    items = Items(
        **(_origin(table, base) if own else {}),
        item=key if own else "",
        title=roles.get("title", key if _is_readable(sample, key) else ""),
        description=roles.get("description", ""),
        price=roles.get("price", ""),
        categories=categories,
        category_separator=sample.separator(categories[0]) if len(categories) == 1 else "",
        gender=roles.get("gender", "") if own else "",
        available=roles.get("available", "") if own else "",
        brand=roles.get("brand", ""),
        images="" if start == "." else start,
        image=images.column,
    )
    shown = {
        "title": items.title,
        "description": items.description,
        "price": items.price,
        "category": " > ".join(categories),
        "images": images.note and f"{f'column {images.column}' if images.column else start} ({images.note})",
    }
    absent = ", ".join(name for name, value in shown.items() if not value and name != "description")
    shown |= {"available": items.available, "brand": items.brand}
    notes = [f"items: {table.label if own else 'taken from the interactions'}", *(table.notes if own else ())]
    notes += [f"  {name}: {value}" for name, value in shown.items() if value]
    return items, [*notes, f"  absent: {absent}"] if absent else notes


def _title(sample: Sample, key: str, own: bool, taken: set[str]) -> str:
    """Returns the first column of titles that says something of each item, "" without one.

    The title of a page or the name of a customer is not the item's, and the name of a campaign is that of too many.
    """
    least = TITLES * sample.distinct(key)
    fitting = (name for name in sample.candidates("title") if name not in taken and sample.distinct(name) >= least)
    return next((name for name in fitting if own or sample.determined(name, key) >= ONE_VALUE), "")


def _is_readable(sample: Sample, item: str) -> bool:
    """Returns True if the ids of items are their names: texts of several words, or of letters in no column of codes."""
    of_words = sample.share(f"coalesce({values.words(item)} LIKE '% %', false)") >= ONE_VALUE
    with_digits = sample.share(f"coalesce(regexp_matches({values.words(item)}, '[0-9]'), false)") >= ONE_VALUE
    return of_words or not (with_digits or CODED.search(plain(item)))


def _users(table: Table | None, base: Path) -> Users:
    if table is None:
        return Users()
    named = {role: table.roles.get(role, "") for role in ("user", "age", "birth_year", "gender")}
    return Users(**_origin(table, base), **named)


def _origin(table: Table, base: Path) -> dict[str, Any]:
    """Returns the entries of a mapping that say where a table lies, with paths relative to the mapping file."""
    if table.origin.files:
        return {
            "files": _relative(table.root / table.origin.files, base),
            "columns": table.origin.columns,
            "unfold": table.origin.unfold,
        }
    moved = re.sub(
        r"(read_\w+\(')([^']+)'",
        lambda found: f"{found[1]}{_relative(table.root / found[2], base)}'",
        table.origin.query,
    )
    return {"query": moved}


def _history(shop: Shop, base: Path) -> tuple[dict[int, int], float]:
    """Returns the interactions by day since 1970, and the share of them that repeat an item of an earlier day."""
    connection, rows = connect(shop.timezone, base, threads=1), shop.interactions
    connection.register("shop_rows", open_table(connection, rows, base))
    user, item = values.identifier(rows.user), values.identifier(rows.item)
    teaches = f"{values.meets(rows)} AND {values.role(rows)} = {TARGET}"
    day = f"{values.moment(rows)} // 86400"
    counted = connection.sql(
        f"WITH kept AS (SELECT {user} AS u, {item} AS i, {day} AS d FROM shop_rows WHERE {teaches}), "
        "days AS (SELECT DISTINCT u, i, d FROM kept WHERE u IS NOT NULL AND i IS NOT NULL AND d IS NOT NULL), "
        "numbered AS (SELECT d, row_number() OVER (PARTITION BY u, i ORDER BY d) AS n FROM days) "
        "SELECT d, count(*), sum(CAST(n > 1 AS INT)) FROM numbered GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if not counted:
        raise ActionableError("No row has a user, an item and a time.", "Correct the mapping.")
    repeats = sum(again for *_, again in counted) / sum(count for _, count, _ in counted)
    return {int(day): int(count) for day, count, _ in counted}, float(repeats)


def span_of(counts: Mapping[int, int]) -> tuple[int, int]:
    """Returns the first and the last day of a history, without the wrong dates of a few rows.

    Args:
        counts: interactions by day, days since 1970 in ascending order.
    """
    days, total, few = list(counts), sum(counts.values()), 0
    inner = []
    for day, count in counts.items():
        if few + count > STRAY * total and few <= (1 - STRAY) * total:
            inner.append(day)
        few += count
    near = [day for day in days if inner[0] - STRAY_DAYS <= day <= inner[-1] + STRAY_DAYS]
    return near[0], near[-1]


def _day(since_1970: int) -> date:
    return datetime.fromtimestamp(86_400 * since_1970, UTC).date()


def _relative(path: Path, base: Path) -> str:
    absolute, start = Path(os.path.normpath(path.absolute())), base.resolve()
    return str(absolute.relative_to(start)) if absolute.is_relative_to(start) else str(absolute)


def _name_of(location: Path) -> str:
    stem = location.resolve().name.split(".")[0]
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "shop"
