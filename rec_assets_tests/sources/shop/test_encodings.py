"""Text files in encodings that DuckDB does not decode: guesses, copies in UTF-8, and mappings that read them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.sources.shop.encodings import guess_encoding
from rec_assets.sources.shop.guess import guess_shop
from rec_assets_tests.sources.shop.opened import opened

TEXTS = {
    "Référence;Désignation;l\u2019été à 5 €": "cp1252",
    "Größe;Straße;Käse \u2013 5 €": "cp1252",
    "Descrição;Preço;açaí;pão;você;é;€": "cp1252",
    "Café": "latin-1",
    "SET OF 6 £": "latin-1",
    "£5;€4;6²": "cp1252",
    "Müşteri;sipariş;Ürün;İğne;değer": "cp1254",
    "Ilość;żółty;towar;część;następny": "cp1250",
    "Číslo zboží;Zákazník;příjem": "cp1250",
    "Дата;Номер заказа;Код клиента": "cp1251",
    "订单号,用户ID,商品名称,数量": "gb18030",
    "訂單編號,會員卡號,商品分類": "big5",
    "注文番号,会員ID,商品コード,カテゴリ": "cp932",
    "상품번호;고객번호;주문일시": "cp949",
}


@pytest.mark.parametrize("text", TEXTS)
def test_the_encoding_follows_from_the_letters(text: str) -> None:
    lines = "\n".join(["id;name", *([f"7;{text};x y"] * 3)]) + "\n"
    assert guess_encoding(lines.encode(TEXTS[text])) == TEXTS[text]


@given(st.binary(max_size=200))
def test_any_bytes_have_an_encoding(sample: bytes) -> None:
    sample.decode(guess_encoding(sample), errors="replace")


def lines_of(header: str, line: str, rows: int) -> list[str]:
    return [header, *(line.format(n=n, user=n % 7, item=n % 5, day=1 + n % 9) for n in range(rows))]


def test_a_table_in_another_encoding_needs_no_correction(tmp_path: Path) -> None:
    lines = lines_of("Дата;Код клиента;Артикул;Наименование", "0{day}.05.2024;№{user};№{item};Вещь {item}", 60)
    (tmp_path / "orders.csv").write_bytes("\n".join(lines).encode("cp1251"))
    shop = guess_shop(tmp_path, tmp_path).shop
    assert shop.interactions.files == "orders.csv"
    assert set(opened(shop, tmp_path).catalog()["title"]) == {f"Вещь {n}" for n in range(5)}


def test_a_query_joins_tables_of_different_encodings(tmp_path: Path) -> None:
    orders = lines_of("order_id;customer_id;order_date", "o{n};café \u2013 {user};2024-05-0{day}", 60)
    (tmp_path / "orders.csv").write_bytes("\n".join(orders).encode("cp1252"))
    parts = lines_of("order_id;product_id;quantity", "o{n};Größe {item};1", 60)
    (tmp_path / "order_lines.csv").write_text("\n".join(parts))
    shop = guess_shop(tmp_path, tmp_path).shop
    assert "encoding='cp1252'" in shop.interactions.query
    rows = opened(shop, tmp_path).rows().collect()
    assert set(rows["user"]) == {f"café \u2013 {n}" for n in range(7)}
    assert set(rows["item"]) == {f"Größe {n}" for n in range(5)}
