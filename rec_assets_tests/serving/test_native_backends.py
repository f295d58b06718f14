"""Tests that the model configurations for other backends fit the model files."""

import shutil
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from benchmarks.reference.saved_models import SUFFIX, write_saved_models
from rec_assets.bundles.bundle import PART_FILES, Bundle, write_bundle
from rec_assets.bundles.export_report import SAVED_MODEL
from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import CONTEXT_FEATURES, USER_FEATURES
from rec_assets.serving.graph.spec import STAGES, local_name, tensor
from rec_assets.serving.stages import Arrays, load_stage
from rec_assets.serving.tables.memory_mapped import content_tables
from rec_assets.serving.triton import model_config
from rec_assets.serving.triton.model_repository import publish, switch
from rec_assets.serving.triton.native_backends import BACKENDS, NATIVE
from rec_assets.settings import Settings
from rec_assets_tests.pipeline import Pipeline, settings_from

Backend: TypeAlias = Literal["onnxruntime", "tensorflow"]

ROWS = {"query_tower": 1, "dlrm_ranking": 7}
DTYPES = {"TYPE_INT32": np.int32, "TYPE_INT64": np.int64, "TYPE_FP32": np.float32}


def config_of(folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())


def published(bundle: Bundle, repository: Path, backend: Backend) -> Path:
    version = publish(bundle, repository, settings=Settings(triton_backend=backend))
    switch(repository, version)
    return repository


def trained_bundle(pipeline: Pipeline, folder: Path) -> Bundle:
    """Returns the session's bundle with the SavedModels that training exports for the TensorFlow backend."""
    exported = folder.with_name("exported")
    exported.mkdir()
    write_saved_models(pipeline.settings, exported)
    good = Bundle.open(pipeline.artifact("model_bundle").path)
    copied = folder.with_name("parts")
    parts = {part: Path(shutil.copytree(good.path / part, copied / part)) for part in PART_FILES}
    for stage, part in NATIVE.items():
        (exported / f"{stage}{SUFFIX}").rename(parts[part] / SAVED_MODEL)
    facts = good.manifest.model_dump(include={"as_of", "parent", "metrics", "source", "made_from"})
    write_bundle(folder, parts, config=good.manifest.config, **facts)
    return Bundle.open(folder)


@pytest.fixture(scope="session")
def trained(built_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with settings_from(built_pipeline.environment):
        return trained_bundle(built_pipeline, tmp_path_factory.mktemp("trained") / "bundle")


@pytest.fixture(
    params=[
        ("onnxruntime", "shop_bundle"),
        pytest.param(("onnxruntime", "trained"), marks=pytest.mark.slow),
        pytest.param(("tensorflow", "trained"), marks=pytest.mark.slow),
    ]
)
def case(request: pytest.FixtureRequest) -> tuple[Backend, Bundle]:
    backend, fixture = request.param
    return backend, request.getfixturevalue(fixture)


def run_model(file: Path, feed: Arrays, output: str) -> npt.NDArray[Any]:
    """Runs a model as its backend does; raises if the model has other inputs."""
    if file.suffix == ".onnx":
        session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        assert {one.name for one in session.get_inputs()} == set(feed)
        return np.asarray(session.run([output], feed)[0])
    import tensorflow as tf

    answer = tf.saved_model.load(str(file)).signatures["serving_default"]
    assert set(answer.structured_input_signature[1]) == set(feed)
    return np.asarray(answer(**{name: tf.constant(values) for name, values in feed.items()})[output])


def of_one_request(bundle: Bundle, given: Arrays) -> Arrays:
    """Returns the rows as candidates of one request: one user and context, and the content vectors of the items."""
    shared = {name: np.repeat(given[name][:1], len(given[name])) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    content = (
        {f"{name}_embedding": table[given["item_id"]] for name, table in content_tables(bundle).items()}
        if "item_id" in given
        else {}
    )
    return given | shared | content


@pytest.mark.parametrize("stage", NATIVE)
def test_the_configuration_fits_the_model_which_returns_the_values_of_the_stage(
    case: tuple[Backend, Bundle], stage: str, tmp_path: Path
) -> None:
    backend, bundle = case
    folder, model = published(bundle, tmp_path, backend) / stage, BACKENDS[backend].file
    assert sorted(file.name for file in (folder / "1").iterdir()) == ["bundle.json", model]
    config = config_of(folder)
    assert config.backend == backend and config.default_model_filename == model
    rng, rows = np.random.default_rng(0), ROWS[stage]
    reads = {local_name(name): tensor(name) for spec in STAGES if spec.name == stage for name in spec.reads}
    given = {
        name: rng.integers(0, 3, (rows, *one.dims)).astype(np.int32 if one.dtype == "INT32" else np.float32)
        for name, one in reads.items()
    }
    given = of_one_request(bundle, given)
    # Builds inputs as the backend does: each in its declared type and shape.
    feed = {}
    for entry in config.input:
        shape = [rows if size == -1 else size for size in (entry.reshape.shape or entry.dims)]
        feed[entry.name] = given[entry.name].astype(DTYPES[DataType.Name(entry.data_type)]).reshape(shape)
    (entry,) = config.output
    made = run_model(folder / "1" / model, feed, entry.name)
    declared = [rows if size == -1 else size for size in (entry.reshape.shape or entry.dims)]
    assert list(made.shape) == declared
    expected = load_stage(stage, bundle, Settings())(given)[entry.name]
    np.testing.assert_allclose(made.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_the_ensemble_gives_each_model_its_inputs_and_no_other(case: tuple[Backend, Bundle], tmp_path: Path) -> None:
    backend, bundle = case
    repository = published(bundle, tmp_path, backend)
    for step in config_of(repository / model_config.ENSEMBLE).ensemble_scheduling.step:
        member = config_of(repository / step.model_name)
        assert set(step.input_map) == {one.name for one in member.input}
        assert set(step.output_map) == {one.name for one in member.output}


def test_by_default_every_model_is_a_python_model(shop_bundle: Bundle, tmp_path: Path) -> None:
    publish(shop_bundle, tmp_path, settings=Settings())
    assert {config_of(tmp_path / spec.name).backend for spec in STAGES} == {"python"}


def test_a_bundle_without_saved_models_is_refused_before_anything_is_published(
    shop_bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(ActionableError, match=f"{shop_bundle.bundle_id} lacks query_tower/model.savedmodel") as caught:
        publish(shop_bundle, tmp_path, settings=Settings(triton_backend="tensorflow"))
    assert "REC_TRITON_BACKEND=tensorflow" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []
