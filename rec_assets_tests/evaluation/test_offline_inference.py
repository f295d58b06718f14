import numpy as np
import polars as pl

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.evaluation.offline_inference import first_unseen
from rec_assets.features.history import PADDING_ID
from rec_assets.features.signals.item_signals import ItemCategories, ItemFacts, ItemSignals

# Encoded 3, 4 and 5 are the raw items 10, 20 and 30.
NONE = np.zeros(6, np.float32)
FACTS = ItemFacts(ItemCategories(NONE.astype(int), NONE.astype(int)), NONE, NONE, NONE)
SIGNALS = ItemSignals(np.zeros(1, np.int64), {})
ITEMS = ItemTable(
    np.array([-1, -1, -1, 10, 20, 30], np.int32), {}, np.zeros(6, np.int64), FACTS, SIGNALS, np.zeros(6, np.int64)
)
CANDIDATES = Candidates(np.array([[5, 3, 4], [4, 5, 3]], np.int32), np.array([[0.9, 0.5, 0.1]] * 2, np.float32))
USERS = np.array([1, 2], np.int32)


def test_first_cuts_ids_and_scores_alike() -> None:
    cut = CANDIDATES.first(2)
    assert cut.item_ids.tolist() == [[5, 3], [4, 5]]
    assert cut.scores.shape == (2, 2)


def test_candidates_of_the_history_are_replaced_by_the_next_ones_with_their_scores() -> None:
    history = pl.DataFrame({"user_id": [1, 1, 2, 2], "item_id": [30, 30, 20, 30]})
    unseen = first_unseen(CANDIDATES, ITEMS, USERS, history, 2)
    assert unseen.item_ids.tolist() == [[3, 4], [3, PADDING_ID]]
    np.testing.assert_allclose(unseen.scores, [[0.5, 0.1], [0.1, 0.0]])
