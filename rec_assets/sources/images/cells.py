"""Finds the first image in the cell of a table. Does not open images."""

import json
import re
from typing import Any

from rec_assets.sources.images.pattern import is_address

_SUFFIX = re.compile(r"\.(jpe?g|png|webp|avif|gif|bmp|tiff?)([?#].*)?$", re.IGNORECASE)
# Between images of a cell; the last one also is a usual sign in addresses.
_SEPARATORS = (r"\s*\|\s*", r"\s+>\s+", r"\s*\n\s*", r"\s*;\s*", r",\s+", r"\s+(?=https?://)", r",(?=https?://)", ",")
# Fields of an image as object. A thumbnail is taken only if there is nothing else.
_FIELD = re.compile(r"""\b(?!https?\b)(\w+)["']?\s*:\s*["']?((?:https?:)?//[^\s"',}\]]+)""")
_SMALL = re.compile("thumb|small|icon", re.IGNORECASE)


def first_image(cell: str | None) -> str | None:
    """Returns the first path or address of a cell, None for an empty one.

    A cell has one image, or several between "|", ";", ",", ">" or line ends, or a list or an object as JSON. A
    separator counts only if both sides of it are images, because names of files and addresses may have these signs.
    """
    text = (cell or "").strip()
    if text.startswith(("[", "{")):
        text = _of_json(text)
    for separator in _SEPARATORS:
        parts = [part for part in re.split(separator, text) if part]
        if len(parts) > 1 and all(_is_image(part, by_suffix=separator == ",") for part in parts):
            text = parts[0]
    text = text.strip().strip("\"'").strip()
    return f"https:{text}" if text.startswith("//") else text or None


def looks_like_image(text: str) -> bool:
    """Returns True for an address, and for a path with the extension of an image."""
    return _is_image(first_image(text) or "", by_suffix=False)


def _is_image(text: str, *, by_suffix: bool) -> bool:
    has_suffix = _SUFFIX.search(text) is not None
    return has_suffix or (not by_suffix and (is_address(text) or text.startswith("//")))


def _of_json(text: str) -> str:
    """Returns the first image of a list or object, also of one that is not valid JSON, as Python and DuckDB write."""
    if _SUFFIX.search(text):
        return text  # a name of a file that begins with a bracket
    if fields := _FIELD.findall(text):
        return str(next((address for name, address in fields if not _SMALL.search(name)), fields[0][1]))
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip("[]{} ").split("', '")[0]
    while isinstance(content, list | dict) and content:
        content = content[0] if isinstance(content, list) else next(iter(content.values()))
    return content if isinstance(content, str) else ""
