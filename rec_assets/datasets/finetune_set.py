"""Input of one day's fine-tune: its rows and older ones, in the codes of the last full training.

Items that came since that training get codes after its own; the towers take them for the unknown item, which was
trained, and tell them apart by content and category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.evaluation_set import ITEMS, LOG, VALIDATION
from rec_assets.datasets.holdout_users import holdout_users_of, rows_to_learn
from rec_assets.datasets.item_table import build_item_table
from rec_assets.datasets.queries import build_queries
from rec_assets.datasets.rows import load_rows
from rec_assets.datasets.training_set import SCHEMA, TRAIN, TrainingSet, write_askers
from rec_assets.features.history import InteractionLog
from rec_assets.inference.lookups import Lookups
from rec_assets.preprocessing.fit import transform_items, transform_rows
from rec_assets.preprocessing.merlin_schema import write_schema
from rec_assets.storage.frames import write_frame

LOOKUPS, CATALOG = "lookups.npz", "items.parquet"


def extend_lookups(lookups: Lookups, catalog: pl.DataFrame) -> Lookups:
    """Gives codes to the items that came since, in the order of their ids; all other codes stay."""
    item_ids = catalog["item_id"].to_numpy().astype(np.int64)
    later = np.setdiff1d(item_ids, lookups.vocabularies["item_id"])
    known = {**lookups.vocabularies, "item_id": np.append(lookups.vocabularies["item_id"], later)}
    return replace(lookups, vocabularies=known)


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
) -> TrainingSet:
    """Fills a folder that `TrainingSet.load` reads; `validation` is asked by the day's judging users.

    Args:
        folder: an empty directory.
        workflows: those of the last full training.
        catalog: all items as of the day, sorted by item_id; in the order of `content`.
        content: `image_embedding` and `text_embedding`, float32 [items, 64].
        masked_day: the masked rows of the day.
        replay: masked rows of older days.
        joined: the unmasked rows of the days that histories reach back to; the last is the day itself.
        holdout_share: of the day's users, who judge.
        seed: of their draw.
    """
    lookups = extend_lookups(Lookups.load(workflows / LOOKUPS), catalog)
    lookups.save(folder / LOOKUPS)
    write_frame(catalog, folder / CATALOG)
    columns = ["user_id", "item_id", "timestamp"]
    events = pl.concat([pl.read_parquet(file, columns=columns) for file in joined])
    users, raw_items, times = (events[name].to_numpy() for name in columns)
    item_ids = lookups.encode("item_id", raw_items)
    InteractionLog.of(users, times, item_ids).save(folder / LOG)
    judges = holdout_users_of(joined[-1], holdout_share, seed)
    with TemporaryDirectory() as scratch:
        learned, encoded = Path(scratch) / "learned.parquet", Path(scratch) / "encoded"
        own = rows_to_learn(masked_day, joined[-1], judges)
        write_frame(pl.concat([pl.read_parquet(replay), own]), learned)
        transform_rows(workflows / "full", [learned], folder / TRAIN)
        write_askers(folder / TRAIN, [learned], lookups)
        transform_rows(workflows / "full", [joined[-1]], encoded)
        queries = build_queries([joined[-1]], load_rows(encoded))
        items = transform_items(workflows / "item", folder / CATALOG)
        learned_ids = lookups.encode("item_id", pl.read_parquet(learned, columns=["item_id"])["item_id"].to_numpy())
    queries.at(np.flatnonzero(np.isin(queries.user_ids, judges))).save(folder / VALIDATION)
    codes = lookups.encode("item_id", catalog["item_id"].to_numpy())
    items = items.with_columns(item_id=pl.Series(codes))
    raw_ids, first_days = catalog["item_id"].to_list(), catalog["first_day"]
    table = build_item_table(items, raw_ids, first_days, dict(content), learned_ids, item_ids, times)
    table.save(folder / ITEMS)
    write_schema(workflows / "full", folder / SCHEMA)
    return TrainingSet.load(folder)
