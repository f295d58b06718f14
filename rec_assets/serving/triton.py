"""The adapter between Triton's Python backend and a stage; every `model.py` is a subclass that names its stage."""

import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rec_assets.errors import ActionableError
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.request import RequestError
from rec_assets.serving.stages import Arrays, Stage, load_stage
from rec_assets.settings import Settings, get_settings

BUNDLE_FILE = "bundle.json"


class StageModel:
    """One stage as a Triton model.

    A version directory holds `bundle.json`, {"path": …, "bundle_id": …}, the path relative to the directory: each
    version is one bundle. Parameters of the model's configuration that are called like a setting (`RETRIEVAL_TOPK`)
    override it.
    """

    stage: ClassVar[str]

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads the stage; Triton gives the configuration as JSON, the model's folder and the version.

        Raises:
            ActionableError: there is no bundle, another one than was published, or it lacks what the stage needs.
        """
        import triton_python_backend_utils as backend  # exists only inside Triton's stub

        self._backend = backend
        config = json.loads(args["model_config"])
        self._inputs = [one["name"] for one in config["input"]]
        self._outputs = {one["name"]: backend.triton_string_to_numpy(one["data_type"]) for one in config["output"]}
        parameters = {name: entry["string_value"] for name, entry in config.get("parameters", {}).items()}
        self._stage = self.open_stage(
            Path(args["model_repository"]) / args["model_version"], settings_with(get_settings(), parameters)
        )

    def open_stage(self, version: Path, settings: Settings) -> Stage:
        """Returns the stage of the bundle that a version directory points to."""
        pointer = json.loads((version / BUNDLE_FILE).read_text())
        bundle = Bundle.open((version / pointer["path"]).resolve())
        if bundle.bundle_id != pointer["bundle_id"]:
            raise ActionableError(
                f"{bundle.path} is bundle {bundle.bundle_id}, but {pointer['bundle_id']} was published.",
                "Publish the bundle again.",
            )
        return load_stage(self.stage, bundle, settings)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers every request, each on its own: a bad one gets an error and leaves the others alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        backend = self._backend
        try:
            outputs = self._stage(self._read(request))
            tensors = [
                backend.Tensor(name, np.ascontiguousarray(outputs[name], dtype))
                for name, dtype in self._outputs.items()
            ]
            return backend.InferenceResponse(tensors)
        except RequestError as error:
            return self._refusal(str(error), backend.TritonError.INVALID_ARG)
        except Exception as error:  # an exception that leaves the model would show its traceback to the client
            backend.Logger.log_error(traceback.format_exc())
            return self._refusal(f"{self.stage} failed with {type(error).__name__}", backend.TritonError.INTERNAL)

    def _read(self, request: Any) -> Arrays:
        given = {name: self._backend.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in given.items() if tensor is not None}

    def _refusal(self, message: str, code: int) -> Any:
        return self._backend.InferenceResponse(error=self._backend.TritonError(message, code))


def settings_with(settings: Settings, parameters: Mapping[str, str]) -> Settings:
    """Returns the settings with those parameters laid over that are called like one, in upper case.

    Raises:
        ValidationError: a value does not fit its setting.
    """
    known = {name.lower(): value for name, value in parameters.items() if name.lower() in Settings.model_fields}
    return Settings(**(settings.model_dump() | known))
