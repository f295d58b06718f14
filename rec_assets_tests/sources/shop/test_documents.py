"""JSON documents of interfaces of shop software, and paths of categories in one cell."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_assets.sources.shop.guess import guess_shop
from rec_assets_tests.sources.shop.opened import opened

ORDERS = 90


def shopify(number: int) -> dict[str, Any]:
    """Returns an order of two lines as the REST interface of Shopify does, with some of its fields."""
    lines = [
        {
            "id": 10 * number + place,
            "product_id": 700 + item,
            "sku": f"S{item}",
            "title": f"Thing {item}",
            "name": f"Thing {item} - blue",
            "price": f"{item}.50",
            "quantity": 1,
            "grams": 500,
            "vendor": "Acme",
            "tax_lines": [{"title": "VAT", "rate": 0.2}],
        }
        for place, item in enumerate((1 + number % 30, 1 + (7 * number + 3) % 30))
    ]
    return {
        "id": 4_500_000 + number,
        "order_number": 1001 + number,
        "name": f"#{1001 + number}",
        "email": f"p{number % 20}@example.com",
        "created_at": f"2024-03-{1 + number % 28:02d}T10:00:00-05:00",
        "cancelled_at": "2024-04-01T10:00:00-05:00" if number % 9 == 0 else None,
        "total_price": "9.50",
        "gateway": "visa",
        "customer": {"id": 90_000 + number % 20, "email": f"p{number % 20}@example.com"},
        "line_items": lines,
        "shipping_lines": [{"code": "post", "price": "3.00", "title": "Standard"}],
    }


def woocommerce(number: int) -> dict[str, Any]:
    """Returns an order of two lines as the REST interface of WooCommerce does, with some of its fields."""
    order = shopify(number)
    lines = [
        {"id": line["id"], "name": line["title"], "product_id": line["product_id"], "sku": line["sku"], "price": 3.5}
        for line in order["line_items"]
    ]
    return {
        "id": number,
        "parent_id": 0,
        "status": "cancelled" if number % 9 == 0 else "completed",
        "date_created": f"2024-03-{1 + number % 28:02d}T10:00:00",
        "date_modified": "2024-04-01T10:00:00",
        "customer_id": 1 + number % 20,
        "billing": {"first_name": "A", "email": "a@example.com"},
        "line_items": lines,
        "meta_data": [{"id": 1, "key": "a", "value": "b"}],
    }


NUMBERS = range(ORDERS)
DOCUMENTS: dict[str, Any] = {
    "Shopify": {"orders": [shopify(n) for n in NUMBERS]},
    "WooCommerce": [woocommerce(n) for n in NUMBERS],
    "an interface with pages": {"data": [woocommerce(n) for n in NUMBERS], "has_more": False, "meta": {"page": 1}},
    "GraphQL": {"data": {"orders": {"edges": [{"node": shopify(n)} for n in NUMBERS]}}},
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_of_orders_has_a_row_for_each_line(tmp_path: Path, name: str, indent: int | None) -> None:
    (tmp_path / "orders.json").write_text(json.dumps(DOCUMENTS[name], indent=indent))
    draft = guess_shop(tmp_path, tmp_path)
    source = opened(draft.shop, tmp_path)
    rows = source.rows().collect()
    kept = [n for n in NUMBERS if n % 9]
    assert (rows.height, rows["user"].n_unique()) == (2 * len(kept), 20)
    assert rows["timestamp"].n_unique() == 28
    catalog = source.catalog()
    assert catalog.height == 30
    assert set(catalog["title"].str.split(" - ").list.first()) == {f"Thing {n}" for n in range(1, 31)}


def test_each_list_of_a_document_is_a_table(tmp_path: Path) -> None:
    lines = {
        n: [{"product_id": 700 + n % 30, "quantity": 1}, {"product_id": 700 + n % 7, "quantity": 2}] for n in NUMBERS
    }
    orders = [
        {"id": n, "customer_id": n % 20, "created_at": f"2024-03-{1 + n % 28:02d}T10:00:00", "lines": lines[n]}
        for n in NUMBERS
    ]
    products = [{"id": 700 + n, "title": f"Thing {n}", "price": n + 0.5, "tags": ["new"]} for n in range(30)]
    customers = [{"id": n, "age": 20 + n, "gender": "fm"[n % 2]} for n in range(20)]
    document = {"exported_at": "2024-04-01", "customers": customers, "products": products, "orders": orders}
    (tmp_path / "shop.json").write_text(json.dumps(document))
    source = opened(guess_shop(tmp_path, tmp_path).shop, tmp_path)
    assert source.rows().collect().height == 2 * ORDERS
    assert sorted(source.catalog()["title"]) == sorted(f"Thing {n}" for n in range(30))
    assert sorted(source.users()["age"]) == list(range(20, 40))


def test_a_document_of_more_than_a_megabyte_is_read(tmp_path: Path) -> None:
    orders = [shopify(n) for n in range(2_000)]
    (tmp_path / "orders.json").write_text(json.dumps({"orders": orders}))
    assert guess_shop(tmp_path, tmp_path).notes[0] == "interactions: orders.json, 4,000 rows"


@pytest.mark.parametrize(
    ("cells", "first", "second"),
    [
        # All items share the first two levels.
        (["Default Category/Men/Shirts", "Default Category/Men/Socks"], {"Shirts", "Socks"}, {"Shirts", "Socks"}),
        (["Men > Shirts", "Women > Socks"], {"Men", "Women"}, {"Men > Shirts", "Women > Socks"}),
        (
            ["Root/Gear,Root/Gear/Bags", "Root,Root/Tools,Root/Tools/Saws"],
            {"Gear", "Tools"},
            {"Gear > Bags", "Tools > Saws"},
        ),
        (["Home, Garden/Tools", "Pets/Food"], {"Home, Garden", "Pets"}, {"Home, Garden > Tools", "Pets > Food"}),
        (['["Men", "Shirts"]', '["Women", "Socks"]'], {"Men", "Women"}, {"Men > Shirts", "Women > Socks"}),
        (["['Men', 'Shirts']", "['Women']"], {"Men", "Women"}, {"Men > Shirts", "Women"}),
        (
            ['[{"id": 1, "name": "Men"}, {"id": 2, "name": "Shirts"}]', '[{"id": 3, "name": "Women"}]'],
            {"Men", "Women"},
            {"Men > Shirts", "Women"},
        ),
        (["[1, 12]", "[2, 21]"], {"1", "2"}, {"1 > 12", "2 > 21"}),
    ],
)
def test_a_path_in_one_cell_gives_two_levels(
    tmp_path: Path, cells: list[str], first: set[str], second: set[str]
) -> None:
    rows = {"user_id": [n % 7 for n in range(60)], "sku": [n % 30 for n in range(60)], "time": ["2024-02-13"] * 60}
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    items = {"sku": range(30), "title": [f"Thing {n}" for n in range(30)], "categories": cells * 15}
    pl.DataFrame(items).write_csv(tmp_path / "items.csv")
    catalog = opened(guess_shop(tmp_path, tmp_path).shop, tmp_path).catalog()
    assert (set(catalog["category_l1"]), set(catalog["category_l2"])) == (first, second)
