"""With a key, only bundles that were signed with it are accepted."""

from pathlib import Path

import pytest

from rec_assets.bundles.bundle import MANIFEST, Bundle
from rec_assets.bundles.signature import SIGNATURE, require_signed, sign_bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.model_repository import publish, versions
from rec_assets.serving.triton.stage_model import published_bundle
from rec_assets.settings import Settings

KEY = "a long random word"


def test_without_a_key_nothing_is_signed_and_every_bundle_is_accepted(copy: Path) -> None:
    sign_bundle(copy, "")
    require_signed(Bundle.open(copy), "")
    assert not (copy / SIGNATURE).exists()


def test_a_signed_bundle_is_accepted_by_its_key_only(copy: Path) -> None:
    sign_bundle(copy, KEY)
    require_signed(Bundle.open(copy, verify=True), KEY)
    with pytest.raises(ActionableError, match="has another signature than that of REC_BUNDLE_KEY"):
        require_signed(Bundle.open(copy), "another word")


def test_a_changed_manifest_is_refused(copy: Path) -> None:
    sign_bundle(copy, KEY)
    (copy / MANIFEST).write_text((copy / MANIFEST).read_text().replace('"retail"', '"files"'))
    with pytest.raises(ActionableError, match="has another signature"):
        require_signed(Bundle.open(copy), KEY)


def test_a_repository_with_a_key_takes_only_signed_bundles(copy: Path, tmp_path: Path) -> None:
    settings, repository = Settings(home=tmp_path, bundle_key=KEY), tmp_path / "models"
    publish(Bundle.open(copy), repository, settings=Settings(home=tmp_path))  # before a key was configured
    with pytest.raises(ActionableError, match="is not signed"):
        publish(Bundle.open(copy), repository, settings=settings)
    assert versions(repository) == [1]
    with pytest.raises(ActionableError, match="is not signed"):
        published_bundle(repository / "graph_runner" / "1", settings)
    sign_bundle(copy, KEY)
    publish(Bundle.open(copy), repository, settings=settings)
    assert published_bundle(repository / "graph_runner" / "2", settings).bundle_id == Bundle.open(copy).bundle_id
