"""The NVTabular graph: user, item and context subgraphs of one full workflow (see the feature table in the README)."""

from collections.abc import Callable
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


def build_workflow(inputs: FitInputs, vocabulary_dir: Path) -> nvt.Workflow:
    """Builds the unfitted full workflow; `get_subworkflow("user" | "item" | "context")` gives the parts.

    Args:
        inputs: vocabularies and the mean age.
        vocabulary_dir: where NVTabular keeps its vocabulary files until the workflow is saved.
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
    price = ["price"] >> ops.LogOp() >> ops.Normalize(out_dtype=np.float32) >> ops.Rename(name="price_log_norm")
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
