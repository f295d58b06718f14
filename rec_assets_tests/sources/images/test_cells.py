"""Tests of cells that name images: the first image is taken, whatever is between them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.sources.images.cells import first_image, looks_like_image

AMAZON = {"thumb": "https://m.example/a._40_.jpg", "large": "https://m.example/a.jpg", "variant": "MAIN"}


@pytest.mark.parametrize(
    ("cell", "image"),
    [
        (None, None),
        ("  ", None),
        ("[]", None),
        ("a.jpg", "a.jpg"),
        (" 'a.jpg' ", "a.jpg"),
        ("//cdn.example/a", "https://cdn.example/a"),
        ("https://a.example/1.jpg|https://a.example/2.jpg", "https://a.example/1.jpg"),
        ("https://a.example/1.jpg, https://a.example/2.jpg", "https://a.example/1.jpg"),
        ("https://a.example/1,https://a.example/2", "https://a.example/1"),
        ("https://a.example/1\nhttps://a.example/2", "https://a.example/1"),
        ("https://a.example/1 > https://a.example/2", "https://a.example/1"),
        ("img/1.jpg; img/2.jpg", "img/1.jpg"),
        ("1.jpg,2.jpg", "1.jpg"),
        ('["https://a.example/1,2.jpg", "https://a.example/3.jpg"]', "https://a.example/1,2.jpg"),
        ("['img/1.jpg', 'img/2.jpg']", "img/1.jpg"),
        ('[{"file": "img/1.jpg"}]', "img/1.jpg"),
        (json.dumps([AMAZON]), "https://m.example/a.jpg"),
        (str([AMAZON]), "https://m.example/a.jpg"),
        ("{'thumb': https://m.example/t.jpg, 'large': https://m.example/l.jpg}", "https://m.example/l.jpg"),
        (
            "{'thumb': 'https://m.example/t.jpg', 'large': 'https://m.example/l.jpg'} > {'x': NULL}",
            "https://m.example/l.jpg",
        ),
        ('{"thumb": "https://m.example/t.jpg"}', "https://m.example/t.jpg"),
        # These signs are part of one name.
        ("Chair, red.jpg", "Chair, red.jpg"),
        ("[photo] chair.jpg", "[photo] chair.jpg"),
        ("https://cdn.example/w_200,h_100/a.jpg", "https://cdn.example/w_200,h_100/a.jpg"),
        ("https://cdn.example/a;v=1", "https://cdn.example/a;v=1"),
        ("https://cdn.example/a.jpg?fit=1,2|3", "https://cdn.example/a.jpg?fit=1,2|3"),
    ],
)
def test_the_first_image_of_a_cell(cell: str | None, image: str | None) -> None:
    assert first_image(cell) == image


names = st.text("abcXYZ019_-/", min_size=1).map(lambda text: f"img/{text.strip('/')}.jpg")
addresses = st.text("abc019_-/", min_size=1).map(lambda text: f"https://cdn.example/{text}")


@given(st.lists(names, min_size=1) | st.lists(addresses, min_size=1), st.sampled_from(["|", " | ", "; ", ", ", "\n"]))
def test_images_between_usual_separators_are_told_apart(images: list[str], separator: str) -> None:
    assert first_image(separator.join(images)) == images[0]
    assert first_image(json.dumps(images)) == images[0]


@given(st.text(st.sampled_from("[]{}\"':,;|> \n/.ahtps\\1é")))
def test_any_text_gives_one_image_or_none(cell: str) -> None:
    image = first_image(cell)
    assert image is None or (image == image.strip() and image)


def test_images_are_recognized() -> None:
    assert all(
        map(looks_like_image, ["a.JPG", "/m/a.webp", "https://a.example/x", "a.png|b.png", json.dumps([AMAZON])])
    )
    assert not any(map(looks_like_image, ["", "a", "12.50", "red, blue", "a.pdf"]))
