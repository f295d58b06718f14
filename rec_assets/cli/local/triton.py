"""Triton with its Python backend as a local server; it starts empty and is then asked to load what is published."""

import os
import shutil
import sys
from pathlib import Path

from rec_assets.cli.local import binaries
from rec_assets.cli.local.server import LOOPBACK, Server, is_open
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import server_control
from rec_assets.serving.triton.model_repository import live_version, renew_models, repository_path


class Triton(Server):
    """The model server, explicit mode: models come and go only on request."""

    name = "triton"
    patience_s = 60.0

    def ports(self) -> dict[str, int]:
        """Returns the ports of HTTP, gRPC and the Prometheus metrics."""
        return {
            "REC_TRITON_HTTP_PORT": self.settings.triton_http_port,
            "REC_TRITON_GRPC_PORT": self.settings.triton_grpc_port,
            "REC_TRITON_METRICS_PORT": self.settings.triton_metrics_port,
        }

    def command(self) -> list[str]:
        """Returns the command line; models are below `<home>/triton/models`."""
        models = repository_path(self.settings)
        models.mkdir(parents=True, exist_ok=True)
        options = {
            "model-repository": models,
            "model-control-mode": "explicit",
            "backend-directory": self._backends(),
            "cache-directory": binaries.triton_folder() / "caches",
            "allow-gpu-metrics": "false",
            "exit-timeout-secs": 2,  # for requests under way; unloading models first would take longer
        }
        for protocol, port in zip(("http", "grpc", "metrics"), self.ports().values(), strict=True):
            options |= {f"{protocol}-address": LOOPBACK, f"{protocol}-port": port}
        # Completing configurations would start every model twice.
        return [
            str(binaries.triton_server()),
            "--disable-auto-complete-config",
            *(f"--{key}={value}" for key, value in options.items()),
        ]

    def environment(self) -> dict[str, str]:
        """Returns the environment in which the stubs find this interpreter, its packages and these settings."""
        libraries = [str(folder) for folder in binaries.triton_library_folders()]
        inherited = os.environ.get("LD_LIBRARY_PATH")
        environment = dict(os.environ)
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, *([inherited] if inherited else [])])
        # A stub ignores PYTHONHOME: its packages are those of the first python3 on PATH.
        environment["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
        # One process a model: threads of NumPy and FAISS would only fight over the cores.
        environment["OMP_NUM_THREADS"] = "1"
        return environment | self.settings_as_variables()

    def prepare(self) -> None:
        """Loads what is published; raises ActionableError with Triton's reason if that fails."""
        if live_version(repository_path(self.settings)) is not None:
            renew_models(repository_path(self.settings))
            server_control.load(self.settings)

    def is_ready(self) -> bool:
        """Returns whether the server says so over gRPC."""
        # A gRPC channel that meets a closed port waits before it tries again: ask the port first.
        return is_open(self.settings.triton_grpc_port) and server_control.is_ready(self.settings)

    def is_healthy(self) -> bool:
        """Returns whether a real request is answered: a model whose stub was killed still counts as ready."""
        return self.is_ready() and self._problem() is None

    def detail(self) -> str:
        """Returns the live version, or why it does not answer."""
        version = live_version(repository_path(self.settings))
        if version is None:
            return "nothing published yet"
        return f"version {version}" if (problem := self._problem()) is None else f"version {version}: {problem}"

    def _problem(self) -> str | None:
        if live_version(repository_path(self.settings)) is None:
            return None
        try:
            server_control.probe(self.settings)
        except ActionableError as error:
            return error.problem
        return None

    def _backends(self) -> Path:
        """Returns a folder with the Python backend and its stub side by side, as links: the wheel keeps them apart."""
        folder = self.home / "triton" / "backends"
        shutil.rmtree(folder, ignore_errors=True)
        python = folder / "python"
        python.mkdir(parents=True)
        for file in [*(binaries.triton_folder() / "backends" / "python").iterdir(), binaries.python_stub()]:
            (python / file.name).symlink_to(file)
        return folder
