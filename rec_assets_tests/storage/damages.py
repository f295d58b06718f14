"""Kinds of damage to a stored file, on disk and in a bucket. Does not decide what a store must do about them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from rec_assets.storage.s3 import Bucket


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def _flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def swap(one: Path, other: Path) -> None:
    """Exchanges two files."""
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])


def _replace_by_link(file: Path) -> None:
    outside = file.parents[3] / f"{file.name}.original"
    file.rename(outside)
    file.symlink_to(outside)


def _replace_by_folder(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / "content").write_bytes(content)


def _replace_folder_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def _replace_folder_by_link(folder: Path) -> None:
    moved = folder.parents[2] / "moved"
    folder.rename(moved)
    folder.symlink_to(moved)


# Damages a file whose folder is its version or, for a pointer, its partition.
FILE_DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": lambda file: os.truncate(file, file.stat().st_size // 2),
    "flipped bit": lambda file: _write(file, _flip(file.read_bytes())),
    "empty": lambda file: os.truncate(file, 0),
    "deleted": os.remove,
    "valid but wrong": lambda file: _write(file, file.read_bytes().replace(b"1", b"2")),
    "link": _replace_by_link,
    "folder for a file": _replace_by_folder,
    "not text": lambda file: _write(file, b"\xff\xfe" * 20),
}
FOLDER_DAMAGES: dict[str, Callable[[Path], None]] = {
    "swapped files": lambda folder: swap(folder / "a.txt", folder / "part" / "b.txt"),
    "extra file": lambda folder: _write(folder / "more.txt", b"1"),
    "link to a file": lambda folder: (folder / "more.txt").symlink_to(folder / "a.txt"),
    "deleted folder": shutil.rmtree,
    "file for a folder": _replace_folder_by_file,
    "link for a folder": _replace_folder_by_link,
}

ObjectDamage = Callable[[Bucket, str, str], None]


def _rewrite(change: Callable[[str], str]) -> ObjectDamage:
    return lambda bucket, key, name: bucket.write(key + name, change(bucket.read(key + name) or ""))


def _swap_objects(bucket: Bucket, key: str, name: str) -> None:
    one, other = bucket.read(f"{key}{name}") or "", bucket.read(f"{key}part/b.txt") or ""
    bucket.write(f"{key}{name}", other)
    bucket.write(f"{key}part/b.txt", one)


def _replace_object_by_folder(bucket: Bucket, key: str, name: str) -> None:
    content = bucket.read(key + name) or ""
    bucket.delete([key + name])
    bucket.write(f"{key}{name}/content", content)


# Damages the object `key + name`; the key ends with "/".
OBJECT_DAMAGES: dict[str, ObjectDamage] = {
    "truncated": _rewrite(lambda text: text[: len(text) // 2]),
    "flipped bit": _rewrite(lambda text: chr(ord(text[0]) ^ 1) + text[1:]),
    "empty": _rewrite(lambda _: ""),
    "deleted": lambda bucket, key, name: bucket.delete([key + name]),
    "valid but wrong": _rewrite(lambda text: text.replace("1", "2")),
    "folder for a file": _replace_object_by_folder,
}
VERSION_OBJECT_DAMAGES: dict[str, ObjectDamage] = {
    "swapped files": _swap_objects,
    "extra file": lambda bucket, key, _: bucket.write(f"{key}more.txt", "1"),
    "folder beside its file": lambda bucket, key, name: bucket.write(f"{key}{name}/more.txt", "1"),
    "all deleted": lambda bucket, key, _: bucket.delete([one.key for one in bucket.objects(key)]),
}
