"""The feature store as it runs on AWS: its registry in a bucket, its configuration from the environment."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from feast.repo_config import load_repo_config

from rec_assets.errors import ActionableError
from rec_assets.features import online
from rec_assets.settings import Settings
from rec_assets_tests.features.test_online import DAY, FEATURE_REPO, write_features
from rec_assets_tests.s3 import BUCKET, S3

REGISTRY = f"s3://{BUCKET}/feast/registry.db"


def test_what_one_machine_registers_another_reads(s3: S3, valkey: Settings, tmp_path: Path) -> None:
    here = valkey.model_copy(update={"feast_registry": REGISTRY, "home": tmp_path / "here"})
    there = here.model_copy(update={"home": tmp_path / "there"})
    online.apply(here, *write_features(tmp_path, DAY))
    online.materialize(here, DAY - timedelta(seconds=1), DAY, [online.ITEM_VIEW])
    assert online.read_items(online.open_store(there), np.array([3, 7])).known.tolist() == [True, False]
    assert not (tmp_path / "there").exists()


def test_a_registry_in_a_missing_bucket_is_named(s3: S3, tmp_path: Path) -> None:
    lost = Settings(home=tmp_path, feast_registry="s3://nowhere/registry.db")
    with pytest.raises(ActionableError, match=r"(?s)s3://nowhere/registry.db.*REC_FEAST_REGISTRY"):
        online.apply(lost, *write_features(tmp_path, DAY))


def test_the_committed_yaml_is_what_the_settings_of_aws_make(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "REC_FEAST_REGISTRY": REGISTRY,
        "REC_VALKEY_HOST": "store.example",
        "REC_VALKEY_PORT": "6379",
        "REC_VALKEY_PASSWORD": "secret-token",
        "REC_VALKEY_TLS": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    folder = FEATURE_REPO / "aws"
    written = load_repo_config(folder, folder / "feature_store.yaml")
    expected = online.repo_config(Settings())
    assert written.registry.path == expected["registry"]["path"]
    assert written.online_store.connection_string == expected["online_store"]["connection_string"]
    assert written.offline_store.type == expected["offline_store"]["type"]
    assert written.project == expected["project"]
