"""Evaluation queries: one per user of a period, made at arrival, and the items that the user interacts with.

The arrival is the first row of any role. Items of rows that are only history are no hits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.joined_days import read_events
from rec_assets.datasets.rows import Arrays, load_arrays, take
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.sources.roles import ROLE, TARGET
from rec_assets.storage.frames import write_frame

_COLUMNS, _RELEVANT = "queries.npz", "relevant.parquet"


@dataclass(frozen=True)
class Queries:
    """One row per user of the period.

    Attributes:
        user_ids: raw ids, int32 [q].
        timestamps: unix seconds of the first interaction, int64 [q].
        device_types: raw, int32 [q].
        columns: encoded user and context features, raw user id and timestamp of that first interaction, each [q].
        relevant: columns user_id and item_id (both raw): every distinct item of the user's rows that teach.
        cold: bool [q], True if the user has no training row.
    """

    user_ids: npt.NDArray[np.int32]
    timestamps: npt.NDArray[np.int64]
    device_types: npt.NDArray[np.int32]
    columns: Arrays
    relevant: pl.DataFrame
    cold: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.user_ids)

    def at(self, index: npt.NDArray[np.int64]) -> "Queries":
        """Returns the queries at some positions, with the relevant items of their users."""
        users = self.user_ids[index]
        return Queries(
            users,
            self.timestamps[index],
            self.device_types[index],
            take(self.columns, index),
            self.relevant.filter(pl.col("user_id").is_in(pl.Series(users).implode())),
            self.cold[index],
        )

    def save(self, folder: Path) -> None:
        """Writes the queries to a new folder."""
        folder.mkdir()
        columns = {f"columns/{name}": array for name, array in self.columns.items()}
        arrays = {name: getattr(self, name) for name in ("user_ids", "timestamps", "device_types", "cold")}
        np.savez(folder / _COLUMNS, **arrays, **columns)
        write_frame(self.relevant, folder / _RELEVANT)

    @classmethod
    def load(cls, folder: Path) -> "Queries":
        """Reads a folder written by `save`."""
        arrays = load_arrays(folder / _COLUMNS)
        columns = {n.removeprefix("columns/"): array for n, array in arrays.items() if n.startswith("columns/")}
        per_user = {name: arrays[name] for name in ("user_ids", "timestamps", "device_types", "cold")}
        return cls(**per_user, columns=columns, relevant=pl.read_parquet(folder / _RELEVANT))

    def sample(self, size: int, seed: int) -> "Queries":
        """Returns at most `size` queries, drawn without replacement and kept in order."""
        if len(self) <= size:
            return self
        return self.at(np.sort(np.random.default_rng(seed).choice(len(self), size, replace=False)))


def build_queries(joined: Sequence[Path], encoded: Arrays) -> Queries:
    """Builds the queries of a period from its joined rows and their encoded form.

    Args:
        joined: files of the joined rows of the period.
        encoded: the same rows, and then those of `history_files`, in the same order, encoded.

    Raises:
        ValueError: the numbers of joined and encoded rows differ.
    """
    rows = read_events(joined, ("user_id", "item_id", "device_type", "timestamp")).with_row_index("row")
    if rows.height != len(encoded["user_id"]):
        raise ValueError(f"Joined and encoded rows differ in number ({rows.height} and {len(encoded['user_id'])}).")
    targets = rows.filter(pl.col(ROLE) == TARGET)
    asking = rows.join(targets, on="user_id", how="semi")
    first = asking.sort("user_id", "timestamp", "row").unique("user_id", keep="first", maintain_order=True)
    index = first["row"].to_numpy().astype(np.int64)
    picked = take({name: array for name, array in encoded.items() if name != "item_id"}, index)
    users, timestamps = first["user_id"].to_numpy(), first["timestamp"].to_numpy()
    picked |= {REQUEST_USER_ID: users, TIMESTAMP: timestamps}
    return Queries(
        users,
        timestamps,
        first["device_type"].to_numpy(),
        picked,
        targets.select("user_id", "item_id").unique(maintain_order=True),
        picked["user_id"] == 2,  # the unknown index: no training row has this user
    )
