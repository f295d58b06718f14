"""The adapter between Triton's Python backend and a stage; every `model.py` is a subclass that names its stage."""

import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.request import RequestError
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.serving.stages.base import outages_of
from rec_assets.settings import Settings, get_settings

BUNDLE_FILE = "bundle.json"
DEGRADED = "rec_degraded_answers_total"


class BundleModel(ABC):
    """A Triton model that answers from one bundle.

    Parameters of the model's configuration that are called like a setting (`RETRIEVAL_TOPK`) override it.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads the model; Triton gives the configuration as JSON, the model's folder and the version.

        Raises:
            ActionableError: there is no bundle, another one than was published, or it lacks what the model needs.
        """
        import triton_python_backend_utils as backend  # exists only inside Triton's stub

        self._backend = backend
        config = json.loads(args["model_config"])
        self._name = config["name"]
        self._inputs = [one["name"] for one in config["input"]]
        self._outputs = {one["name"]: backend.triton_string_to_numpy(one["data_type"]) for one in config["output"]}
        parameters = {name: entry["string_value"] for name, entry in config.get("parameters", {}).items()}
        version = Path(args["model_repository"]) / args["model_version"]
        self._degraded = DegradedAnswers(
            backend, self._name, self.load(version, settings_with(get_settings(), parameters))
        )

    @abstractmethod
    def load(self, version: Path, settings: Settings) -> Iterable[Stage]:
        """Loads and returns the stages, from what a version directory points to."""

    @abstractmethod
    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers every request; a bad one gets an error and leaves the others alone."""

    def read(self, request: Any) -> Arrays:
        """Returns the inputs that a request has."""
        given = {name: self._backend.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in given.items() if tensor is not None}

    def attempt(self, call: Callable[..., Arrays], *arguments: Any) -> Any:
        """Returns the arrays that the call returns, or, where it fails, the refusal to answer with."""
        backend = self._backend
        try:
            return call(*arguments)
        except RequestError as error:
            return self._refusal(str(error), backend.TritonError.INVALID_ARG)
        except Exception as error:  # an exception that leaves the model would show its traceback to the client
            backend.Logger.log_error(traceback.format_exc())
            return self._refusal(f"{self._name} failed with {type(error).__name__}", backend.TritonError.INTERNAL)

    def response(self, outputs: Mapping[str, Any]) -> Any:
        """Returns the answer, its tensors of the declared types."""
        tensors = [
            self._backend.Tensor(name, np.ascontiguousarray(outputs[name], dtype))
            for name, dtype in self._outputs.items()
        ]
        return self._backend.InferenceResponse(tensors)

    def count_degraded(self, answers: int) -> None:
        """Counts so many answers as degraded, if a store was away since the last call."""
        self._degraded.count(answers)

    def _refusal(self, message: str, code: int) -> Any:
        return self._backend.InferenceResponse(error=self._backend.TritonError(message, code))


class StageModel(BundleModel):
    """One stage as a Triton model."""

    stage: ClassVar[str]

    def load(self, version: Path, settings: Settings) -> Iterable[Stage]:
        """Loads the stage."""
        self._stage = self.open_stage(version, settings)
        return [self._stage]

    def open_stage(self, version: Path, settings: Settings) -> Stage:
        """Returns the stage of the bundle that a version directory points to."""
        return load_stage(self.stage, published_bundle(version), settings)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers one request after the other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        made = self.attempt(lambda: self._stage(self.read(request)))
        self.count_degraded(1)
        return self.response(made) if isinstance(made, dict) else made


class DegradedAnswers:
    """Triton's counter of the answers that lacked a store, by model and store."""

    def __init__(self, backend: Any, model: str, stages: Iterable[Stage]) -> None:
        self._outages = [outage for stage in stages for outage in outages_of(stage)]
        self._missed = [outage.missed_calls for outage in self._outages]
        if self._outages:  # a family without metrics would be shown without a value
            text = "Answers that were made without a store that was away"
            self._family = backend.MetricFamily(DEGRADED, text, backend.MetricFamily.COUNTER)
            labels = [{"model": model, "store": outage.store} for outage in self._outages]
            self._metrics = [self._family.Metric(labels=one) for one in labels]

    def count(self, answers: int) -> None:
        """Adds so many answers for every store that missed a call since the last time."""
        for number, outage in enumerate(self._outages):
            if outage.missed_calls > self._missed[number]:
                self._missed[number] = outage.missed_calls
                self._metrics[number].increment(answers)


def published_bundle(version: Path) -> Bundle:
    """Opens the bundle that a version directory points to.

    Its `bundle.json` is {"path": …, "bundle_id": …}, the path relative to the directory.

    Raises:
        ActionableError: there is no bundle, or another one than was published.
    """
    pointer = json.loads((version / BUNDLE_FILE).read_text())
    bundle = Bundle.open((version / pointer["path"]).resolve())
    if bundle.bundle_id != pointer["bundle_id"]:
        raise ActionableError(
            f"{bundle.path} is bundle {bundle.bundle_id}, but {pointer['bundle_id']} was published.",
            "Publish the bundle again.",
        )
    return bundle


def settings_with(settings: Settings, parameters: Mapping[str, str]) -> Settings:
    """Returns the settings with those parameters laid over that are called like one, in upper case.

    Raises:
        ValidationError: a value does not fit its setting.
    """
    known = {name.lower(): value for name, value in parameters.items() if name.lower() in Settings.model_fields}
    return Settings(**(settings.model_dump() | known))
