"""Finds the images of items in a folder by their names. Does not decode images."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
MAX_IMAGE_BYTES = 20_000_000  # bytes


def copy_images(images: Any, names: Mapping[str, int], folder: Path) -> int:
    """Copies the images whose names are those of items to `<item_id>.jpg`, whatever their format; returns their number.

    Subfolders are searched too, and leading zeros are optional. Links that lead out of the folder, broken links and
    files of more than 20 MB are left out. Of several images of an item the first by path is taken.

    Args:
        images: folder or bucket prefix, a `Path` or `UPath`; may be missing.
        names: item ids by the name of their image, without its extension.
        folder: an existing folder.
    """
    if not images.is_dir():
        return 0
    local = Path(os.path.realpath(str(images))) if "://" not in str(images) else None
    missing, written = dict(names), 0
    for image in sorted(images.rglob("*"), key=str):
        stem, suffix = os.path.splitext(image.name)
        name = stem if stem in missing else stem.lstrip("0")
        if suffix.lower() not in SUFFIXES or name not in missing or not image.is_file():
            continue
        leads_out = local is not None and not Path(os.path.realpath(str(image))).is_relative_to(local)
        if leads_out or image.stat().st_size > MAX_IMAGE_BYTES:
            continue
        (folder / f"{missing.pop(name)}.jpg").write_bytes(image.read_bytes())
        written += 1
    return written
