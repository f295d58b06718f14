"""Recognizes the meaning of a column by its name."""

import re
from collections.abc import Iterable, Sequence

# Words of column names by role, most telling first. A name matches if it holds the word, separators aside.
WORDS = {
    "user": "customerunique customerid userid visitorid customer user visitor client member buyer shopper reviewer "
    "account household kunde email uid profilename session",
    "item": "stockcode sku itemid productid parentasin asin article artikel item product produkt produit producto ean "
    "isbn movie film book recipe track song artist video game anime beer business listing offer variant",
    "available": "availability instock isavailable available onhand inventory stock",
    "time": "timestamp datetime eventtime createdat created purchase order invoice transaction paid bought event "
    "review time date day datum fecha zeit",
    "title": "title productname itemname prodname lineitemname name label bezeichnung caption description",
    "description": "productdescription description desc text details about summary overview",
    "price": "unitprice price saleprice amount preis prix precio",
    "gender": "gender sex",
    "age": "age",
    "birth_year": "birthyear yearofbirth birth",
    "device": "devicetype device platform",
    "event": "eventtype event action behavior",
    "rating": "rating stars score overall",
    "quantity": "quantity qty units menge anzahl",
    "brand": "brand manufacturer vendor marke hersteller",
    "image": "mainimage baseimage imagesrc imageurl imurl image img picture photo foto bild thumbnail thumb",
}
# Names with such a word do not have the role, whatever else they hold.
OTHERS = {
    "available": "code id",
    "user": "name city state zip postal country region segment status type agent geohash age gender sex device lang "
    "session since",
    "item": "name title desc bezeichnung categor type class group price qty quantity unit len weight photo "
    "image url brand vendor color colour size geohash status tax discount rating order stock text",
    "time": "ship deliver due limit birth expire expir updat modif approv carrier estimat signup since number week",
    "title": "customer user client buyer review bill ship store seller brand vendor categor depart index group section "
    "colour color type city country region file status appearance member class family event vector embedding",
    "description": "review len number status vector embedding",
    "price": "freight ship total tax discount",
    "rating": "number count average",
    "event": "date time id",
    "brand": "count number url user customer",
}
# The first of these has no other role: several levels of categories are told apart by their values.
CATEGORIES = (
    "department category categor kategorie warengruppe genre aisle family subclass rayon productgroup producttype "
    "itemtype productclass itemclass garmentgroup sectionname indexname cat class style level"
)
NOT_CATEGORIES = "len number count age customer user member event url"
# Short words mean something only in short names: "page" holds "age".
SHORT = frozenset({"age", "day", "sku", "ean", "sex", "text", "class", "uid", "cat", "desc"})
CODED = re.compile(r"(id|hash|code|key|no|nr|num|number)$")
MOMENT = re.compile(r"(at|on|ts|ms|epoch)$")
TYPED = re.compile(r":(token|float)(_seq)?$")
# Codes of things that are neither users nor items.
FOREIGN = "order invoice session review transaction store shop seller region postal zip parent brand line row basket"


def plain(column: str) -> str:
    """Returns the letters and digits of a name, in small letters, without a type as in RecBole's "item_id:token"."""
    return re.sub(r"[^a-z0-9]", "", TYPED.sub("", column.lower()))


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
    fits = next((n for n, word in enumerate(words) if _holds(name, word)), None)
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


def _holds(name: str, word: str) -> bool:
    return word in name and (word not in SHORT or len(name) < 12)
