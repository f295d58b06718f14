"""Guesses a mapping from the names and values of columns: a first draft that its owner reads and corrects."""

import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.sources.roles import TARGET
from rec_assets.sources.shop import values
from rec_assets.sources.shop.columns import Sample, common_glob, event_roles
from rec_assets.sources.shop.mapping import Days, Interactions, Items, Rows, Shop, Users
from rec_assets.sources.shop.tables import connect, data_files, kind_of, open_table

SAMPLE_ROWS = 50_000
REPEATS = 0.1  # share of interactions from which seen items stay in the lists
LIKED = 4.0  # of five stars
IMAGE_FOLDERS = ("item_images", "images", "pictures", "photos")
ANY_DAYS = Days(first=date(2000, 1, 1), count=1, train=1, valid=1)  # until the history is read


@dataclass(frozen=True)
class Table:
    """A candidate for a table of the mapping.

    Attributes:
        files: file, folder or glob, relative to the folder of the data.
        roles: column by role.
        rows: number of all rows.
        sample: some of them.
    """

    files: str
    roles: dict[str, str]
    rows: int
    sample: Sample


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
    root = location if location.is_dir() else location.parent
    tables = [_look(files, root) for files in _groups(location)]
    main, catalog, people = _choose(tables, location, base)
    interactions, notes = _interactions(main, root, base)
    items, item_notes = _items(catalog or main, catalog is not None, root, base)
    users = _users(people, root, base)
    notes += [*item_notes, f"users: {people.files if people else 'taken from the interactions'}"]
    draft = Shop(name=_name_of(location), days=ANY_DAYS, interactions=interactions, items=items, users=users)
    first, last, repeats = _history(draft, base)
    days = days_of(first, last)
    notes.append(f"rows of {first} to {last}; used: {days.count} days from {days.first} on")
    notes.append(f"a full training reads {days.train} days and validates on {days.valid} more")
    again = repeats > REPEATS
    notes.append(f"{repeats:.0%} of interactions repeat an item of an earlier day")
    notes.append("seen items stay in the lists" if again else "seen items leave the lists for a week")
    marks = bool(interactions.seen_events or interactions.rating)
    seen_filter = "clicked" if not again else "marked" if marks else "nothing"
    return Draft(draft.model_copy(update={"days": days, "seen_filter": seen_filter}), tuple(notes))


def days_of(first: date, last: date) -> Days:
    """Chooses the windows of a history.

    Validation takes a thirteenth of it, at most four weeks, training the days before, at most 180. The last two days
    are left for fine-tunes. Days before the window are not used.
    """
    count = (last - first).days + 1
    valid = min(28, max(1, round(count / 13)))
    later = 2 if count > 6 else 0
    train = max(1, min(180, count - valid - later))
    used = min(count, train + valid + later)
    return Days(first=last - timedelta(days=used - 1), count=used, train=train, valid=valid)


def _groups(location: Path) -> list[str]:
    """Returns the tables below a folder: a subfolder of parts, a glob of files of one kind and name, or a file."""
    if location.is_file():
        return [location.name]
    names = [os.path.relpath(file, location) for file in data_files(".", location)]
    groups: dict[str, list[str]] = {}
    for name in names:
        top, _, rest = name.partition(os.sep)
        stem = re.sub(r"[\d_.\-]+.*$", "", top)
        groups.setdefault(top if rest else f"{stem}{kind_of(top)[0]}", []).append(name)
    files: list[str] = []
    for group, found in groups.items():
        if os.sep in found[0]:
            files.append(group)
        else:
            glob = common_glob(found, names) if len(found) > 1 else found[0]
            files += [glob] if glob else found
    return files


def _look(files: str, root: Path) -> Table:
    connection = connect()
    table = open_table(connection, Rows(files=files), root)
    sample = Sample.of(connection, table.limit(SAMPLE_ROWS).pl())
    return Table(files, sample.completed(sample.roles()), int(table.aggregate("count(*)").fetchall()[0][0]), sample)


def _choose(tables: list[Table], location: Path, base: Path) -> tuple[Table, Table | None, Table | None]:
    """Returns the tables of interactions, items and users; the last two may be absent."""
    rows = [one for one in tables if {"user", "item", "time"} <= one.roles.keys()]
    if not rows:
        best = max(tables, key=lambda one: (len({"user", "item", "time"} & one.roles.keys()), one.rows))
        lacking = " and ".join(f"no {role}" for role in ("user", "item", "time") if role not in best.roles)
        raise ActionableError(
            f"{location} has no table with users, items and times. The closest is {best.files}, which has {lacking} "
            f"(columns: {', '.join(best.sample.columns)}).",
            f"Rename its columns to user_id, item_id and time, or write {base / 'shop.toml'} by hand, as "
            "docs/bring-your-own-data.md describes.",
        )
    main = max(rows, key=lambda one: one.rows)
    others = [_linked(one, main) for one in tables if one is not main and one not in rows]
    catalog = max((one for one in others if "item" in one.roles), key=lambda one: len(one.roles), default=None)
    people = next((one for one in others if "user" in one.roles and "item" not in one.roles), None)
    return main, catalog, people


