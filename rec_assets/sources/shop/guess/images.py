"""Guesses where the images of items are: in a column of paths or addresses, or in files beside the data."""

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rec_assets.sources.images.cells import first_image
from rec_assets.sources.images.folder import SUFFIXES, item_named
from rec_assets.sources.images.pattern import ITEM, is_address
from rec_assets.sources.shop.guess.sample import Sample

MOST_FILES = 50_000  # that are listed
MOST_CELLS = 200  # whose files are looked for
SHARE = 0.1  # of items that need a file, so that files count as images of items
_ENDS = re.compile(r"[_\-. ]")
_FIRST = re.compile(r"(main|front|cover|\b0*[01])\b", re.IGNORECASE)  # names of the best of several images


@dataclass(frozen=True)
class Images:
    """Entries of a mapping, and a sentence for its owner.

    Attributes:
        column: column of paths or addresses, "" for files that are found by the ids of items.
        images: folder or pattern, relative to the data; "" for none, "." for the folder of the data.
        note: what was found there.
    """

    column: str = ""
    images: str = ""
    note: str = ""


def find_images(sample: Sample, column: str, item: str, root: Path) -> Images:
    """Finds the images of items. Files of this machine are preferred to downloads.

    Args:
        sample: rows with items.
        column: column that may name images, "" for none.
        item: column of item ids.
        root: folder of the data.
    """
    files = list(islice(_image_files(root), MOST_FILES))
    cells = [one for one in map(first_image, islice(sample.counts(column), MOST_CELLS)) if one] if column else []
    paths = [one for one in cells if not is_address(one)]
    if len(paths) > len(cells) / 2:
        return _of_paths(column, paths, root, files)
    items = sample.values_of(item)
    entry, number = pattern_of(files, items)
    share = f"{number:,} of {len(items):,} items"
    if entry:
        instead = f", in place of the addresses of {column}" if column else ""
        return Images(images=entry, note=share + instead)
    return Images(column, note="addresses; the first of a cell is downloaded") if column else Images()


def pattern_of(files: Sequence[str], items: Collection[str]) -> tuple[str, int]:
    """Returns the folder or pattern that has files for most items, and their number; ("", 0) for too few.

    Of equal ones, the simplest is taken: a folder, then a pattern without a star.

    Args:
        files: paths of images, with "/" between folders.
        items: ids of items.
    """
    known = set(items)
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        for entry, item in _entries(file, known):
            found[entry].add(item)
    best = min(found, key=lambda entry: (-len(found[entry]), *_complexity(entry)), default="")
    return (best, len(found[best])) if best and len(found[best]) >= SHARE * len(known) else ("", 0)


def _image_files(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def _entries(file: str, items: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yields folders and patterns that a file matches, each with the item that the file belongs to."""
    *folders, name = file.split("/")
    stem, suffix = os.path.splitext(name)
    starts = {stem[: end.start()] for end in _ENDS.finditer(stem)}
    texts: Mapping[str, str] = {
        text: item for text in {stem, *starts, *folders} if text and (item := item_named(text, items)) is not None
    }
    for text, item in texts.items():
        above = [ITEM if one == text else one for one in folders]
        if stem == text:
            names = [f"{ITEM}{suffix}", f"{ITEM}.*"]
            if ITEM not in above and folders:
                yield folders[0], item
        elif stem.startswith(text) and _ENDS.match(stem[len(text) :]):
            rest = stem[len(text) :]
            names = [f"{ITEM}{rest}{suffix}", f"{ITEM}{rest}.*", f"{ITEM}{rest[0]}*"]
        else:
            names = [name, f"{stem}.*", "*"]
        for one in names:
            yield "/".join([*above, one]), item
            if above and ITEM not in above:
                yield "/".join(["*"] * len(above) + [one]), item


def _complexity(entry: str) -> tuple[bool, int, bool, str]:
    stars = 2 * entry.count("*") - entry.endswith(".*")  # a star for the extension alone says more
    return ITEM in entry, stars, not _FIRST.search(entry.replace("_", " ")), entry


def _of_paths(column: str, paths: Sequence[str], root: Path, files: Iterable[str]) -> Images:
    """Returns the folder below which most files of a column are."""
    starts = {"."} | {str(above) for file in files for above in Path(file).parents}
    plain = [path.replace("\\", "/").lstrip("/") for path in paths]
    counts = {start: sum((root / start / path).is_file() for path in plain) for start in sorted(starts)}
    best = max(counts, key=lambda start: counts[start])
    below = "" if best == "." else f" below {best}"
    if not counts[best]:
        return Images(
            column, note=f"no file is found, such as {paths[0]}; add `images`, the folder that it starts from"
        )
    return Images(column, best, f"{counts[best]:,} of {len(plain):,} paths are files{below}")
