from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rec_assets.bundles.bundle import LATER_PARTS, PART_FILES, Bundle, Manifest, ServingConfig, write_bundle
from rec_assets.bundles.provenance import Lineage
from rec_assets.common.errors import ActionableError
from rec_assets_tests.serving.synthetic import AS_OF, make_bundle


def write_again(bundle: Bundle, target: Path, parts: dict[str, Path] | None = None, **changes: Any) -> Manifest:
    facts: dict[str, Any] = {"as_of": AS_OF, "parent": None, "metrics": {}, "config": ServingConfig()}
    facts |= {"source": "retail", "made_from": {}} | changes
    parts = parts or {part: bundle.path / part for part in bundle.manifest.parts}
    return write_bundle(target, parts, **facts)


def test_a_bundle_has_a_manifest_of_its_origin(tiny_bundle: Bundle) -> None:
    manifest = Bundle.open(tiny_bundle.path, verify=True).manifest
    assert manifest == tiny_bundle.manifest
    assert manifest.as_of == AS_OF
    assert set(manifest.parts) == {*PART_FILES, *LATER_PARTS}
    assert int(tiny_bundle.bundle_id, 16)


def test_equal_content_has_an_equal_id_wherever_it_lies(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert make_bundle(tmp_path / "same", seed=0, items=50, users=20).bundle_id == tiny_bundle.bundle_id
    assert write_again(tiny_bundle, tmp_path / "child", parent="ab12").bundle_id == tiny_bundle.bundle_id


@pytest.mark.parametrize(
    "change", [{"as_of": date(2025, 3, 15)}, {"config": ServingConfig(ranking_topk=7)}, {"source": "files"}]
)
def test_another_day_config_or_source_has_another_id(
    tiny_bundle: Bundle, tmp_path: Path, change: dict[str, Any]
) -> None:
    assert write_again(tiny_bundle, tmp_path / "other", **change).bundle_id != tiny_bundle.bundle_id


def test_another_model_has_another_id(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert make_bundle(tmp_path / "other", seed=1).bundle_id != tiny_bundle.bundle_id


def test_a_changed_part_is_found_on_request(copy: Path) -> None:
    with (copy / "dlrm" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    Bundle.open(copy)
    with pytest.raises(ActionableError, match="changed after it was written: dlrm"):
        Bundle.open(copy, verify=True)


@pytest.mark.parametrize("part", sorted(PART_FILES))
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    (copy / part / PART_FILES[part]).unlink()
    with pytest.raises(ActionableError, match=f"lacks {part}/{PART_FILES[part]}"):
        Bundle.open(copy)


@pytest.mark.parametrize("text", ["", "{}", '{"bundle_id": "ab"}', "[1]"])
def test_a_manifest_that_is_none_is_named(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ActionableError, match=r"manifest\.json cannot be read"):
        Bundle.open(copy)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=r"is not a bundle.*\n.*model_bundle"):
        Bundle.open(tmp_path)


def test_no_bundle_is_written_without_all_parts(tiny_bundle: Bundle, tmp_path: Path) -> None:
    parts = {part: tiny_bundle.path / part for part in PART_FILES if part != "dlrm"}
    facts: dict[str, Any] = {"as_of": AS_OF, "parent": None, "metrics": {}, "config": ServingConfig()}
    facts |= {"source": "retail", "made_from": {}}
    with pytest.raises(ActionableError, match=r"dlrm/model\.onnx is missing"):
        write_bundle(tmp_path / "new", parts, **facts)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ActionableError, match=r"dlrm/model\.onnx is missing"):
        write_bundle(tmp_path / "new", parts | {"dlrm": tmp_path}, **facts)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (
            "query_tower",
            {"workflow": "another"},
            "catalogue has workflow workflow0 .*, but query_tower has workflow another",
        ),
        ("item_index", {"towers": "another"}, "has towers towers0 .*, but item_index has towers another"),
        ("multimodal", {"codes": "another"}, "but multimodal has codes another"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused_and_both_are_named(
    tiny_bundle: Bundle, copy: Path, tmp_path: Path, part: str, change: dict[str, str], message: str
) -> None:
    Lineage.read(copy / part).replace(base="2025-03-21", **change).write(copy / part)
    parts = {name: copy / name for name in PART_FILES}
    with pytest.raises(ActionableError, match=f"(?s){message}.*of the full training of 2025-03-21"):
        write_again(tiny_bundle, tmp_path / "mixed", parts=parts)
    assert not (tmp_path / "mixed").exists()


def test_a_part_without_a_lineage_is_refused(tiny_bundle: Bundle, copy: Path, tmp_path: Path) -> None:
    (copy / "dlrm" / "lineage.json").unlink()
    with pytest.raises(ActionableError, match=r"lineage of .* cannot be read"):
        write_again(tiny_bundle, tmp_path / "new", parts={name: copy / name for name in PART_FILES})


def test_the_catalog_has_titles_by_item_id(tiny_bundle: Bundle) -> None:
    catalog = tiny_bundle.catalog()
    assert catalog["item_id"].is_sorted()
    assert catalog.columns == ["item_id", "title", "price", "category_l1", "category_l2", "item_gender"]
