from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import CONTEXT_FEATURES, RANKER_FEATURES, USER_FEATURES
from rec_assets.features.history import LENGTH, UserHistories
from rec_assets.features.signals.history_signals import HISTORY_SIGNALS, history_signals
from rec_assets.features.signals.item_signals import ITEM_SIGNALS
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph.spec import tensor
from rec_assets.serving.stages.base import Arrays
from rec_assets.serving.stages.ranking import Ranking, Unroll
from rec_assets.serving.tables.memory_mapped import (
    SIGNALS,
    content_tables,
    item_facts,
    item_neighbors,
    signal_tables,
)
from rec_assets.settings import Settings

NOON, HOUR, DAY = 1_741_608_000, 3600, 86_400
# By encoded id: 3 and 4 have the same style, 5 has another style of the same category, 6 another category.
TABLES: Arrays = {
    "group_l1": np.array([0, 0, 0, 3, 3, 3, 4], np.int32),
    "group_l2": np.array([0, 0, 0, 3, 3, 4, 5], np.int32),
    "share_l1": np.full(7, 0.3, np.float32),
    "share_l2": np.full(7, 0.2, np.float32),
    "price": np.linspace(-1, 1, 7, dtype=np.float32),
    **{name: np.linspace(number, 3, 7, dtype=np.float32) for number, name in enumerate(ITEM_SIGNALS)},
}
NEIGHBORS = Neighbors(np.zeros((7, 1), np.int32), np.zeros((7, 1), np.float32))


def request(histories: list[list[tuple[int, int]]], splits: list[int], items: list[int]) -> Any:
    """Returns requests at noon; each history has (encoded item, time) pairs."""
    padded = UserHistories.empty(len(histories))
    for row, history in enumerate(histories):
        padded.item_ids[row, : len(history)] = [item for item, _ in history]
        padded.timestamps[row, : len(history)] = [at for _, at in history]
    return {
        "item_id": np.array(items, np.int32),
        "gender": np.arange(7, 7 + len(histories), dtype=np.int32),
        "age_norm": np.arange(7, 7 + len(histories)).astype(np.float32) / 10,
        "history_item_id": padded.item_ids,
        "history_timestamp": padded.timestamps,
        "timestamp": np.full(len(histories), NOON, np.int32),
        "row_splits": np.array(splits),
    }


def unrolled(inputs: Any, *, ranks_own_apart: bool = True) -> Any:
    return Unroll(TABLES, NEIGHBORS, ranks_own_apart=ranks_own_apart)(inputs)


@pytest.mark.parametrize(("splits", "expected"), [([0, 2, 2, 3], [7, 7, 9]), ([0, 0, 1, 3], [8, 9, 9])])
def test_users_are_repeated_for_each_of_their_candidates(splits: list[int], expected: list[int]) -> None:
    made = unrolled(request([[], [], []], splits, [3, 4, 5]))
    assert made["gender"].tolist() == expected
    np.testing.assert_allclose(made["age_norm"], np.array(expected) / 10)
    signals = {"retrieval_rank", *HISTORY_SIGNALS, *ITEM_SIGNALS}
    assert set(made) == {"gender", "age_norm"} | signals
    assert all(made[name].dtype == np.float32 for name in signals)


def test_the_rank_starts_again_at_each_request() -> None:
    made = unrolled(request([[], []], [0, 3, 5], [6, 5, 4, 5, 6]))
    np.testing.assert_allclose(made["retrieval_rank"], np.log1p([0, 1, 2, 0, 1]), rtol=1e-6)


