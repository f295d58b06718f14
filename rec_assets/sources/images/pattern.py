"""Patterns of images: a path or an address with `{item}` in place of the id of an item. Does not read files."""

import glob
import re
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import quote

ITEM = "{item}"
LONGEST_NAME = 255  # bytes of a file's name on the usual disks
_SIGNS = re.compile(r"(\{item\}|\*)")


def is_address(text: str) -> bool:
    """Returns True for the text of an http(s) address."""
    return text.lower().startswith(("http://", "https://"))


def mistake_in(images: str, *, has_column: bool) -> str:
    """Returns what is wrong with the entry `images` of a mapping; "" for a valid one.

    Args:
        images: folder, pattern or address.
        has_column: True if a column has the paths of images, which start from `images`.
    """
    rest = images.replace(ITEM, "")
    if "{" in rest or "}" in rest:
        return f"`images` has another placeholder than {ITEM} ({images})"
    if has_column and ITEM in images:
        return f"`images` has {ITEM}, but the column `image` names the images; `images` is the start of their paths"
    if "*" in images and (ITEM not in images or is_address(images)):
        return f"`images` may have a * only in a path with {ITEM} ({images})"
    if is_address(images) and not has_column and ITEM not in images:
        return f"`images` is an address without {ITEM}, such as https://cdn.example/{ITEM}.jpg ({images})"
    return ""


def address_of(pattern: str, item: str) -> str:
    """Returns the address of an item's image; signs of the id that mean something in an address are escaped."""
    return pattern.replace(ITEM, quote(item, safe=""))


class ImagePattern:
    """A pattern of paths, such as `photos/{item}/main.*`.

    `{item}` stands for an id and may repeat; `*` stands for any part of a name within a folder.
    """

    def __init__(self, pattern: str) -> None:
        """Splits a pattern into the folder before its first sign and the path below this folder."""
        parts = pattern.split("/")
        first = next(number for number, part in enumerate(parts) if _SIGNS.search(part))
        self.root = "/".join(parts[:first])
        self.path = "/".join(parts[first:])

    @property
    def glob(self) -> str:
        """The glob of all files that may match."""
        return "".join("*" if _SIGNS.fullmatch(part) else glob.escape(part) for part in _SIGNS.split(self.path))

    def captures(self, path: str) -> Iterator[str]:
        """Yields the texts that may stand for `{item}` in a path below the root, the longest first.

        Example: the pattern {item}_*.jpg and the path A_1_2.jpg give A_1 and A.
        """
        longest = LONGEST_NAME
        while longest and (match := re.fullmatch(self._expression.format(longest=longest), path)):
            yield match["item"]
            longest = len(match["item"]) - 1

    @cached_property
    def _expression(self) -> str:
        """A regular expression with a place for the longest length of an id."""
        expression, named = "", False
        for part in _SIGNS.split(self.path):
            if part == "*":
                expression += "[^/]*" if named else "[^/]*?"
            elif part != ITEM:
                expression += re.escape(part).replace("{", "{{").replace("}", "}}")
            elif named:
                expression += "(?P=item)"
            else:
                expression, named = expression + "(?P<item>[^/]{{1,{longest}}})", True
        return expression
