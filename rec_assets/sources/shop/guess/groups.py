"""Finds which files of a folder are parts of one table. Reads the names of their columns, no rows."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop.guess.headerless import looks_like_data
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import COMPRESSED, connect, data_files, kind_of, open_table

RUN = re.compile(r"(?<=part-).*(?=\.\w)|\d+")  # the part of a name that differs between the parts of a table


def file_groups(location: Path) -> list[str]:
    """Returns the tables below a folder: a subfolder of parts, a glob of files of one kind and name, or a file.

    Files of one name belong together if the columns of one are among those of the other. A subfolder is one table if
    all its files have the same columns; other subfolders, such as that of an unpacked archive, are read as the folder
    is. Subfolders such as `day=2024-03-01` are partitions of one table.

    Args:
        location: a file or a folder.

    Returns:
        Files, folders and globs relative to the folder.
    """
    if location.is_file():
        return [location.name]
    return list(_groups([os.path.relpath(file, location) for file in data_files(".", location)], location, ""))


def _groups(found: Sequence[str], root: Path, folder: str) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for name in found:
        top, below, _ = name.removeprefix(folder).partition(os.sep)
        stem = re.sub(r"[\d_.\-]+.*$", "", top)
        partition = f"{top.partition('=')[0]}=" if below and "=" in top else ""
        groups.setdefault(partition or (top + below if below else f"{stem}{kind_of(top)[0]}"), []).append(name)
    for group, members in groups.items():
        if group.endswith("="):
            yield _partitions(members)
        elif group.endswith(os.sep):
            inner = f"{folder}{group}"
            yield from [inner.rstrip(os.sep)] if _is_one_table(members, root) else _groups(members, root, inner)
        else:
            for part in _alike(members, root):
                glob = _common_glob(part, found) if len(part) > 1 else part[0]
                yield from [glob] if glob else part


def _partitions(files: Sequence[str]) -> str:
    """Returns the glob of files in folders of partitions; example: "day=*/*.parquet"."""
    *folders, name = Path(files[0]).parts
    suffixes = [one for one in Path(name).suffixes if one in COMPRESSED or kind_of(one)]
    stars = [f"{one.partition('=')[0]}=*" if "=" in one else one for one in folders]
    return os.sep.join([*stars, f"*{''.join(suffixes)}"])


def _is_one_table(files: Sequence[str], root: Path) -> bool:
    """Returns True for files of one kind and with equal columns; files whose names differ in digits are read once."""
    by_name = {RUN.sub("0", file): file for file in files}
    return len({kind_of(file) for file in files}) == 1 and (
        len(by_name) == 1 or len({frozenset(_columns_of(file, root)) for file in by_name.values()}) == 1
    )


def _alike(files: Sequence[str], root: Path) -> list[list[str]]:
    """Groups files whose columns are those of the first, or some of them, or more.

    Files whose names differ only in digits are read once. Without header lines, only such files belong together.
    """
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(re.sub(r"\d+", "0", file), []).append(file)
    parts: list[tuple[set[str], list[str]]] = []
    for members in by_name.values():
        columns = _columns_of(members[0], root) if len(by_name) > 1 else set()
        part = next((known for held, known in parts if held <= columns or columns <= held), None)
        if part is None:
            parts.append((columns, members))
        else:
            part += members
    return [sorted(members) for _, members in parts]


def _columns_of(file: str, root: Path) -> set[str]:
    """Returns the columns of a file; the name of the file if it has no header line, or if DuckDB cannot read it."""
    try:
        columns = set(open_table(connect(base=root, threads=1), Rows(files=file), root).columns)
    except ActionableError:  # find_tables explains it
        return {file}
    return {file} if looks_like_data(columns) else columns


def _common_glob(files: Sequence[str], others: Sequence[str]) -> str | None:
    """Returns a glob that matches exactly these files of a folder, None where none with one star does."""
    ordered = sorted(files)
    start = _common_start(ordered)
    end = _common_start([name[::-1] for name in ordered])[::-1]
    matching = [
        name
        for name in others
        if name.startswith(start) and name.endswith(end) and os.sep not in name.removeprefix(start).removesuffix(end)
    ]
    return f"{start}*{end}" if sorted(matching) == ordered else None


def _common_start(files: Sequence[str]) -> str:
    first, last = min(files), max(files)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
