"""Tests which bundle an id, a prefix or a keyword refers to, without servers."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.gate_results import GATES, Gate, save_gate_report
from rec_assets.bundles.live_record import Live, record_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.catalog import known_bundles, resolve_bundle
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.bucket_store import BucketStore
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.serving.stored_bundles import add, damage
from rec_assets_tests.serving.synthetic import AS_OF, make_bundle


def test_bundles_are_listed_newest_first_and_resolved_by_the_beginning_of_their_id(
    store: ArtifactStore, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    first, second = add(store, 1), add(store, 2, failed="better_than_popularity")
    assert [one.bundle_id for one in known_bundles(store, settings)] == [second.bundle_id, first.bundle_id]
    assert resolve_bundle(store, settings, first.bundle_id[:5]).bundle_id == first.bundle_id
    assert resolve_bundle(store, settings, "newest").bundle_id == first.bundle_id, "the newest that passed"
    for wanted, complaint in (("zzz", "No bundle id begins with 'zzz'"), ("previous", "No bundle was live before")):
        with pytest.raises(ActionableError, match=complaint):
            resolve_bundle(store, settings, wanted)


def test_no_older_bundle_is_promoted_in_place_of_a_damaged_one(store: ArtifactStore, tmp_path: Path) -> None:
    settings, (old, middle, new) = Settings(home=tmp_path), (add(store, number) for number in (1, 2, 3))
    damage(old)
    assert resolve_bundle(store, settings, "newest").bundle_id == new.bundle_id
    damage(new)
    with pytest.raises(ActionableError, match=r"(?s)newest bundle is damaged.*finetuned_bundle.*rec verify --repair"):
        resolve_bundle(store, settings, "newest")
    assert resolve_bundle(store, settings, middle.bundle_id).bundle_id == middle.bundle_id


def test_the_record_is_read_as_it_was_written() -> None:
    live = Live(bundle_id="ab", as_of=date(2025, 3, 14), version=3, promoted_at="2025-03-15T02:20:00Z", before=["cd"])
    assert Live.model_validate_json(live.model_dump_json()) == live


def again(store: ArtifactStore, bundle: Bundle, number: int) -> Bundle:
    """Publishes the models of a bundle again with another serving setting, so with another id."""
    day = AS_OF + timedelta(days=number)
    config = bundle.manifest.config.model_copy(update={"ranking_topk": 7})
    with store.publish("finetuned_bundle", day.isoformat()) as draft:
        shutil.rmtree(draft.path)
        shutil.copytree(bundle.path, draft.path)
        changed = bundle.manifest.model_copy(update={"bundle_id": "changed-setting", "config": config})
        (draft.path / "manifest.json").write_text(changed.model_dump_json())
    save_gate_report(store, changed.bundle_id, [Gate(name=name, passed=True, message="fine") for name in GATES])
    return Bundle.open(store.get("finetuned_bundle", day.isoformat()).path)


def test_what_was_rolled_back_is_not_the_newest_again_even_with_another_setting(
    store: ArtifactStore, tmp_path: Path
) -> None:
    settings, old, new = Settings(home=tmp_path), add(store, 1), add(store, 2)
    live = None
    for bundle in (old, new, old):
        live = record_live(store, bundle, None, live)
    assert live is not None and live.has_withdrawn(new.manifest) and not live.has_withdrawn(old.manifest)
    assert resolve_bundle(store, settings, "newest").bundle_id == old.bundle_id
    changed = again(store, new, 2)
    assert changed.bundle_id != new.bundle_id
    assert resolve_bundle(store, settings, "newest").bundle_id == old.bundle_id

    # A bundle with other models is new. A person may promote a rolled-back bundle, which ends its exclusion.
    newer = add(store, 3)
    assert resolve_bundle(store, settings, "newest").bundle_id == newer.bundle_id
    live = record_live(store, changed, None, live)
    assert not live.has_withdrawn(changed.manifest)


def remake(store: ArtifactStore, number: int, seed: int) -> None:
    """Publishes another bundle for the day."""
    day = AS_OF + timedelta(days=number)
    with store.publish("finetuned_bundle", day.isoformat()) as draft:
        shutil.rmtree(draft.path)
        make_bundle(draft.path, seed=seed, as_of=day)


def test_a_rollback_finds_the_bundle_of_a_day_that_was_made_again_and_no_list_downloads_bundles(
    s3: S3, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "step", artifacts=f"s3://{BUCKET}/{tmp_path.name}")
    training = BucketStore(tmp_path / "training" / "artifacts", settings.artifacts)
    old, new = add(training, 1), add(training, 2)
    record_live(training, new, None, record_live(training, old, None, None))
    for seed in (101, 102):  # after the second, the day has no version of the old bundle
        remake(training, 1, seed)
        store = open_store(settings)
        assert [one.manifest.as_of for one in known_bundles(store, settings)].count(old.manifest.as_of) == 2
        previous = resolve_bundle(store, settings, "previous")
        assert previous.bundle_id == old.bundle_id
        assert not list(settings.artifacts_dir.glob("*bundle/*/[0-9a-f]*"))
        assert Bundle.open(previous.fetch(store), verify=True).manifest == old.manifest
        shutil.rmtree(settings.artifacts_dir)


def test_where_everything_was_rolled_back_the_error_says_so(store: ArtifactStore, tmp_path: Path) -> None:
    gone, new = add(store, 1, evaluated=False), add(store, 2)
    live = record_live(store, gone, None, record_live(store, new, None, record_live(store, gone, None, None)))
    assert live.before == []
    with pytest.raises(ActionableError, match="was rolled back"):
        resolve_bundle(store, Settings(home=tmp_path), "newest")
