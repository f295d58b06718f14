"""Attribution: which shown item of which answer an interaction counts for."""

import polars as pl

# at: unix seconds of the first such interaction; kind: clicked, bought, or unknown (see `features.days.with_kind`).
OUTCOMES = {
    "answer_id": pl.String,
    "user_id": pl.Int32,
    "item_id": pl.Int32,
    "position": pl.Int32,
    "kind": pl.String,
    "at": pl.Int64,
}


def attribute(shown: pl.DataFrame, interactions: pl.DataFrame, window_s: int) -> pl.DataFrame:
    """Finds the interactions with shown items, at most `window_s` seconds after the answer.

    An interaction counts for the latest answer before it that showed the item to the user. Interactions have whole
    seconds, so one in the second of an answer comes after the answer. Several interactions of one kind with a shown
    item are one outcome. Answers for anonymous users have none.

    Example with a window of one hour: answers A at 10:00 and B at 10:20 showed the item. A click at 10:10 counts for A,
    clicks at 10:30 and 10:40 are one outcome of B, and a click at 11:30 counts for none.

    Args:
        shown: columns of `shown.SHOWN`.
        interactions: user_id, item_id int32, timestamp int64 in unix seconds, kind.
        window_s: length of the window.

    Returns:
        The columns of `OUTCOMES`, sorted by all of them.
    """
    pair = ["user_id", "item_id"]
    lists = shown.filter(pl.col("user_id") >= 0).with_columns(shown_at=pl.col("at") // 1000)
    latest = interactions.sort("timestamp").join_asof(
        lists.sort("shown_at", "at", "answer_id").select(*pair, "answer_id", "position", "shown_at"),
        left_on="timestamp",
        right_on="shown_at",
        by=pair,
        strategy="backward",
        check_sortedness=False,  # both are sorted
    )
    within = latest.filter(pl.col("timestamp") - pl.col("shown_at") <= window_s)
    first = within.group_by("answer_id", *pair, "position", "kind").agg(at=pl.col("timestamp").min())
    return first.select(pl.col(name).cast(dtype) for name, dtype in OUTCOMES.items()).sort(*OUTCOMES)
