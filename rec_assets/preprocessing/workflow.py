"""The NVTabular graph: user, item and context subgraphs of one full workflow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import nvtabular as nvt
import pandas as pd
from merlin.dag.ops.subgraph import Subgraph
from merlin.schema import Tags
from nvtabular import ops

from rec_assets.features import clock
from rec_assets.preprocessing.vocabularies import AGE_BOUNDARIES, FitInputs

SUBGRAPHS = ("user", "item", "context")
MIN_DEVIATION = 1e-6  # of the mean; smaller ones are rounding errors of a constant


def build_workflow(inputs: FitInputs, vocabulary_dir: Path) -> nvt.Workflow:
    """Builds the unfitted full workflow; `get_subworkflow("user" | "item" | "context")` returns a part.

    Args:
        inputs: vocabularies and the mean age.
        vocabulary_dir: directory for NVTabular's vocabulary files until the workflow is saved.
    """

    def categorify(node: Any, columns: list[str]) -> Any:
        series = {column: pd.Series(inputs.vocabularies[column]) for column in columns}
        return node >> ops.Categorify(vocabs=series, dtype=np.int32, out_path=str(vocabulary_dir))

    def clock_feature(name: str) -> Any:
        compute = ops.LambdaOp(_clock(name), dtype=np.float32)
        return (
            ["timestamp"] >> compute >> ops.Rename(name=name) >> ops.AddMetadata(tags=[Tags.CONTEXT, Tags.CONTINUOUS])
        )

    age = ["age"] >> ops.FillMissing(fill_val=inputs.mean_age) >> ops.LambdaOp(_negative_age_to(inputs.mean_age))
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
