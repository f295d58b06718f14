"""Finds the images of items among files, by their names or by a pattern, and reads them. Does not decode images."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from rec_assets.common.images import MAX_BYTES
from rec_assets.sources.images.found import Found
from rec_assets.sources.images.pattern import ImagePattern

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"})
LEADS_OUT = "leads out of its folder"


def find_named(root: Any, items: Collection[str]) -> Found:
    """Finds images whose names, without the extension, are those of items.

    Subfolders are searched too, and leading zeros are optional. Files that `problem_of` refuses are left out. Of
    several images of an item the first by path is taken.

    Args:
        root: folder or bucket prefix, a `Path` or `UPath`; may be missing.
        items: ids of items.
    """
    if not root.is_dir():
        return Found()
    known = set(items)

    def item_of(image: Any) -> str | None:
        stem, suffix = os.path.splitext(image.name)
        return item_named(stem, known) if suffix.lower() in SUFFIXES else None

    return _first_of_each(root.rglob("*"), item_of, root)


def find_matching(root: Any, pattern: ImagePattern, items: Collection[str]) -> Found:
    """Finds images by a pattern; leading zeros are optional, and refused files are left out, as in `find_named`.

    Args:
        root: folder or bucket prefix that the pattern starts from, a `Path` or `UPath`; may be missing.
        pattern: path of an image below `root`.
        items: ids of items.
    """
    if not root.is_dir():
        return Found()
    known = set(items)

    def item_of(image: Any) -> str | None:
        if pattern.path.endswith("*") and os.path.splitext(image.name)[1].lower() not in SUFFIXES:
            return None
        path = str(image)[len(str(root)) :].lstrip("/")
        return next((item for text in pattern.captures(path) if (item := item_named(text, known)) is not None), None)

    return _first_of_each(root.glob(pattern.glob), item_of, root)


def problem_of(image: Any, root: Any) -> str:
    """Returns the reason why a file cannot be an image of a folder; "" for a file that can.

    Args:
        image: a file, a `Path` or `UPath`.
        root: the folder. No link and no ".." may lead out of it.
    """
    try:
        if "://" in str(image):
            inside = str(image).startswith(f"{str(root).rstrip('/')}/") and ".." not in str(image).split("/")
        else:
            inside = Path(os.path.realpath(str(image))).is_relative_to(os.path.realpath(str(root)))
        if not inside:
            return LEADS_OUT
        if not image.is_file():
            return "no such file"
        size = image.stat().st_size
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero byte
        return f"no such file ({error.__class__.__name__})"
    return "" if size <= MAX_BYTES else f"{size:,} bytes, more than {MAX_BYTES:,}"


def item_named(text: str, items: Collection[str]) -> str | None:
    """Returns the item whose id is a text, with or without the leading zeros of the text."""
    return next((one for one in (text, text.lstrip("0")) if one in items), None)


def _first_of_each(images: Iterable[Any], item_of: Callable[[Any], str | None], root: Any) -> Found:
    places: dict[str, Any] = {}
    counts = Counter[str]()
    for image in sorted(images, key=str):
        if image.name.startswith("."):  # macOS adds files such as ._chair.jpg
            continue
        item = item_of(image)
        if item is not None and not problem_of(image, root):
            places.setdefault(item, image)
            counts[item] += 1
    return Found(places, {item: count for item, count in counts.items() if count > 1})
