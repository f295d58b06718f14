"""Names the columns of text files without a header line by their values. Does not open files."""

import re
from collections.abc import Iterable

from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess.events import event_roles
from rec_assets.sources.shop.guess.sample import Sample

DATA = re.compile(r"-?\d+([.,]\d+)?(_\d+)?|\d{4}-\d\d-\d\d([T ].*)?")  # DuckDB adds _1 to a name that repeats
MADE_UP = re.compile(r"column\d+")  # by DuckDB, for an empty name
WORD = re.compile(r"[^\W\d]{2}")
MANY = 10  # values that users and items have at least
FEW_TYPES = 20  # types of events at most
SAME = 0.9  # share of an item's rows with one value, from which a column belongs to the item
ITEM_CODE = "B[0-9A-Z]{9}"  # Amazon's
STARS = ({"1", "2", "3", "4", "5"}, 10)  # values that a column of ratings has, and the end of the longest scale


def looks_like_data(columns: Iterable[str]) -> bool:
    """Returns True if a name of a column is a number or a time, as in a file without a header line."""
    return any(DATA.fullmatch(column.strip()) for column in columns)


def column_names(sample: Sample) -> tuple[str, ...]:
    """Returns names for the columns of a file without a header line, () for a file with one.

    A word above a column of numbers is a name, so such a file has a header line. The names are those that
    `Sample.roles` recognizes; columns of an unknown meaning are column2, column3, and so on.

    Args:
        sample: rows whose names of columns are the values of the first line.
    """
    words = [name for name in sample.columns if WORD.search(name) and not MADE_UP.fullmatch(name)]
    if not looks_like_data(sample.columns) or any(sample.is_number(name) for name in words):
        return ()
    first = sample.columns[0]
    found = _of_things(sample) if sample.is_key(first) else _of_interactions(sample)
    named = {column: name for name, column in found.items()}
    return tuple(named.get(column, f"column{number}") for number, column in enumerate(sample.columns, 1))


def _of_interactions(sample: Sample) -> dict[str, str]:
    """Returns columns by name.

    In most exports without a header line, the user stands left of the item; in Amazon's ratings of 2018, right of it.
    """
    found: dict[str, str] = {}
    times = [name for name in sample.columns if sample.time_format(name) is not None]
    if times:
        found["timestamp"] = max(times, key=lambda name: (not sample.is_number(name), sample.distinct(name)))
    free = [name for name in sample.columns if name not in times]
    ids = [
        name
        for name in free
        if sample.distinct(name) >= MANY and not sample.is_key(name) and not _has_fractions(sample, name)
    ]
    full = [name for name in ids if sample.filled(name) >= SAME] or ids
    if len(full) > 1 and _have_item_codes(sample, full[0]) and not _have_item_codes(sample, full[1]):
        full[:2] = full[1], full[0]
    found |= dict(zip(("user_id", "item_id"), full, strict=False))
    free = [name for name in free if name not in found.values()]
    if types := [name for name in free if _are_events(sample, name)]:
        found["event_type"] = types[0]
    if item := found.get("item_id"):
        own = [name for name in free if sample.determined(name, item) >= SAME and name not in found.values()]
        if ratings := [name for name in free if name not in own and _are_ratings(sample, name)]:
            found["rating"] = ratings[0]
        size = sample.distinct(item)
        if titles := [name for name in own if _are_texts(sample, name) and sample.distinct(name) > size / 2]:
            found["title"] = titles[0]
        if kinds := [
            name for name in own if 1 < sample.distinct(name) <= size / 2 and not _has_fractions(sample, name)
        ]:
            found["category"] = next((name for name in kinds if _are_texts(sample, name)), kinds[0])
    return found


def _of_things(sample: Sample) -> dict[str, str]:
    """Returns columns by name, of a table of items or of users."""
    found = {"id": sample.columns[0]}
    texts = [
        name
        for name in sample.columns[1:]
        if not sample.is_number(name) and sample.time_format(name) is None and not _are_addresses(sample, name)
    ]
    if genders := [name for name in texts if sample.share(f"{values.gender(name)} BETWEEN 0 AND 1") >= SAME]:
        found["gender"] = genders[0]
        if ages := [name for name in sample.columns[1:] if _are_ages(sample, name)]:
            found["age"] = ages[0]
    titles = [name for name in texts if sample.is_unique(name)]
    if titles:
        found["title"] = titles[0]
    others = [name for name in texts if name not in found.values() and sample.distinct(name) > 1]
    if kinds := [name for name in others if sample.separator(name)] or others:
        found["category"] = kinds[0]
    return found


def _has_fractions(sample: Sample, column: str) -> bool:
    return sample.share(f"coalesce(regexp_full_match({values.identifier(column)}, '-?[0-9]+\\.[0-9]+'), false)") > 0.1


def _have_item_codes(sample: Sample, column: str) -> bool:
    return sample.share(f"coalesce(regexp_full_match({values.identifier(column)}, '{ITEM_CODE}'), false)") > 0.1


def _are_events(sample: Sample, column: str) -> bool:
    return (
        sample.distinct(column) <= FEW_TYPES
        and not sample.is_number(column)
        and bool(event_roles(sample.counts(column)))
    )


def _are_ratings(sample: Sample, column: str) -> bool:
    numbers, end = STARS
    return numbers <= sample.values_of(column) and 1 <= sample.number(f"max({values.amount(column)})") <= end


def _are_texts(sample: Sample, column: str) -> bool:
    return sample.share(f"coalesce({values.words(column)} LIKE '% %', false)") > 0.1


def _are_addresses(sample: Sample, column: str) -> bool:
    return sample.share(f"coalesce({values.identifier(column)} LIKE '%://%', false)") > 0.1


def _are_ages(sample: Sample, column: str) -> bool:
    return sample.distinct(column) > 3 and sample.share(f"{values.whole(column)} BETWEEN 1 AND 110") >= SAME
