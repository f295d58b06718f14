"""Folders of immutable versions: links to their files, moves to their places, deletion. Does not read pointers."""

import os
import shutil
from pathlib import Path

from rec_assets.common.files import replace_durably
from rec_assets.storage.artifacts.drafts import new_draft
from rec_assets.storage.integrity import (
    DamageError,
    digest_of,
    forget_version,
    remember_intact,
    require_intact,
)

UNPARTITIONED = "all"
POINTER = "current.json"


def link_tree(source: Path, target: Path) -> None:
    """Copies a directory of immutable files into a new or an empty one, as hard links where possible."""
    shutil.copytree(source, target, copy_function=link, dirs_exist_ok=True)


def link(source: str | Path, target: str | Path) -> None:
    """Links an immutable file, or copies it where hard links are not possible."""
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)


def versions_in(folder: Path) -> list[Path]:
    """Returns what stands at the places of versions, also if it is damaged."""
    return [path for path in folder.glob("[!.]*") if path.name != POINTER]


def place(draft: Path, version: Path) -> None:
    """Moves a draft to the place of its version, which is named by the draft's digest; replaces a damaged version."""
    if os.path.lexists(version):
        try:
            require_intact(version, thorough=True)
        except DamageError:
            delete_version(version)
        else:
            return
    try:
        replace_durably(draft, version)
    except OSError:
        # Another process may have published an equal version in the meantime.
        if not version.is_dir() or digest_of(version) != version.name:
            raise
    remember_intact(version)


def delete_version(version: Path) -> None:
    """Deletes a version, or what stands at its place. Readers see all of its files or none."""
    with new_draft(version.parent) as folder:
        version.rename(folder / version.name)
    forget_version(version)
