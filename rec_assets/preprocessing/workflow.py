"""The NVTabular graph: user, item and context subgraphs of one full workflow. Stores only what was fitted, as data.

NVTabular's own format is a pickle, and a pickle from the artifact store could execute any code. `load_workflow` builds
the graph from this module again and gives it the stored statistics, so it transforms rows to the same values.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import nvtabular as nvt
import pandas as pd
from merlin.dag.ops.subgraph import Subgraph
from merlin.schema import ColumnSchema, Schema, Tags
from nvtabular import ops

from rec_assets.common.errors import ActionableError
from rec_assets.features import clock
from rec_assets.preprocessing.vocabularies import AGE_BOUNDARIES, FitInputs

FULL = "full"
SUBGRAPHS = ("user", "item", "context")
_FITTED = "fitted.json"
_VOCABULARIES = "categories"  # NVTabular's name of the folder of its vocabulary files
MIN_DEVIATION = 1e-6  # of the mean; smaller ones are rounding errors of a constant


def new_workflow(inputs: FitInputs, folder: Path) -> nvt.Workflow:
    """Builds the unfitted full workflow, and writes its vocabularies to a folder."""
    vocabularies = {column: pd.Series(values) for column, values in inputs.vocabularies.items()}
    return _build(vocabularies, inputs.mean_age, folder)


def save_fitted(workflow: nvt.Workflow, mean_age: float, folder: Path) -> None:
    """Writes the statistics of a fitted workflow to the folder of its vocabularies; equal ones give equal bytes."""
    fitted: dict[str, Any] = {"mean_age": mean_age, "means": {}, "deviations": {}}
    for operator in normalizers(workflow):
        fitted["means"] |= operator.means
        fitted["deviations"] |= operator.stds
    fitted["inputs"] = {column.name: column.dtype.name for column in workflow.input_schema}
    (folder / _FITTED).write_text(json.dumps(fitted, indent=1, sort_keys=True))


def load_workflow(folder: Path, part: str = FULL) -> nvt.Workflow:
    """Returns a fitted workflow, the full one or a part of `SUBGRAPHS`.

    Args:
        folder: the folder of `new_workflow` and `save_fitted`; workers of a Dask cluster read the vocabularies there.
        part: name of the part.

    Raises:
        ActionableError: the folder has no statistics, as in an earlier release, or the file is damaged.
    """
    try:
        fitted = json.loads((folder / _FITTED).read_text())
        vocabularies = {file.suffixes[0][1:]: str(file) for file in (folder / _VOCABULARIES).glob("unique.*.parquet")}
        workflow = _build(vocabularies, fitted["mean_age"], folder)
        for operator in normalizers(workflow):  # each reads its own columns
            operator.means, operator.stds = dict(fitted["means"]), dict(fitted["deviations"])
        workflow.fit_schema(Schema([ColumnSchema(name, dtype=dtype) for name, dtype in fitted["inputs"].items()]))
    except (OSError, ValueError, KeyError) as error:
        raise ActionableError(
            f"{folder} is not a fitted workflow ({error}).", "Materialize nvt_workflows again."
        ) from error
    return workflow if part == FULL else workflow.get_subworkflow(part)


def _build(vocabularies: Mapping[str, Any], mean_age: float, folder: Path) -> nvt.Workflow:
    """Builds the full workflow.

    Args:
        vocabularies: of each categorical column, a pandas series that is written to a file, or the path of this file.
        mean_age: age that replaces an unknown one, years.
        folder: where NVTabular keeps the files.
    """

    def categorify(node: Any, columns: list[str]) -> Any:
        known = {column: vocabularies[column] for column in columns}
        return node >> ops.Categorify(vocabs=known, dtype=np.int32, out_path=str(folder))

    def clock_feature(name: str) -> Any:
        compute = ops.LambdaOp(_clock(name), dtype=np.float32)
        return (
            ["timestamp"] >> compute >> ops.Rename(name=name) >> ops.AddMetadata(tags=[Tags.CONTEXT, Tags.CONTINUOUS])
        )

    age = ["age"] >> ops.FillMissing(fill_val=mean_age) >> ops.LambdaOp(_negative_age_to(mean_age))
    age_norm = age >> ops.Normalize(out_dtype=np.float32) >> ops.Rename(name="age_norm") >> ops.AddMetadata([Tags.USER])
    age_bin = age >> ops.Bucketize({"age": list(AGE_BOUNDARIES)}) >> ops.Rename(name="age_binned")
    user = (
        (categorify(["user_id"], ["user_id"]) >> ops.AddMetadata(tags=[Tags.USER_ID, Tags.USER]))
        + age_norm
        + (categorify(age_bin, ["age_binned"]) >> ops.AddMetadata(tags=[Tags.USER]))
        + (
            categorify(["gender", "top_category"], ["gender", "top_category"])
            >> ops.AddMetadata(tags=[Tags.USER, Tags.CATEGORICAL])
        )
    )
    price = (
        ["price"]
        >> ops.LogOp()
        >> ops.Normalize(out_dtype=np.float32)
        >> ops.LambdaOp(_zero_if_unknown, dtype=np.float32)
        >> ops.Rename(name="price_log_norm")
    )
    item_columns = ["category_l1", "category_l2", "item_gender"]
    item = (
        (categorify(["item_id"], ["item_id"]) >> ops.AddMetadata(tags=[Tags.ITEM_ID, Tags.ITEM]))
        + (categorify(item_columns, item_columns) >> ops.AddMetadata(tags=[Tags.ITEM, Tags.CATEGORICAL]))
        + (price >> ops.AddMetadata(tags=[Tags.ITEM, Tags.CONTINUOUS]))
    )
    device = categorify(["device_type"], ["device_type"]) >> ops.AddMetadata(tags=[Tags.CONTEXT, Tags.CATEGORICAL])
    context = device
    for name in clock.FEATURES:
        context = context + clock_feature(name)
    return nvt.Workflow(Subgraph("user", user) + Subgraph("item", item) + Subgraph("context", context))


def _clock(name: str) -> Callable[[Any], Any]:
    return lambda column: type(column)(clock.clock_features(column.to_numpy())[name], index=column.index)


def _negative_age_to(mean_age: float) -> Callable[[Any], Any]:
    return lambda column: column.where(column >= 0, mean_age)


def _zero_if_unknown(column: Any) -> Any:
    return column.fillna(0)


def normalizers(workflow: nvt.Workflow) -> Iterator[ops.Normalize]:
    """Yields the operators that hold means and deviations."""
    yield from (operator for operator in _operators(workflow.output_node) if isinstance(operator, ops.Normalize))


def settle_constants(workflow: nvt.Workflow) -> None:
    """Sets the deviation of constant columns to infinity, so every value of such a column becomes 0.

    A shop without ages, or with a single price, has such a column. NVTabular would divide by a rounding error, or by
    NaN. `rec_assets.inference.lookups` divides by the same constants.
    """
    for operator in normalizers(workflow):
        for column, deviation in operator.stds.items():
            mean = operator.means[column]
            if not deviation > MIN_DEVIATION * max(1.0, abs(mean)):  # NaN is not larger
                operator.stds[column], operator.means[column] = np.inf, mean if np.isfinite(mean) else 0.0


def _operators(node: Any) -> Iterator[Any]:
    yield node.op
    if isinstance(node.op, Subgraph):
        yield from _operators(node.op.graph.output_node)
    for parent in node.parents_with_dependencies:
        yield from _operators(parent)
