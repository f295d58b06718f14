"""`rec verify` names what is damaged in a store, and `--repair` materializes it again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.pipeline import SMALL, materialize, settings_from
from rec_assets_tests.storage.damages import FILE_DAMAGES

pytestmark = pytest.mark.slow
DAY = "2025-03-03"


def rec(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | SMALL | {"REC_HOME": str(home)}
    command = [f"{sys.prefix}/bin/rec", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_damaged_store_is_named_and_repaired(tmp_path: Path) -> None:
    with settings_from({**SMALL, "REC_HOME": str(tmp_path)}):
        for assets, day in (
            (["id_codes", "raw_items", "raw_users"], None),
            (["raw_interactions", "behavioral_updates"], DAY),
        ):
            assert materialize(assets, partition_key=day).success
    store = open_store(Settings(home=tmp_path))
    assert rec(tmp_path, "verify").stdout == "5 partitions were read. None is damaged.\n"
    digests = [store.get(*one).digest for one in (("raw_items", "all"), ("raw_interactions", DAY))]
    for damage, file in (
        ("flipped bit", store.get("raw_items").path / "items.parquet"),
        ("truncated", store.get("raw_interactions", DAY).path / "interactions.parquet"),
        ("empty", store.folder("behavioral_updates", DAY) / "current.json"),
    ):
        FILE_DAMAGES[damage](file)
    draft = store.folder("raw_users") / ".draft-killed"
    draft.mkdir()
    os.utime(draft, (time.time() - 3600,) * 2)
    named = rec(tmp_path, "verify")
    assert named.returncode == 1
    assert "Damaged: behavioral_updates [2025-03-03], raw_interactions [2025-03-03], raw_items [all]" in named.stdout
    repaired = rec(tmp_path, "verify", "--repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert repaired.stdout.endswith("5 partitions were read. None is damaged.\n")
    assert not draft.exists()
    assert [store.get(*one).digest for one in (("raw_items", "all"), ("raw_interactions", DAY))] == digests
    assert store.find("behavioral_updates", DAY) is not None
