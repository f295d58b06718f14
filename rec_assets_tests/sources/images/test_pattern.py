"""Tests of patterns of images: their mistakes, and the item that a file belongs to."""

import re
from fnmatch import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.sources.images.pattern import ImagePattern, address_of, mistake_in


@pytest.mark.parametrize(
    ("images", "has_column", "problem"),
    [
        ("photos", False, ""),
        ("photos/{item}/main.*", False, ""),
        ("s3://bucket/{item}_1.jpg", False, ""),
        ("https://cdn.example/{item}.jpg?v={item}", False, ""),
        ("https://cdn.example/media", True, ""),
        ("photos/{category}/{item}.jpg", False, "another placeholder"),
        ("photos/{item.jpg", False, "another placeholder"),
        ("photos/*", False, r"may have a \* only"),
        ("https://cdn.example/{item}_*.jpg", False, r"may have a \* only"),
        ("https://cdn.example/media", False, "without {item}"),
        ("photos/{item}.jpg", True, "`image` names the images"),
    ],
)
def test_mistakes_are_named(images: str, has_column: bool, problem: str) -> None:
    found = mistake_in(images, has_column=has_column)
    assert re.search(problem, found) if problem else not found


@pytest.mark.parametrize(
    ("pattern", "root", "path", "items"),
    [
        ("photos/{item}.jpg", "photos", "A-1.jpg", ["A-1"]),
        ("{item}/main.*", "", "A/main.webp", ["A"]),
        ("{item}/{item}.jpg", "", "A/A.jpg", ["A"]),
        ("{item}/{item}.jpg", "", "A/B.jpg", []),
        ("a/b/x_{item}_*.jpg", "a/b", "x_A_1_2.jpg", ["A_1", "A"]),
        ("*_{item}.jpg", "", "x_A_1.jpg", ["A_1", "1"]),
        ("{item}.*", "", "A.b.jpg", ["A.b", "A"]),
        ("{item}[1].jpg", "", "A[1].jpg", ["A"]),
        ("s3://bucket/p/{item}.jpg", "s3://bucket/p", "A.jpg", ["A"]),
        ("/data/{item}.jpg", "/data", "A.jpg", ["A"]),
        ("{item}.jpg", "", "A/B.jpg", []),
    ],
)
def test_a_path_belongs_to_the_item_with_the_longest_id(pattern: str, root: str, path: str, items: list[str]) -> None:
    found = ImagePattern(pattern)
    assert found.root == root
    assert list(found.captures(path)) == items
    assert fnmatch(path, found.glob) or not items


ids = st.text("AB01_-.[]*?{} é", min_size=1, max_size=20)


@given(ids, st.sampled_from(["{item}.jpg", "p/{item}_1.*", "{item}/x.png", "a*{item}/{item}.*"]))
def test_an_id_is_found_in_its_own_path(item: str, pattern: str) -> None:
    path = ImagePattern(pattern).path.replace(".*", ".jpg").replace("a*", "abc").replace("{item}", item)
    assert item in ImagePattern(pattern).captures(path)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_id_cannot_change_the_rest_of_an_address(item: str) -> None:
    address = address_of("https://cdn.example/i/{item}.jpg", item)
    assert address.startswith("https://cdn.example/i/") and address.endswith(".jpg")
    assert not set(address.removeprefix("https://cdn.example/i/")) & set("/?#\\ \n")
