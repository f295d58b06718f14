"""The reasons that `rec demo` prints for bundles that do not go live."""

from datetime import timedelta
from pathlib import Path

from rec_assets.bundles.live_record import record_live
from rec_assets.orchestration.runs.run_local import not_going_live
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.serving.stored_bundles import add
from rec_assets_tests.serving.synthetic import AS_OF


def test_a_training_of_an_earlier_day_than_the_live_bundle_and_a_rolled_back_bundle_are_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, start_date=AS_OF - timedelta(days=2), train_days=2, valid_days=1)
    store = open_store(settings)
    full, live, gone = add(store, 0, items=40), add(store, 1), add(store, 2)
    before = record_live(store, live, None, None)
    record_live(store, live, None, record_live(store, gone, None, before))
    rolled_back, earlier = not_going_live(settings)
    assert rolled_back.startswith(f"Bundle {gone.bundle_id} (") and "was rolled back" in rolled_back
    assert earlier.startswith(f"Bundle {full.bundle_id} ({AS_OF}) does not go live, because bundle {live.bundle_id}")
    assert f"`rec promote {full.bundle_id}`" in earlier
