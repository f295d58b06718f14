"""Writes exports with the column names of `layouts.toml` and `layouts_of_shops.toml`, and made-up values.

Of the kinds of values, `key` counts the rows, and `user`, `item` and `order` are one of 40 users, 30 items and 200
orders. `place` counts the rows up to a number and again; `first_of` has a text in the first of so many rows, and
`handle` has the same text in each of them. A text after a colon is a strptime format, a prefix of ids, or a choice. A
name with [] is a list of objects.
"""

import json
import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Columns = dict[str, str]
ROWS = {"key": 150, "item_key": 30, "user_key": 40, "order_key": 200, "six_key": 6, "two_key": 2}
START = datetime(2019, 10, 1, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Layout:
    """Files with the kind of value of each column, and user, item, time, title, price and categories of the mapping."""

    files: dict[str, Columns]
    expected: tuple[str, str, str, str, str, list[str]]


def layouts() -> dict[str, Layout]:
    """Returns the layouts of both files by name."""
    files = (Path(__file__).with_name(name) for name in ("layouts.toml", "layouts_of_shops.toml"))
    read = [one for file in files for one in tomllib.loads(file.read_text()).items()]
    return {name: Layout(one["files"], tuple(one["expected"])) for name, one in read}


def write_layout(layout: Layout, folder: Path) -> None:
    """Writes the files of a layout: CSV, text with tabs, or JSON lines, by their names."""
    draw = random.Random(3)
    for name, columns in layout.files.items():
        rows = next((ROWS[kind.split(":")[0]] for kind in columns.values() if kind.split(":")[0] in ROWS), 150)
        values = [_row(columns, number, draw) for number in range(rows)]
        if name.endswith(".csv"):
            lines = [",".join(columns), *(",".join(f'"{value}"' for value in row.values()) for row in values)]
        elif name.endswith((".inter", ".item")):
            lines = ["\t".join(columns), *("\t".join(map(str, row.values())) for row in values)]
        else:
            lines = [json.dumps(_nested(row)) for row in values]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")


def _row(columns: Columns, number: int, draw: random.Random) -> dict[str, Any]:
    moment, item = START + timedelta(seconds=draw.randrange(40 * 86_400)), draw.randrange(30)
    made: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(ROWS, lambda prefix: f"{prefix}{number}"),
        "user": lambda prefix: f"{prefix}{draw.randrange(40)}",
        "item": lambda prefix: f"{prefix}{item}",
        "order": lambda prefix: f"{prefix}{draw.randrange(200)}",
        "unix": lambda _: int(moment.timestamp()),
        "milliseconds": lambda _: int(moment.timestamp() * 1e3),
        "microseconds": lambda _: str(int(moment.timestamp() * 1e6)),
        "time": lambda form: moment.strftime(form or "%Y-%m-%d %H:%M:%S"),
        "day": lambda _: draw.randrange(1, 200),
        "stars": lambda _: float(draw.randrange(1, 6)),
        "text": lambda _: f"Thing {number}, all good",
        "cyrillic": lambda _: f"Вещь {number}",
        "place": lambda among: number % int(among),
        "first_of": lambda among: f"Thing {number}" if number % int(among) == 0 else "",
        "handle": lambda among: f"thing-{number // int(among)}",
        "half": lambda _: number // 3,
        "of_item": lambda _: f"Thing {item}",
        "word_of_item": lambda _: f"Kind {item % 3}",
        "word": lambda _: draw.choice(["red", "green", "blue", "grey"]),
        "number": lambda _: draw.randrange(1, 9),
        "age": lambda _: draw.randrange(18, 60),
        "price": lambda _: 1.5 + item,
        "paths": lambda _: [["Home", "Kitchen" if number % 2 else "Bath", "Pans"]],
        "empty": lambda _: "",
        "pick": lambda among: draw.choice(among.split(",")),
    }
    return {name: made[kind.split(":")[0]](kind.partition(":")[2]) for name, kind in columns.items()}


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """Returns {"a": {"b": 1}} for {"a.b": 1}, and a list of one object for "a[].b"."""
    made: dict[str, Any] = {}
    for name, value in row.items():
        outer, dot, inner = name.partition(".")
        if not dot:
            made[name] = value
        elif outer.endswith("[]"):
            made.setdefault(outer[:-2], [{}])[0][inner] = value
        else:
            made.setdefault(outer, {})[inner] = value
    return made
