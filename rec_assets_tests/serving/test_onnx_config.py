"""The repository for servers with the ONNX Runtime backend: what it says of the models is true of them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from rec_assets.serving import model_config
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.graph import STAGES, local_name, tensor
from rec_assets.serving.onnx_config import NATIVE
from rec_assets.serving.repository import publish, switch
from rec_assets.serving.stages import load_stage
from rec_assets.settings import Settings
from rec_assets_tests.pipeline import Pipeline

ROWS = {"query_tower": 1, "dlrm_ranking": 7}
DTYPES = {"TYPE_INT32": np.int32, "TYPE_INT64": np.int64, "TYPE_FP32": np.float32}


def config_of(folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())


def published(bundle: Bundle, repository: Path) -> Path:
    version = publish(bundle, repository, settings=Settings(triton_backend="onnxruntime"))
    switch(repository, version)
    return repository


@pytest.fixture(params=["synthetic", pytest.param("trained", marks=pytest.mark.slow)])
def bundle(request: pytest.FixtureRequest, shop_bundle: Bundle) -> Bundle:
    if request.param == "synthetic":
        return shop_bundle
    pipeline: Pipeline = request.getfixturevalue("pipeline")
    return Bundle.open(pipeline.artifact("model_bundle").path)


@pytest.mark.parametrize("stage", NATIVE)
def test_the_configuration_fits_the_model_and_gives_what_the_stage_gives(
    bundle: Bundle, stage: str, tmp_path: Path
) -> None:
    folder = published(bundle, tmp_path) / stage
    assert sorted(file.name for file in (folder / "1").iterdir()) == ["bundle.json", "model.onnx"]
    config = config_of(folder)
    assert config.backend == "onnxruntime" and config.default_model_filename == "model.onnx"
    rng, rows = np.random.default_rng(0), ROWS[stage]
    reads = {local_name(name): tensor(name) for spec in STAGES if spec.name == stage for name in spec.reads}
    given = {
        name: rng.integers(0, 3, (rows, *one.dims)).astype(np.int32 if one.dtype == "INT32" else np.float32)
        for name, one in reads.items()
    }
    # As the backend does: each declared input in its declared type, reshaped as declared.
    feed = {}
    for entry in config.input:
        shape = [rows if size == -1 else size for size in (entry.reshape.shape or entry.dims)]
        feed[entry.name] = given[entry.name].astype(DTYPES[DataType.Name(entry.data_type)]).reshape(shape)
    session = ort.InferenceSession(str(folder / "1" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert {one.name for one in session.get_inputs()} == set(feed)
    (entry,) = config.output
    (made,) = session.run([entry.name], feed)
    declared = [rows if size == -1 else size for size in (entry.reshape.shape or entry.dims)]
    assert list(made.shape) == declared
    expected = load_stage(stage, bundle, Settings())(given)[entry.name]
    np.testing.assert_allclose(made.reshape(expected.shape), expected, rtol=1e-5)


def test_the_ensemble_gives_each_model_its_inputs_and_no_other(bundle: Bundle, tmp_path: Path) -> None:
    repository = published(bundle, tmp_path)
    for step in config_of(repository / model_config.ENSEMBLE).ensemble_scheduling.step:
        member = config_of(repository / step.model_name)
        assert set(step.input_map) == {one.name for one in member.input}
        assert set(step.output_map) == {one.name for one in member.output}


def test_without_being_asked_every_model_is_a_python_model(shop_bundle: Bundle, tmp_path: Path) -> None:
    publish(shop_bundle, tmp_path, settings=Settings())
    assert {config_of(tmp_path / spec.name).backend for spec in STAGES} == {"python"}
