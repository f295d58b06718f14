"""Adapter between Triton's Python backend and a stage. Every `model.py` is a subclass with the name of its stage."""

import gc
import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.signature import require_signed
from rec_assets.common.errors import ActionableError
from rec_assets.common.traces import tracing
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.serving.stages.base import guards_of
from rec_assets.settings import Settings, get_settings

BUNDLE_FILE = "bundle.json"
DEGRADED = "rec_degraded_answers_total"
LOST = "rec_lost_answers_total"
TRACED_AS = "rec-triton"  # this name in traces, of the server and of its model processes


class BundleModel(ABC):
    """A Triton model that answers from one bundle.

    A parameter of the model's configuration with the name of a setting (`RETRIEVAL_TOPK`) overrides that setting.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads the model.

        Args:
            args: from Triton: the configuration as JSON, the model's folder and the version.

        Raises:
            ActionableError: the bundle is missing, is not the published bundle, or lacks a part of the model.
        """
        import triton_python_backend_utils as backend  # exists only in Triton's Python process

        self.backend = backend
        config = json.loads(args["model_config"])
        self.name = config["name"]
        self._inputs = [one["name"] for one in config["input"]]
        self._outputs = {one["name"]: backend.triton_string_to_numpy(one["data_type"]) for one in config["output"]}
        parameters = {name: entry["string_value"] for name, entry in config.get("parameters", {}).items()}
        version = Path(args["model_repository"]) / args["model_version"]
        settings = settings_with(get_settings(), parameters)
        tracing.start(TRACED_AS, settings.otlp_endpoint, settings.trace_share)
        self._degraded = DegradedAnswers(backend, self.name, self.load(version, settings))
        # Later collections skip all that was loaded: libraries and stages have a million objects that stay.
        gc.collect()
        gc.freeze()

    def finalize(self) -> None:
        """Sends the last spans when Triton unloads the model."""
        tracing.stop()

    @abstractmethod
    def load(self, version: Path, settings: Settings) -> Iterable[Stage]:
        """Loads and returns the stages from the bundle of a version directory."""

    @abstractmethod
    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers every request; an invalid request gets an error and does not affect the others."""

    def traced(self, requests: Sequence[Any]) -> AbstractContextManager[None]:
        """Returns a block whose spans become parts of the traces of these requests."""
        parents = (traceparent(request) for request in requests)  # not read if traces are off
        return tracing.continued(parents, f"{self.name} batch", {"rec.requests": len(requests)})

    def read(self, request: Any) -> Arrays:
        """Returns the inputs that a request contains."""
        given = {name: self.backend.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in given.items() if tensor is not None}

    def attempt(self, call: Callable[..., Mapping[str, Any]], *arguments: Any) -> Any:
        """Returns the arrays of the call, or an error response if the call fails."""
        backend = self.backend
        try:
            return call(*arguments)
        except RequestError as error:
            return self._error_response(str(error), backend.TritonError.INVALID_ARG)
        except Exception as error:  # Triton would send the traceback of an uncaught exception to the client
            backend.Logger.log_error(traceback.format_exc())
            tracing.mark_failed(error)
            return self._error_response(f"{self.name} failed with {type(error).__name__}", backend.TritonError.INTERNAL)

    def response(self, outputs: Mapping[str, Any]) -> Any:
        """Returns a response with the declared outputs, converted to the declared types."""
        tensors = [
            self.backend.Tensor(name, np.ascontiguousarray(outputs[name], dtype))
            for name, dtype in self._outputs.items()
        ]
        return self.backend.InferenceResponse(tensors)

    def count_degraded(self, answers: int) -> None:
        """Counts answers as degraded if a stage missed a call to its store since the last count."""
        self._degraded.count(answers)

    def _error_response(self, message: str, code: int) -> Any:
        return self.backend.InferenceResponse(error=self.backend.TritonError(message, code))


class StageModel(BundleModel):
    """One stage as a Triton model."""

    stage: ClassVar[str]

    def load(self, version: Path, settings: Settings) -> Iterable[Stage]:
        """Loads the stage."""
        self._stage = self.open_stage(version, settings)
        return [self._stage]

    def open_stage(self, version: Path, settings: Settings) -> Stage:
        """Returns the stage, loaded from the bundle of a version directory."""
        return load_stage(self.stage, published_bundle(version, settings), settings)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers one request after the other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        with self.traced([request]):
            made = self.attempt(lambda: self._stage(self.read(request)))
        self.count_degraded(1)
        return self.response(made) if isinstance(made, dict) else made


class LostAnswers:
    """Triton metric: counter of answers that were not recorded, by model."""

    def __init__(self, backend: Any, model: str) -> None:
        text = "Answers that were not recorded: the queue was full, or Valkey did not answer"
        self._family = backend.MetricFamily(LOST, text, backend.MetricFamily.COUNTER)
        self._metric, self._counted = self._family.Metric(labels={"model": model}), 0

    def count(self, lost: int) -> None:
        """Sets the counter to the number of answers that this process has lost."""
        if lost > self._counted:
            self._metric.increment(lost - self._counted)
            self._counted = lost


class DegradedAnswers:
    """Triton metric: counter of answers without a store, by model and store."""

    def __init__(self, backend: Any, model: str, stages: Iterable[Stage]) -> None:
        self._guards = [guard for stage in stages for guard in guards_of(stage)]
        self._missed = [guard.missed_calls for guard in self._guards]
        if self._guards:  # Triton would list a family without metrics without a value
            text = "Answers computed while a store was unavailable"
            self._family = backend.MetricFamily(DEGRADED, text, backend.MetricFamily.COUNTER)
            labels = [{"model": model, "store": guard.store} for guard in self._guards]
            self._metrics = [self._family.Metric(labels=one) for one in labels]

    def count(self, answers: int) -> None:
        """Adds `answers` to the counter of every store that missed a call since the last count."""
        for number, guard in enumerate(self._guards):
            if guard.missed_calls > self._missed[number]:
                self._missed[number] = guard.missed_calls
                self._metrics[number].increment(answers)


def traceparent(request: Any) -> str | None:
    """Returns the header `traceparent` (W3C Trace Context) that names Triton's span of a request; None without one."""
    context = request.trace().get_context()
    return json.loads(context)["traceparent"] if context else None


def published_bundle(version: Path, settings: Settings) -> Bundle:
    """Opens the bundle of a version directory.

    The directory's `bundle.json` is {"path": …, "bundle_id": …}; the path is relative to the directory.

    Raises:
        ActionableError: the bundle is missing, is not the published bundle, or is not signed although a key is set.
    """
    pointer = json.loads((version / BUNDLE_FILE).read_text())
    bundle = Bundle.open((version / pointer["path"]).resolve())
    if bundle.bundle_id != pointer["bundle_id"]:
        raise ActionableError(
            f"{bundle.path} has the wrong bundle ({bundle.bundle_id}, published was {pointer['bundle_id']}).",
            "Publish the bundle again.",
        )
    require_signed(bundle, settings.bundle_key)
    return bundle


def settings_with(settings: Settings, parameters: Mapping[str, str]) -> Settings:
    """Returns the settings, overridden by the parameters that have the upper-case name of a setting.

    Raises:
        ValidationError: a value is invalid for its setting.
    """
    known = {name.lower(): value for name, value in parameters.items() if name.lower() in Settings.model_fields}
    return Settings(**(settings.model_dump() | known))
