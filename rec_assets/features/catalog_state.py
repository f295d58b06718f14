"""The state of the catalog between two updates: which items are available, and when their features changed last."""

import numpy as np
import polars as pl

FEATURES = ("price", "category_l1", "category_l2", "item_gender")
CHANGED_AT = "changed_at"  # unix seconds of the newest change after the daily features, 0 without one


def next_state(items: pl.DataFrame, before: pl.DataFrame | None, daily: int) -> pl.DataFrame:
    """Returns the state after a catalog was read again.

    Every item of an earlier state stays, so a withdrawn item is known as unavailable for ever. Times of changes only
    grow, because the feature store keeps the row with the latest time.

    Args:
        items: item_id, `FEATURES` and available, one row per item of the catalog.
        before: the earlier state, None without one.
        daily: time of the newest daily features, unix seconds.

    Returns:
        item_id, `FEATURES`, available, `CHANGED_AT`, sorted by item_id.
    """
    columns = ["item_id", *FEATURES, "available"]
    new = items.select(columns).with_columns(pl.lit(0, pl.Int64).alias(CHANGED_AT))
    if before is None or before.is_empty():
        return new.sort("item_id")
    now = max(daily, int(np.max(before[CHANGED_AT].to_numpy()))) + 1
    old = before.select("item_id", *(pl.col(name).alias(f"{name}_before") for name in (*FEATURES, CHANGED_AT)))
    joined = new.join(old, on="item_id", how="left")
    known = pl.col(f"{CHANGED_AT}_before").is_not_null()
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in FEATURES)
    kept = joined.with_columns(
        pl.when(known & changed)
        .then(pl.lit(now, pl.Int64))
        .otherwise(pl.col(f"{CHANGED_AT}_before").fill_null(0))
        .alias(CHANGED_AT)
    ).select(*columns, CHANGED_AT)
    withdrawn = before.join(items, on="item_id", how="anti").with_columns(available=pl.lit(False))
    return pl.concat([kept, withdrawn.select(*columns, CHANGED_AT)]).sort("item_id")


def changed_since(state: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """Returns the rows of a state whose features changed after an earlier state.

    Items out of stock count too: their features must be current when they come back.
    """
    latest = 0 if before is None or before.is_empty() else int(np.max(before[CHANGED_AT].to_numpy()))
    return state.filter(pl.col(CHANGED_AT) > latest)
