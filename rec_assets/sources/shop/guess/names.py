"""Recognizes the meaning of a column by its name."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from rec_assets.sources.shop.guess.words import (
    CATEGORIES,
    ENDINGS,
    FOREIGN,
    LONGER,
    NOT_CATEGORIES,
    OTHERS,
    PEOPLE,
    SHORT,
    STARTS,
    WORDS,
)

CODED = re.compile(
    r"(id|hash|code|key|no|nr|num|number|kodu|szam|kod|nummer|vbeln|编号|コード|코드|번호)$|^(id|cod|kod|код)"
)
MOMENT = re.compile(r"(at|on|ts|ms|epoch)$")
PROPERTIES = re.compile(r"^event_?properties\.")  # of Amplitude; the word event would say another role
TYPED = re.compile(r":(token|float)(_seq)?$")
ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters
PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # words of a name, such as user, Age
LETTERS = str.maketrans("ıłø", "ilo")  # letters that Unicode does not split into a letter and an accent


def plain(column: str) -> str:
    """Returns the letters and digits of a name, in small letters and without accents.

    A type as in RecBole's "item_id:token" is left out, too, and the beginning of "event_properties.product_id".
    """
    name = PROPERTIES.sub("", TYPED.sub("", column.lower()))
    split = unicodedata.normalize("NFKD", name.translate(LETTERS))
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", ACCENTS.sub("", split)))


def key(column: str) -> str:
    """Returns the plain name with a leading "id" moved to its end: "productid" for "id_product"."""
    name = plain(column)
    return f"{name.removeprefix('id')}id" if name.startswith("id") else name


def ranked(role: str, columns: Iterable[str], others: str | None = None) -> list[tuple[int, str]]:
    """Returns the columns whose names have a word of a role, each with the rank of the word; best first.

    Of equal words, names of codes come first, then short names.
    """
    words, excluded = WORDS[role].split(), (OTHERS.get(role, "") if others is None else others).split()
    found = [(rank, name) for name in columns if (rank := rank_of(name, words, excluded)) is not None]
    return sorted(found, key=lambda one: (one[0], not CODED.search(plain(one[1])), len(one[1])))


def rank_of(column: str, words: Sequence[str], excluded: Sequence[str] = ()) -> int | None:
    """Returns the place of the first word that a name holds; None without one, or with an excluded word."""
    name = plain(column)
    fits = next((n for n, word in enumerate(words) if _holds(name, word) and not _is_an_ending(column, word)), None)
    if fits is None:
        return None
    rest = name.replace(words[fits], "")
    return None if any(_holds(rest, word) for word in excluded) else fits


def is_foreign(column: str) -> bool:
    """Returns True for the code of something that is neither a user nor an item, such as an order."""
    return any(word in plain(column) for word in FOREIGN.split())


def is_of(file: str, role: str) -> bool:
    """Returns True if the name of a file says that the table has one row per user, or per item."""
    return any(word in plain(file) for word in WORDS[role].split())


def is_category(name: str) -> bool:
    """Returns True if a name says that a column has categories, or their numbers."""
    return rank_of(name, CATEGORIES.split(), NOT_CATEGORIES.split()) is not None


def is_of_items(name: str) -> bool:
    """Returns True if a name says what items have: a title, a price, a category, an image, or whether they are sold."""
    saying = any(ranked(role, [name]) for role in ("title", "description", "price", "available", "image"))
    return saying or is_category(name)


def _is_an_ending(column: str, word: str) -> bool:
    """Returns True if a name has a word only as a part of others: "page views" has no age, and "userage" has."""
    if word not in ENDINGS:
        return False
    parts = [part.lower() for part in PARTS.findall(column)]
    return not any(part.startswith(word) or part.removesuffix(word) in PEOPLE for part in parts if word in part)


def _holds(name: str, word: str) -> bool:
    for longer in LONGER:
        name = name if word == longer else name.replace(longer, "")
    if word in STARTS:
        return name.startswith(word)
    return word in name and (word not in SHORT or len(name) < 12)
