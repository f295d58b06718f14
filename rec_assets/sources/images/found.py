"""Images of items that were found, and the reports of their downloads and copies. Does not read images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLES = 5

Progress = Callable[[int, int], None]
Place = Any  # a `Path` or `UPath` of a file, or the text of an http(s) address


@dataclass(frozen=True)
class Found:
    """Images of items before they are read.

    Attributes:
        places: place of the image by item; an item without an image is absent.
        several: number of images by item, for items with more than one.
        failures: reason by item, for images that are named and cannot be used.
    """

    places: Mapping[str, Place] = field(default_factory=dict)
    several: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Downloads:
    """The outcome of several addresses.

    Attributes:
        files: file by address.
        failures: address and reason as text, by address.
        new: number of files that were downloaded now.
    """

    files: Mapping[str, Path]
    failures: Mapping[str, str]
    new: int


@dataclass(frozen=True)
class ImageReport:
    """Counts of copied images.

    Attributes:
        written: number of written images.
        downloaded: number of images that this run downloaded; others come from files or from an earlier run.
        several: number of items with several images, of which the first is taken.
        failures: reason by item, for images that are named and cannot be used.
    """

    written: int
    downloaded: int = 0
    several: int = 0
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def examples(self) -> Sequence[str]:
        """The first failures, each with its item."""
        return [f"{item}: {reason}" for item, reason in sorted(self.failures.items())[:EXAMPLES]]

    def as_dict(self) -> dict[str, int | str]:
        """Returns the counts and the first failures, if any, as flat metadata."""
        metadata: dict[str, int | str] = {
            "images": self.written,
            "downloaded_images": self.downloaded,
            "items_with_several_images": self.several,
            "failed_images": len(self.failures),
        }
        return metadata | ({"failed_image_examples": "; ".join(self.examples)} if self.failures else {})
