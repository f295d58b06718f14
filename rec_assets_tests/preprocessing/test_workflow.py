"""A fitted workflow that is loaded from its statistics equals the fitted one, and holds nothing executable."""

import json
from pathlib import Path

import pandas as pd
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets_tests.preprocessing.test_parity import fitted

pytestmark = pytest.mark.slow
ROWS: list[tuple[float | None, int | None, int, int, int]] = [
    (9.99, 30, 0, 0, 0),
    (None, None, -1, 2, -1),
    (250.0, 71, 1, 1, 1),
]


def test_a_loaded_workflow_gives_the_output_and_the_schema_of_the_fitted_one(tmp_path: Path) -> None:
    from rec_assets.preprocessing.fit import WORKFLOW, dataset
    from rec_assets.preprocessing.vocabularies import FitInputs
    from rec_assets.preprocessing.workflow import SUBGRAPHS, load_workflow, new_workflow, save_fitted, settle_constants

    output, lookups = fitted(ROWS, tmp_path)
    rows = dataset([tmp_path / "rows.parquet"])
    workflow = new_workflow(FitInputs(lookups.vocabularies, lookups.age_mean), tmp_path / "other")
    workflow.fit(rows)
    settle_constants(workflow)
    save_fitted(workflow, lookups.age_mean, tmp_path / "other")
    for name in ("fitted.json", "categories/unique.item_id.parquet"):
        assert (tmp_path / "other" / name).read_bytes() == (output / WORKFLOW / name).read_bytes()
    loaded = load_workflow(output / WORKFLOW)
    pd.testing.assert_frame_equal(
        loaded.transform(rows).to_ddf().compute(), workflow.transform(rows).to_ddf().compute(), check_exact=True
    )
    columns = [
        [(one.name, one.dtype, one.properties.get("domain")) for one in part.output_schema]
        for part in (loaded, workflow, *(load_workflow(output / WORKFLOW, part) for part in SUBGRAPHS))
    ]
    assert columns[0] == columns[1] == [column for part in columns[2:] for column in part]
    assert {file.suffix for file in output.rglob("*") if file.is_file()} == {".json", ".npz", ".parquet"}


@pytest.mark.parametrize("text", ["{}", "not JSON", json.dumps({"mean_age": 1, "inputs": {}})])
def test_a_folder_without_statistics_is_named(text: str, tmp_path: Path) -> None:
    from rec_assets.preprocessing.workflow import load_workflow

    (tmp_path / "fitted.json").write_text(text)
    with pytest.raises(ActionableError, match=r"(?s)is not a fitted workflow.*Materialize nvt_workflows again"):
        load_workflow(tmp_path)
