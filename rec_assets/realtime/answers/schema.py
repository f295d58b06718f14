"""Answers of the serving graph as rows."""

import polars as pl

# One row per user of a request. `LISTS` are the columns for joins with events; `INPUTS` is what a replay needs.
LISTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "answer_id": pl.String,
    "at": pl.Int64,
    "user_id": pl.Int32,
    "bundle_id": pl.String,
    "rules_version": pl.String,
    "device_type": pl.Int32,
    "timestamp": pl.Int64,
    "sampled": pl.Boolean,
    "filters": pl.String,
    "item_ids": pl.List(pl.Int32),
    "scores": pl.List(pl.Float32),
}
INPUTS = "inputs"
SCHEMA = LISTS | {INPUTS: pl.Binary}
