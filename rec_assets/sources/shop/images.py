"""Finds, copies and tries the images of a shop's items, as the mapping says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.common.images import decode
from rec_assets.sources.images.cells import first_image
from rec_assets.sources.images.copying import content_of, copy_images
from rec_assets.sources.images.download import Downloader
from rec_assets.sources.images.folder import LEADS_OUT, find_matching, find_named, problem_of
from rec_assets.sources.images.found import Found, ImageReport, Place, Progress
from rec_assets.sources.images.pattern import ITEM, ImagePattern, address_of, is_address
from rec_assets.sources.shop.mapping import Items
from rec_assets.sources.shop.tables import path_of

TRIED = 5  # images that `ShopImages.try_some` opens
TRIED_SIDE = 64  # pixels


@dataclass(frozen=True)
class Trial:
    """A few images that were opened: their number, and the reason by item of those that are no images."""

    tried: int
    failures: Mapping[str, str]


class ShopImages:
    """The images of a catalog."""

    def __init__(self, mapping: Items, base: Path, downloader: Downloader) -> None:
        """Stores where images are; reads nothing yet.

        Args:
            mapping: the part `items` of a mapping.
            base: folder that relative paths of the mapping start from.
            downloader: fetches images with an address.
        """
        self._mapping, self._base, self._downloader = mapping, base, downloader

    def find(self, catalog: pl.DataFrame) -> Found:
        """Finds the images of items; connects to no server of images.

        Args:
            catalog: text columns item and image; image has the cells of the column `image`.
        """
        images, items = self._mapping.images, catalog["item"].to_list()
        if self._mapping.image:
            return self._named_by_cells(dict(zip(items, catalog["image"], strict=True)))
        if not images:
            return Found()
        if is_address(images):
            return Found({item: address_of(images, item) for item in items})
        if ITEM in images:
            pattern = ImagePattern(images)
            return find_matching(path_of(pattern.root, self._base), pattern, items)
        return find_named(path_of(images, self._base), items)

    def copy(
        self, found: Found, codes: Mapping[str, int], folder: Path, progress: Progress | None = None
    ) -> ImageReport:
        """Writes `<code>.jpg` for every image, whatever its format; downloads what has an address.

        Args:
            found: the images.
            codes: number of each item.
            folder: an existing folder.
            progress: called with the number of finished and of all downloads.

        Raises:
            ActionableError: all images have addresses, and none could be downloaded.
        """
        urls = [place for place in found.places.values() if isinstance(place, str)]
        downloads = self._downloader.fetch(urls, progress)
        self._downloader.cache.delete_unused(urls)
        report = copy_images(found, codes, folder, downloads)
        if urls and not report.written:
            raise ActionableError(
                f"None of {len(urls):,} images could be downloaded (first: {'; '.join(report.examples)}).",
                "Correct `images` or `image` in the mapping, or the network. Or delete these entries to use no images.",
            )
        return report

    def try_some(self, found: Found) -> Trial:
        """Opens a few images, spread over the catalog. Downloads only these."""
        items = sorted(found.places)
        chosen = items[:: max(1, -(-len(items) // TRIED))]
        places = {item: found.places[item] for item in chosen}
        downloads = self._downloader.fetch([place for place in places.values() if isinstance(place, str)])
        failures: dict[str, str] = {}
        for item, place in places.items():
            try:
                decode(content_of(place, downloads), TRIED_SIDE)
            except (OSError, ValueError) as error:
                failures[item] = str(error)
        return Trial(len(chosen), failures)

    def _named_by_cells(self, cells: Mapping[str, str | None]) -> Found:
        places: dict[str, Place] = {}
        failures: dict[str, str] = {}
        start = self._mapping.images
        root = None if is_address(start) else path_of(start, self._base)
        for item, cell in cells.items():
            if (image := first_image(cell)) is None:
                continue
            if is_address(image):
                places[item] = image
            elif root is None:
                places[item] = f"{start.rstrip('/')}/{image.lstrip('/')}"
            else:
                place, reason = _file_of(image, root)
                if reason:
                    failures[item] = f"{image} ({reason})"
                else:
                    places[item] = place
        return Found(places, failures=failures)


def _file_of(path: str, root: Any) -> tuple[Any, str]:
    """Returns the file of a path in a cell, and the reason why it cannot be an image, "" if it can.

    A path that begins with "/" is one of the machine if it lies in the folder, else one below the folder, as on a web
    server. Windows separates folders by a backslash.
    """
    reason = ""
    for one in _spellings(path, root):
        try:
            place = root / one
        except ValueError:  # an address of another kind than that of the folder
            return None, LEADS_OUT
        reason = problem_of(place, root)
        if not reason:
            return place, ""
    return None, reason


def _spellings(path: str, root: Any) -> Iterator[str]:
    """Yields a path in the forms that it may have below a folder."""
    plain = path.replace("\\", "/")
    if "://" in plain:
        own = f"{str(root).rstrip('/')}/"
        yield plain.removeprefix(own)
        return
    if plain.startswith("/") and "://" not in str(root):
        yield plain
    yield plain.lstrip("/")
