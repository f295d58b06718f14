"""Finds columns that say which rows do not count: cancelled and returned orders, guests, and items not chosen."""

from collections.abc import Iterable

from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess.names import is_foreign, plain, rank_of
from rec_assets.sources.shop.guess.sample import MOST_TYPES, Sample
from rec_assets.sources.shop.guess.table import Table
from rec_assets.sources.shop.guess.words import CANCELLED, CANCELS, CHOSEN, IN_PART, KINDS_OF_ROWS, NO_ANSWERS, STATUS

YES = ("true", "t", "1", "yes", "y", "ja", "oui", "si")
NO = ("false", "f", "0", "no", "n", "nein", "non", "")
LONG = 5  # letters of a word that seldom is a part of another one
GUESTS = ("0", "-1", "guest", "anonymous", "unknown", "not logged in")
# Share of rows, number of users, and rows as multiple of the next user's, from which such an id stands for many people.
MANY, FEWEST_USERS, TIMES_THE_NEXT = 0.02, 10, 3
NUMBERED = 0.95  # share of numbers of invoices, with or without a C before them


def condition_of(table: Table, event: str) -> tuple[str, list[str]]:
    """Returns the SQL condition of rows that count, "" if all do, and a sentence for each part of it.

    Args:
        table: the interactions.
        event: the column of event types, "" without one. Its types have roles of their own.
    """
    parts: list[str] = []
    notes: list[str] = []
    for name in table.sample.columns:
        if name != event and (found := of_cancelled(table.sample, name)):
            parts.append(found[0])
            notes.append(found[1])
    if guests := _guests(table.sample, table.roles["user"]):
        parts.append(f"coalesce(CAST({values.quoted(table.roles['user'])} AS VARCHAR), '') <> {values.literal(guests)}")
        notes.append(f"  rows of {table.roles['user']} {guests} are dropped, because they are of many guests")
    if chosen := _column_of_choices(table.sample):
        column, yes = chosen
        parts.append(f"lower(CAST({values.quoted(column)} AS VARCHAR)) = {values.literal(yes)}")
        notes.append(f"  rows without {column} = {yes} are dropped, as items that were not chosen or not liked")
    return " AND ".join(parts), notes


def of_cancelled(sample: Sample, column: str) -> tuple[str, str] | None:
    """Returns the condition of rows that were not cancelled or returned, with a sentence; None if a column tells none.

    Such a column has a state of orders, the answer to a question such as "is_cancelled", or a time such as that of
    "refunded_at". Some programs write a C before the number of a cancelled invoice.
    """
    quoted = values.quoted(column)
    if rank_of(column, CANCELS.split(), NO_ANSWERS.split()) is not None:
        return _of_an_answer(sample, column)
    if plain(column) in KINDS_OF_ROWS or rank_of(column, STATUS.split()) is not None:
        counts = sample.counts(column)
        dropped = {
            value: n for value, n in counts.items() if rank_of(value, CANCELLED.split(), IN_PART.split()) is not None
        }
        if not dropped or len(dropped) == len(counts) or len(counts) > MOST_TYPES:
            return None
        shown = ", ".join(f"{value} {count:,}" for value, count in dropped.items())
        return _without_cancelled(column, dropped), f"  rows with these {column}, or such words, are dropped: {shown}"
    if is_foreign(column):
        text = f"coalesce({values.identifier(column)}, '')"
        marked = sample.share(f"regexp_full_match({text}, '[Cc][0-9]+')")
        if 0 < marked < 1 / 2 and marked + sample.share(f"regexp_full_match({text}, '[0-9]+')") > NUMBERED:
            condition = f"coalesce({quoted} NOT ILIKE 'C%', true)"
            return condition, f"  rows whose {column} begins with C are dropped as cancelled"
    return None


def _without_cancelled(column: str, dropped: Iterable[str]) -> str:
    """Returns the condition that drops these states, and later ones with a word of cancelled orders."""
    states = tuple(dropped)
    seen = [word for word in CANCELLED.split() if any(word in plain(state) for state in states)]
    known = [word for word in CANCELLED.split() if word.isascii() and len(word) >= LONG]
    letters = f"regexp_replace(lower(strip_accents(CAST({values.quoted(column)} AS VARCHAR))), '[\\s_-]', '', 'g')"
    words, in_part = "|".join(dict.fromkeys([*seen, *known])), IN_PART.replace(" ", "|")
    listed = ", ".join(map(values.literal, states))
    return (
        f"coalesce({values.quoted(column)} NOT IN ({listed}) "
        f"AND (NOT regexp_matches({letters}, '{words}') OR regexp_matches({letters}, '{in_part}')), true)"
    )


def _of_an_answer(sample: Sample, column: str) -> tuple[str, str] | None:
    """Returns the condition for a column such as "is_cancelled" or "cancelled_at"."""
    text = f"CAST({values.quoted(column)} AS VARCHAR)"
    answers = {value.strip().lower() for value in sample.counts(column)}
    if answers & set(YES) and answers <= {*YES, *NO}:
        listed = ", ".join(map(values.literal, YES))
        return f"coalesce(lower({text}) NOT IN ({listed}), true)", f"  rows with {column} are dropped"
    if 0 < sample.filled(column) < 1 and sample.time_format(column) is not None:
        return f"coalesce({text}, '') = ''", f"  rows with a time of {column} are dropped"
    return None


def _guests(sample: Sample, user: str) -> str:
    """Returns the id of all customers without an account, by far the most frequent user; "" without one."""
    most = list(sample.counts(user).items())[:FEWEST_USERS]
    if len(most) < FEWEST_USERS or most[0][0].lower() not in GUESTS:
        return ""
    return most[0][0] if most[0][1] >= max(MANY * sample.rows, TIMES_THE_NEXT * most[1][1]) else ""


def _column_of_choices(sample: Sample) -> tuple[str, str] | None:
    """Returns the column that says whether a shown item was chosen or liked, and its yes; None without one."""
    for name in sample.columns:
        answers = {value.lower() for value in sample.values_of(name)} if plain(name) in CHOSEN else set()
        if answers in ({"0", "1"}, {"false", "true"}):
            return name, max(answers)
    return None
