"""Orders that were cancelled or returned: `rec init` finds the columns that say so, and their rows do not teach."""

from pathlib import Path

import polars as pl
import pytest

from rec_assets.sources.shop.check import find_problems
from rec_assets.sources.shop.guess import guess_shop
from rec_assets_tests.sources.shop.opened import opened

ROWS = 60
NUMBERS = list(range(ROWS))
ORDERS: dict[str, list[object]] = {
    "customer_id": [n % 7 for n in NUMBERS],
    "sku": [f"S{n % 30}" for n in NUMBERS],
    "ordered_at": [f"2024-02-{1 + n % 20:02d} 10:00" for n in NUMBERS],
}
TIME, STATES = "2024-02-21 10:00", ("Paid", "partially_refunded", "not refunded")


def every_third(dropped: object, *kept: object) -> list[object]:
    return [kept[n % len(kept)] if n % 3 else dropped for n in NUMBERS]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("order_status", every_third("wc-cancelled", "wc-completed", "wc-processing")),
        ("Financial Status", every_third("refunded", *STATES)),
        ("Status", every_third("Storniert", "Bezahlt")),
        ("estado", every_third("Devuelto", "Entregado")),
        ("订单状态", every_third("已取消", "已完成")),
        ("Doc Type", every_third("Refund", "Sale")),
        ("is_cancelled", every_third("true", "false")),
        ("Cancelled at", every_third(TIME, "")),
        ("InvoiceNo", [f"{'' if n % 3 else 'C'}5363{n:02d}" for n in NUMBERS]),
        ("Quantity", every_third("-1,000", "1", "2")),
        ("Qty", every_third("(1)", "1", "2")),
    ],
)
def test_rows_of_cancelled_and_returned_orders_are_dropped(tmp_path: Path, column: str, values: list[object]) -> None:
    pl.DataFrame(ORDERS | {column: values}).write_csv(tmp_path / "orders.csv")
    draft = guess_shop(tmp_path, tmp_path)
    assert sum(column in note and "dropped" in note for note in draft.notes) == 1
    source = opened(draft.shop, tmp_path)
    assert source.rows().collect().height == ROWS * 2 // 3
    (problem,) = [one for one in find_problems(source) if one.where == "interactions"]
    assert (problem.rows, column in problem.outcome) == (ROWS // 3, True)
    assert len(problem.outcome) < 150  # the condition of a state has more letters


def test_states_of_cancelled_orders_that_appear_later_do_not_count(tmp_path: Path) -> None:
    pl.DataFrame(ORDERS | {"status": every_third("wc-refunded", "paid")}).write_csv(tmp_path / "orders.csv")
    shop = guess_shop(tmp_path, tmp_path).shop
    later = ["Cancelled", "charge back", "Zurückgegeben, storniert", "partially_refunded", "not cancelled", "on hold"]
    states = {"status": [later[n % len(later)] for n in NUMBERS]}
    pl.DataFrame(ORDERS | states).write_csv(tmp_path / "orders.csv")
    assert opened(shop, tmp_path).rows().collect().height == ROWS // 2


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("status", every_third("shipped", "paid")),
        ("state", every_third("Montana", "Texas")),
        ("returning_customer", every_third("1", "0")),
        ("Type", every_third("Shirt", "Sock")),
        ("invoice", [f"A{n}" for n in NUMBERS]),
        ("cancelled", ["0"] * ROWS),
    ],
)
def test_other_states_drop_nothing(tmp_path: Path, column: str, values: list[object]) -> None:
    pl.DataFrame(ORDERS | {column: values}).write_csv(tmp_path / "orders.csv")
    assert guess_shop(tmp_path, tmp_path).shop.interactions.where == ""


def test_the_state_of_an_order_counts_for_its_lines(tmp_path: Path) -> None:
    heads = {name: ORDERS[name] for name in ("customer_id", "ordered_at")} | {"status": every_third("canceled", "ok")}
    pl.DataFrame({"order_id": NUMBERS} | heads).write_csv(tmp_path / "orders.csv")
    lines = {"order_id": NUMBERS * 2, "sku": ORDERS["sku"] * 2}
    pl.DataFrame(lines).write_csv(tmp_path / "order_lines.csv")
    assert opened(guess_shop(tmp_path, tmp_path).shop, tmp_path).rows().collect().height == ROWS * 2 * 2 // 3