def _linked(table: Table, main: Table) -> Table:
    """Returns a table of items or users with the column that holds the ids of the interactions.

    A column of the same name has them, whatever its values are. Small numbers may be ids, ages or prices, so values
    count only where no name is equal, and first for the role that a name of the table suggests.
    """
    same = {role: table.sample.column_named(main.roles[role]) for role in ("item", "user")}
    for role in sorted(same, key=lambda role: (same[role] is None, role not in table.roles)):
        if column := same[role] or table.sample.column_with(main.sample.values_of(main.roles[role])):
            kept = {name: other for name, other in table.roles.items() if other != column and name not in same}
            return replace(table, roles=kept | {role: column})
    return table


def _interactions(table: Table, root: Path, base: Path) -> tuple[Interactions, list[str]]:
    roles, sample = table.roles, table.sample
    notes = [f"interactions: {table.files}, {table.rows:,} rows"]
    notes += [f"  {role}: {roles[role]}" for role in ("user", "item", "time", "device") if role in roles]
    where, roles_of_events = "", dict[str, tuple[str, ...]]()
    if quantity := roles.get("quantity"):
        where = f"coalesce(try_cast({values.quoted(quantity)} AS DOUBLE), 1) > 0"
        notes.append(f"  rows without a positive {quantity} are dropped as returns")
    if event := roles.get("event"):
        counts = sample.counts(event)
        roles_of_events = event_roles(kind.strip() for kind in counts)
        if roles_of_events.get("events", ()) == tuple(sorted({kind.strip() for kind in counts})):
            roles_of_events = {}  # all teach, also types of later files
        shown = ", ".join(f"{kind} {count:,}" for kind, count in list(counts.items())[:6])
        notes += [f"  events: {shown}", f"    teach: {', '.join(roles_of_events.get('events', ())) or 'all'}"]
        for name, meaning in (("history_events", "only history"), ("seen_events", "only filter")):
            notes += [f"    {meaning}: {', '.join(roles_of_events[name])}"] if name in roles_of_events else []
    rating = roles.get("rating", "")
    if rating:
        notes.append(f"  rows with a {rating} below {LIKED:g} only filter, as not liked")
    mapping = Interactions(
        files=_relative(root / table.files, base),
        where=where,
        user=roles["user"],
        item=roles["item"],
        time=roles["time"],
        time_format=sample.time_format(roles["time"]) or "",
        device=roles.get("device", ""),
        event=roles.get("event", "") if roles_of_events else "",
        **roles_of_events,
        rating=rating,
        rating_at_least=LIKED if rating else 0,
        low_ratings="seen" if rating else "dropped",
    )
    return mapping, notes


def _items(table: Table, own: bool, root: Path, base: Path) -> tuple[Items, list[str]]:
    roles = table.roles
    images = next((name for name in IMAGE_FOLDERS if (root / name).is_dir()), "")
    category = roles.get("category", "")
    items = Items(
        files=_relative(root / table.files, base) if own else "",
        item=roles["item"] if own else "",
        title=roles.get("title", ""),
        description=roles.get("description", ""),
        price=roles.get("price", ""),
        categories=(category,) if category else (),
        category_separator=table.sample.separator(category) if category else "",
        gender=roles.get("gender", "") if own else "",
        available=roles.get("available", "") if own else "",
        images=_relative(root / images, base) if images else "",
    )
    named = {"title": items.title, "price": items.price, "category": category, "images": items.images}
    absent = ", ".join(name for name, value in named.items() if not value)
    named["available"] = items.available
    notes = [f"items: {table.files if own else 'taken from the interactions'}"]
    notes += [f"  {name}: {value}" for name, value in named.items() if value]
    return items, [*notes, f"  absent: {absent}"] if absent else notes


def _users(table: Table | None, root: Path, base: Path) -> Users:
    if table is None:
        return Users()
    named = {role: table.roles.get(role, "") for role in ("user", "age", "birth_year", "gender")}
    return Users(files=_relative(root / table.files, base), **named)


def _history(shop: Shop, base: Path) -> tuple[date, date, float]:
    """Returns the first and the last day, and the share of interactions that repeat an item of an earlier day."""
    connection, rows = connect(shop.timezone, base), shop.interactions
    connection.register("shop_rows", open_table(connection, rows, base))
    user, item = values.identifier(rows.user), values.identifier(rows.item)
    teaches = f"{values.meets(rows)} AND {values.role(rows)} = {TARGET}"
    day = f"{values.seconds(rows.time, rows.time_format)} // 86400"
    first, last, repeats = connection.sql(
        f"WITH kept AS (SELECT {user} AS u, {item} AS i, {day} AS d FROM shop_rows WHERE {teaches}), "
        "days AS (SELECT DISTINCT u, i, d FROM kept WHERE u IS NOT NULL AND i IS NOT NULL AND d IS NOT NULL), "
        "numbered AS (SELECT d, row_number() OVER (PARTITION BY u, i ORDER BY d) AS n FROM days) "
        "SELECT min(d) * 86400, max(d) * 86400, avg(CAST(n > 1 AS INT)) FROM numbered"
    ).fetchall()[0]
    if first is None:
        raise ActionableError("No row has a user, an item and a time.", "Correct the mapping.")
    return _day(first), _day(last), float(repeats)


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _relative(path: Path, base: Path) -> str:
    absolute, start = Path(os.path.normpath(path.absolute())), base.resolve()
    return str(absolute.relative_to(start)) if absolute.is_relative_to(start) else str(absolute)


def _name_of(location: Path) -> str:
    stem = location.resolve().name.split(".")[0]
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "shop"
