"""Tests the types of the stages' arrays against the serving graph."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.spec import STAGES, tensor
from rec_assets.serving.runner import tensors_of
from rec_assets.serving.stages import Stage

ROOT = Path(__file__).parents[2]


def test_the_types_are_those_of_the_graph() -> None:
    printed = subprocess.check_output([sys.executable, ROOT / "tools/stage-types"], cwd=ROOT, text=True)
    assert printed == (ROOT / "rec_assets/serving/graph/tensors.py").read_text(), (
        "Run: .venv/bin/python tools/stage-types > rec_assets/serving/graph/tensors.py"
    )


def test_tensors_inside_one_process_have_their_declared_types(stages_alone: dict[str, Stage]) -> None:
    made = tensors_of(stages_alone, dict(validate({"user_id": [5, -1]})))
    inside = [name for spec in STAGES for name in spec.makes_inside if name in made]
    assert {"sampled/length", "sampled/is_sampled", "unseen/row_splits"} <= set(inside)
    dtypes = {"INT32": np.int32, "INT64": np.int64, "BOOL": np.bool_}
    assert {name: made[name].dtype for name in inside} == {name: dtypes[tensor(name).dtype] for name in inside}
