"""Copies found images into the folder of an artifact."""

from collections.abc import Mapping
from pathlib import Path

from rec_assets.common.images import open_image
from rec_assets.sources.images.found import Downloads, Found, ImageReport, Place

NO_DOWNLOADS = Downloads({}, {}, 0)


def copy_images(
    found: Found, codes: Mapping[str, int], folder: Path, downloads: Downloads = NO_DOWNLOADS
) -> ImageReport:
    """Writes `<code>.jpg` for every image, whatever its format. A file that is no image is a failure.

    Args:
        found: the images.
        codes: number of each item.
        folder: an existing folder.
        downloads: the outcome of every place that is an address.
    """
    failures, written = dict(found.failures), 0
    for item, place in found.places.items():
        try:
            content = content_of(place, downloads)
        except (OSError, ValueError) as error:
            failures[item] = str(error)
            continue
        (folder / f"{codes[item]}.jpg").write_bytes(content)
        written += 1
    return ImageReport(written, downloads.new, len(found.several), failures)


def content_of(place: Place, downloads: Downloads) -> bytes:
    """Reads an image.

    Raises:
        OSError: the file cannot be read.
        ValueError: the download failed, or the content is no image. A cell may name any file of the shop's folder.
    """
    if place in downloads.failures:
        raise ValueError(downloads.failures[place])
    file = downloads.files[place] if isinstance(place, str) else place
    content = bytes(file.read_bytes())
    try:
        open_image(content)
    except ValueError as error:
        raise ValueError(f"{file} ({error})") from error
    return content
