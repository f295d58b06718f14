"""Popular items that fill short lists."""

from pathlib import Path

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import LENGTH
from rec_assets.serving.tables.fallback_items import Fallback

NO_HISTORY = np.zeros(LENGTH, np.int32)


def test_a_withdrawn_item_fills_no_list(tiny_bundle: Bundle, copy: Path) -> None:
    file = copy / "item_index" / "vectors.npy"
    vectors = np.load(file)
    all_items = set(Fallback.load(tiny_bundle).order(NO_HISTORY).tolist())
    vectors[3] = 0  # the first item, 10
    np.save(file, vectors)
    assert set(Fallback.load(Bundle.open(copy)).order(NO_HISTORY).tolist()) == all_items - {10}
