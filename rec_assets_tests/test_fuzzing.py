"""Files that people or other machines write are read or refused with an ActionableError, whatever they contain."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rec_assets.bundles.bundle import MANIFEST, Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources.shop.mapping import load_shop

TOML = """
name = "shop"
[days]
first = 2025-03-03
count = 14
train = 9
valid = 3
[interactions]
files = "rows.csv"
user = "user"
item = "item"
time = "time"
"""
VALUES = st.one_of(
    st.integers(), st.text(max_size=12), st.booleans(), st.floats(), st.none(), st.lists(st.integers(), max_size=2)
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """Draws a text in which one line is replaced, removed or cut, or one byte is another."""
    lines = text.splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(["replace", "remove", "cut", "byte"]))
    if kind == "byte":
        content = bytearray(text.encode())
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        return bytes(content)
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))].encode()
    name = lines[number].split("=")[0]
    value = draw(VALUES)
    lines[number : number + 1] = [f"{name}= {json.dumps(value)}"] if kind == "replace" else []
    return "\n".join(lines).encode()


@given(st.one_of(mutated(TOML), st.binary(max_size=60)))
@example(b"\xff\xfe")
@example(TOML.replace('"shop"', '"../../elsewhere"').encode())
@example(TOML.replace("14", "9" * 5000).encode())
@example(b"a = " + b"[" * 2000)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mapping_file_is_read_or_refused(folder: Path, content: bytes) -> None:
    file = folder / "shop.toml"
    file.write_bytes(content)
    try:
        shop = load_shop(file)
        assert shop.days.count >= 0 and "/" not in shop.name
    except ActionableError as error:
        assert str(file) in error.problem
    try:
        home = Settings(home=folder, shop=file).home
        assert home.parent == folder or home == folder
    except ValidationError:  # `load_settings` names the value
        pass


def test_a_folder_in_place_of_a_mapping_file_is_refused(folder: Path) -> None:
    with pytest.raises(ActionableError, match="cannot be read"):
        load_shop(folder)


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Draws changes to some fields of a manifest."""
    names = [
        "bundle_id",
        "as_of",
        "base",
        "parent",
        "parts",
        "made_from",
        "code_version",
        "metrics",
        "config",
        "source",
    ]
    wrong = st.one_of(VALUES, st.dictionaries(st.sampled_from(["workflow", "../..", "/etc", ""]), VALUES, max_size=2))
    return draw(st.dictionaries(st.sampled_from(names), wrong, min_size=1, max_size=3))


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle, folder: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.path, folder / "bundle"))


@given(st.one_of(manifests(), st.binary(max_size=40)))
@example(b"\xff\xfe")
@example({"parts": {"../../..": "0" * 64}})
@example({"bundle_id": "../../escaped"})
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_manifest_is_read_or_refused(tiny_bundle: Bundle, bundle: Path, change: dict[str, Any] | bytes) -> None:
    whole = json.loads((tiny_bundle.path / MANIFEST).read_text())
    content = change if isinstance(change, bytes) else json.dumps(whole | change).encode()
    (bundle / MANIFEST).write_bytes(content)
    try:
        opened = Bundle.open(bundle, verify=True)
    except ActionableError:
        return
    assert opened.manifest.parts == tiny_bundle.manifest.parts and "/" not in opened.bundle_id
