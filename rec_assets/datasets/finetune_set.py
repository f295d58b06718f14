"""Builds the input of one day's fine-tune: rows of the day and older rows, in the codes of the last full training.

Items added since that training get new codes after the existing ones. The towers encode them with the id vector of the
unknown item, which was trained. Content and category distinguish them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.evaluation_set import ITEMS, LOG, SCHEMA, VALIDATION, write_repeats
from rec_assets.datasets.holdout_users import holdout_users_of, rows_for_training
from rec_assets.datasets.item_table import build_item_table
from rec_assets.datasets.joined_days import log_of
from rec_assets.datasets.next_day_queries import next_day_queries
from rec_assets.datasets.training_set import TRAIN, TrainingSet, write_request_keys
from rec_assets.inference.lookups import CATALOG, LOOKUPS, Lookups
from rec_assets.preprocessing.fit import transform_items, transform_rows
from rec_assets.preprocessing.merlin_schema import write_schema
from rec_assets.storage.frames import write_frame


def extend_lookups(lookups: Lookups, catalog: pl.DataFrame) -> Lookups:
    """Appends codes for the items added since the fit, in the order of their ids; existing codes stay."""
    item_ids = catalog["item_id"].to_numpy().astype(np.int64)
    added = np.setdiff1d(item_ids, lookups.vocabularies["item_id"])
    vocabularies = {**lookups.vocabularies, "item_id": np.append(lookups.vocabularies["item_id"], added)}
    return replace(lookups, vocabularies=vocabularies)


def build_finetune_set(
    folder: Path,
    workflows: Path,
    catalog: pl.DataFrame,
    content: Mapping[str, npt.NDArray[np.float32]],
    masked_day: Path,
    replay: Path,
    joined: Sequence[Path],
    holdout_share: float,
    seed: int,
    *,
    repeats: bool,
) -> TrainingSet:
    """Fills a folder that `TrainingSet.load` reads. Its `validation` queries are those of the day's holdout users.

    Args:
        folder: an empty directory.
        workflows: folder of the workflows of the last full training.
        catalog: all items as of the day, sorted by item_id.
        content: `image_embedding` and `text_embedding`, float32 [items, 64], in the order of `catalog`.
        masked_day: file of the masked rows of the day.
        replay: file of masked rows of older days.
        joined: files of the unmasked rows of the days that histories cover; the last is the day itself.
        holdout_share: share of the day's users that are held out.
        seed: random seed for the draw of the holdout users.
        repeats: whether lists may repeat items, as in the last full training.
    """
    write_repeats(folder, repeats=repeats)
    lookups = extend_lookups(Lookups.load(workflows / LOOKUPS), catalog)
    lookups.save(folder / LOOKUPS)
    write_frame(catalog, folder / CATALOG)
    log = log_of(joined, lookups)
    log.save(folder / LOG)
    holdout_users = holdout_users_of(joined[-1], holdout_share, seed)
    with TemporaryDirectory() as scratch:
        train_rows = Path(scratch) / "train.parquet"
        day_rows = rows_for_training(masked_day, joined[-1], holdout_users)
        write_frame(pl.concat([pl.read_parquet(replay), day_rows]), train_rows)
        transform_rows(workflows, [train_rows], folder / TRAIN)
        write_request_keys(folder / TRAIN, [train_rows], lookups)
        queries = next_day_queries(workflows, [joined[-1]])
        items = transform_items(workflows, folder / CATALOG)
        train_ids = lookups.encode("item_id", pl.read_parquet(train_rows, columns=["item_id"])["item_id"].to_numpy())
    queries.at(np.flatnonzero(np.isin(queries.user_ids, holdout_users))).save(folder / VALIDATION)
    codes = lookups.encode("item_id", catalog["item_id"].to_numpy())
    items = items.with_columns(item_id=pl.Series(codes))
    raw_ids, first_days = catalog["item_id"].to_list(), catalog["first_day"]
    table = build_item_table(items, raw_ids, first_days, dict(content), train_ids, log)
    table.save(folder / ITEMS)
    write_schema(workflows, folder / SCHEMA)
    return TrainingSet.load(folder)