def test_the_rank_of_a_new_item_does_not_count_own_items_but_in_earlier_bundles() -> None:
    inputs = request([[(6, NOON - HOUR)], []], [0, 3, 5], [6, 5, 4, 5, 6])
    found = [unrolled(inputs, ranks_own_apart=apart)["retrieval_rank"] for apart in (True, False)]
    np.testing.assert_allclose(found[0], np.log1p([0, 0, 1, 0, 1]) - [8, 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(found[1], np.log1p([0, 1, 2, 0, 1]), rtol=1e-6)


def test_signals_tie_a_candidate_to_the_history_of_its_own_user() -> None:
    histories = [[(3, NOON - HOUR), (5, NOON - DAY), (3, NOON - 2 * DAY)], [(6, NOON - 3 * DAY)]]
    made = unrolled(request(histories, [0, 4, 5], [3, 4, 6, 5, 6]))
    wanted: dict[str, list[float]] = {
        "times_chosen": [2, 0, 0, 1, 1],
        "days_since": [1 / 24, 0, 0, 1, 3],
        "times_in_category_l2": [2, 2, 0, 1, 1],
        "times_in_category_l1": [3, 3, 0, 3, 1],
        "history_length": [3, 3, 3, 3, 1],
    }
    for name, values in wanted.items():
        np.testing.assert_allclose(made[name], np.log1p(values), rtol=1e-6, err_msg=name)
    for name in ITEM_SIGNALS:
        np.testing.assert_array_equal(made[name], TABLES[name][[3, 4, 6, 5, 6]])


def test_the_signals_of_a_bundle_equal_those_of_training(tiny_bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    histories = [
        [(int(item), NOON - 60 * position) for position, item in enumerate(rng.integers(2, 53, LENGTH))],
        [(9, 5)],
    ]
    inputs = request(histories, [0, 30, 50], rng.integers(2, 53, 50).tolist())
    made: Any = Unroll.load(tiny_bundle, Settings())(inputs)
    tables = signal_tables(tiny_bundle)
    past = Past(UserHistories(inputs["history_item_id"], inputs["history_timestamp"]), inputs["timestamp"])
    items, owners, facts = inputs["item_id"], np.repeat([0, 1], [30, 20]), item_facts(tables)
    days = tables["repurchase_days"][items]
    expected = history_signals(past, items, owners, facts, item_neighbors(tiny_bundle), days)
    for name, values in expected.items():
        np.testing.assert_array_equal(made[name], values)


def ranked_rows(bundle: Bundle, splits: list[int]) -> Any:
    """Returns random inputs of the ranker: candidates of requests with these row splits."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, bundle.lookups.size("item_id"), splits[-1]).astype(np.int32)
    content = {f"{name}_embedding": table[items] for name, table in content_tables(bundle).items()}
    owners = np.repeat(np.arange(len(splits) - 1), np.diff(splits))
    rows: Any = {"item_id": items, **content, "row_splits": np.array(splits)}
    for name in RANKER_FEATURES:
        if name not in rows:
            codes, numbers = (
                rng.integers(0, 3, len(items)).astype(np.int32),
                rng.normal(size=len(items)).astype(np.float32),
            )
            values = codes if tensor(f"candidate/{name}").dtype == "INT32" else numbers
            rows[name] = values[owners] if name in (*USER_FEATURES, *CONTEXT_FEATURES) else values
    return rows


@pytest.mark.parametrize("splits", [[0, 0], [0, 9], [0, 4, 4, 9]])
def test_the_ranker_scores_as_the_exported_model(tiny_bundle: Bundle, copy: Path, splits: list[int]) -> None:
    rows = ranked_rows(tiny_bundle, splits)
    scores = Ranking.load(tiny_bundle, Settings())(rows)["score"]
    exported = OnnxModel(tiny_bundle.file("dlrm"), tuple(rows), 1)
    np.testing.assert_allclose(scores, exported(rows)[:, 0], atol=1e-6)
    # A bundle of an earlier release has only the exported model.
    (copy / "dlrm" / "item.onnx").unlink()
    np.testing.assert_allclose(Ranking.load(Bundle.open(copy), Settings())(rows)["score"], scores, atol=1e-6)


def test_without_candidates_there_are_no_rows() -> None:
    made = unrolled(request([[(3, 5)]], [0, 0], []))
    assert {name: values.shape for name, values in made.items()} == dict.fromkeys(made, (0,))


@pytest.mark.parametrize(("rows", "fields"), [(9, SIGNALS.names), (53, ["group_l1", *ITEM_SIGNALS])])
def test_signals_of_another_workflow_are_refused(copy: Path, rows: int, fields: list[str]) -> None:
    file = copy / "signals" / "signals.npy"
    np.save(file, np.load(file)[list(fields)][:rows])
    with pytest.raises(ActionableError, match=r"wrong shapes \(\{'group_l1'.*need \(53,\).*\n.*different workflows"):
        Unroll.load(Bundle.open(copy), Settings())
