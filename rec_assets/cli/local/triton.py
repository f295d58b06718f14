"""Triton with its Python backend as a local server: gRPC and metrics on loopback, changes only with the control key."""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import psutil

from rec_assets.cli.local import binaries
from rec_assets.cli.local.server import LOOPBACK, Health, Server, is_open
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.control import key as control_key
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.control.calls import ServerTimeoutError
from rec_assets.serving.triton.control.probe import probe
from rec_assets.serving.triton.control.repair import reload_dead_models
from rec_assets.serving.triton.model_config import RECOMMENDER
from rec_assets.serving.triton.model_repository import configured_processes, live_version, renew_models, repository_path
from rec_assets.serving.triton.own_server import server_id
from rec_assets.serving.triton.stage_model import TRACED_AS

# APIs that need the control key, as in deploy/helm/triton.
RESTRICTED = "model-repository,model-config,shared-memory,statistics,trace,logging"
LAST_REQUESTS_S = 2.0  # longer than any request takes; meanwhile the supervisor sees no other fault
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder of POSIX shared memory; segments of this server have its prefix


class Triton(Server):
    """The model server in explicit mode: it loads and unloads models only on request."""

    name = "triton"
    patience_s = 180.0  # it loads the models of `recommender` before it answers

    def ports(self) -> dict[str, int]:
        """Returns the ports of gRPC and the Prometheus metrics."""
        return {
            "REC_TRITON_GRPC_PORT": self.settings.triton_grpc_port,
            "REC_TRITON_METRICS_PORT": self.settings.triton_metrics_port,
        }

    def command(self) -> list[str]:
        """Returns the command line; the models are in `<home>/triton/models`."""
        models = repository_path(self.settings)
        models.mkdir(parents=True, exist_ok=True)
        options = {
            "id": server_id(self.settings),
            "model-repository": models,
            "model-control-mode": "explicit",
            "backend-directory": self._backends(),
            "backend-config": f"python,shm-region-prefix-name={self._segments}",
            "cache-directory": binaries.triton_folder() / "caches",
            "allow-gpu-metrics": "false",
            "exit-timeout-secs": 2,  # for running requests; unloading the models first would take longer
            "exit-on-error": "false",  # `prepare` reports models that do not load
            # A web page can send requests to an HTTP port of this machine, but no gRPC.
            "allow-http": "false",
            "grpc-restricted-protocol": f"{RESTRICTED}:control-key={self.secret()}",
        }
        for protocol, port in zip(("grpc", "metrics"), self.ports().values(), strict=True):
            options |= {f"{protocol}-address": LOOPBACK, f"{protocol}-port": port}
        if live_version(models) is not None:
            renew_models(models, self.settings)
            # The port opens when the model that clients use is loaded; `prepare` loads the other topology.
            options["load-model"] = RECOMMENDER
        # Automatic completion of configurations would start every model twice.
        return [
            str(binaries.triton_server()),
            "--disable-auto-complete-config",
            *(f"--{key}={value}" for key, value in options.items()),
            *trace_options(self.settings.otlp_endpoint),
        ]

    def secret(self) -> str:
        """Returns the control key."""
        return control_key.make(self.settings)

    def environment(self) -> dict[str, str]:
        """Returns an environment that leads the stubs to this interpreter, its packages and these settings."""
        libraries = [str(folder) for folder in binaries.triton_library_folders()]
        inherited = os.environ.get("LD_LIBRARY_PATH")
        environment = dict(os.environ)
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, *([inherited] if inherited else [])])
        # A stub ignores PYTHONHOME, and uses the packages of the first python3 on PATH.
        environment["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
        # Each model has its own process, so more threads of NumPy and FAISS would only compete for the cores.
        environment["OMP_NUM_THREADS"] = "1"
        return environment | self.settings_as_variables()

    def prepare(self) -> None:
        """Loads the published models; raises ActionableError with Triton's reason if loading fails."""
        if live_version(repository_path(self.settings)) is not None:
            server_control.load(self.settings)

    def is_ready(self) -> bool:
        """Returns whether the server reports over gRPC that it is ready."""
        # The port is tested first, because a gRPC channel waits after a failed connection.
        return is_open(self.settings.triton_grpc_port) and server_control.is_ready(self.settings)

    def answers(self) -> Health:
        """Returns how the server answers real requests, because a model with a dead process still counts as ready.

        Looks at the processes too: with other clients, a probe may reach only the healthy processes of a model.
        """
        if not self.is_ready():
            return super().answers()
        if live_version(repository_path(self.settings)) is None:
            return "well"
        processes = self._processes()
        if _paused(processes) or self._dead(processes):
            return "broken"
        try:
            probe(self.settings)
        except ServerTimeoutError:
            return "slow"
        except ActionableError:
            return "broken"
        return "well"

    def detail(self) -> str:
        """Returns the live version, with the reason if it does not answer."""
        version = live_version(repository_path(self.settings))
        if version is None:
            return "nothing published yet"
        return f"version {version}" if (problem := self._problem()) is None else f"version {version}: {problem}"

    def mend(self) -> str:
        """Ends model processes that hang, and loads dead and unloaded models again."""
        for stub in _paused(self._processes()):
            _kill(stub)
        if not server_control.is_ready(self.settings):
            return super().mend()
        began = time.time()
        loaded = reload_dead_models(self.settings, self._dead(self._processes()), self._end_named)
        self._end_replaced(loaded, began)
        return f"loaded again: {', '.join(loaded) or 'nothing'}"

    def clean_up(self) -> None:
        """Removes the shared memory of model processes, which an aborted server leaves behind."""
        for segment in SHARED_MEMORY.glob(f"{self._segments}*"):
            segment.unlink(missing_ok=True)

    def model_processes(self, model: str) -> list[psutil.Process]:
        """Returns the running processes of the live version of a model, also those of its earlier loads."""
        return self._processes().get(model, [])

    def _processes(self) -> dict[str, list[psutil.Process]]:
        """Returns the running processes of the live version by model."""
        version = str(live_version(repository_path(self.settings)))
        found: dict[str, list[psutil.Process]] = {}
        for process in self.process.children():
            with suppress(psutil.Error):
                for word in process.cmdline():
                    match Path(word).parts[-3:]:
                        case (model, number, "model.py") if number == version:
                            found.setdefault(model, []).append(process)
        return found

    def _dead(self, processes: Mapping[str, Sequence[psutil.Process]]) -> list[str]:
        """Returns the models of the live version that have fewer processes than they are configured to have."""
        configured = configured_processes(repository_path(self.settings))
        return [model for model, number in configured.items() if len(processes.get(model, [])) < number]

    def _end_named(self, problem: str) -> None:
        """Ends the processes that an error message names as not healthy: a late answer makes the server abort."""
        for stub in self.process.children():
            with suppress(psutil.Error):
                if any(f"'{word}'" in problem for word in stub.cmdline()):
                    _kill(stub)

    def _end_replaced(self, models: Sequence[str], began: float) -> None:
        """Ends processes of `models` that started before `began` (unix time), after their last requests.

        After one process of a model was killed, Triton waits for it for ever, and keeps the model's other processes.
        """
        processes = [one for model in models for one in self.model_processes(model)]
        replaced = [one for one in processes if one.create_time() < began]
        for process in psutil.wait_procs(replaced, timeout=LAST_REQUESTS_S)[1]:
            _kill(process)

    @property
    def _segments(self) -> str:
        """Beginning of the names of the shared memory segments; no other home has the same."""
        return f"rec_triton_{hashlib.sha256(str(self.home).encode()).hexdigest()[:12]}_"

    def _problem(self) -> str | None:
        if live_version(repository_path(self.settings)) is None:
            return None
        try:
            probe(self.settings)
        except ActionableError as error:
            return error.problem
        return None

    def _backends(self) -> Path:
        """Returns a folder with links to the Python backend and to its stub, which are in two folders of the wheel."""
        folder = self.home / "triton" / "backends"
        shutil.rmtree(folder, ignore_errors=True)
        python = folder / "python"
        python.mkdir(parents=True)
        for file in [*(binaries.triton_folder() / "backends" / "python").iterdir(), binaries.python_stub()]:
            (python / file.name).symlink_to(file)
        return folder


def trace_options(endpoint: str) -> list[str]:
    """Returns options that make Triton send its own spans to a collector; none without an endpoint.

    Triton continues traces of callers, and begins none itself (count=0).
    """
    values = [
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "count=0",
        f"opentelemetry,url={endpoint.rstrip('/')}/v1/traces",
        f"opentelemetry,resource=service.name={TRACED_AS}",
    ]
    return [f"--trace-config={value}" for value in values] if endpoint else []


def _paused(processes: Mapping[str, Sequence[psutil.Process]]) -> list[psutil.Process]:
    """Returns the paused processes. One that continues after a failed request makes the server abort."""
    paused = []
    for process in chain.from_iterable(processes.values()):
        with suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_STOPPED:
                paused.append(process)
    return paused


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
