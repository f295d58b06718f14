"""A small Kubernetes API server, which validates jobs by strict schemas and runs their containers as local processes.

Tests use it to inspect a client's requests and to run its pods. Does not schedule: it stores images, nodes and
volumes, but ignores them. A container's process gets the environment of its manifest and a PATH, but no variables of
this process.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse
from uuid import uuid4

import kubernetes_validate
import yaml

VERSION = "1.35"
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"
Manifest = dict[str, Any]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """State of the server: jobs, their pods, and the output of the pods."""

    def __init__(self) -> None:
        self.jobs: dict[str, Manifest] = {}
        self.pods: dict[str, Manifest] = {}
        self.logs: dict[str, str] = {}
        self.loses: set[str] = set()  # steps of Dagster whose first pod is killed after the step has started
        self._threads: list[threading.Thread] = []

    def pod_specs(self) -> list[Manifest]:
        """Returns the specs of all pods in starting order."""
        return [pod["spec"] for pod in self.pods.values()]

    def create(self, job: Manifest) -> Manifest:
        """Starts a job; raises ValidationError for a job that Kubernetes would refuse."""
        kubernetes_validate.validate(job, VERSION, strict=True)
        job["metadata"] |= {"uid": str(uuid4()), "creationTimestamp": _now()}
        job["status"] = {"active": 1, "startTime": _now()}
        self.jobs[job["metadata"]["name"]] = job
        thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return job

    def join(self) -> None:
        """Waits for running jobs."""
        for thread in self._threads:
            thread.join(120)

    def _run(self, job: Manifest) -> None:
        template, name = job["spec"]["template"], f"{job['metadata']['name']}-{uuid4().hex[:5]}"
        container = template["spec"]["containers"][0]
        labels = {**template["metadata"].get("labels", {}), "job-name": job["metadata"]["name"]}
        metadata = {"name": name, "uid": str(uuid4()), "labels": labels, "creationTimestamp": _now()}
        pod = {
            "metadata": metadata,
            "spec": template["spec"],
            "status": _status(container, running={"startedAt": _now()}),
        }
        self.pods[name] = pod
        environment = {"PATH": PATH, "HOME": os.environ.get("HOME", "/"), "PYTHONWARNINGS": "ignore"}
        environment |= {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
        command = [*container.get("command", []), *container.get("args", [])]
        status, self.logs[name] = self._ended(command, environment)
        ended = {"exitCode": status, "startedAt": _now(), "finishedAt": _now()}
        pod["status"] = _status(container, "Failed" if status else "Succeeded", terminated=ended)
        result = {"failed": 1} if status else {"succeeded": 1}
        job["status"] = {**job["status"], "active": 0, "completionTime": _now(), **result}

    def _ended(self, command: list[str], environment: dict[str, str]) -> tuple[int, str]:
        """Runs a container's command to its end, or until it is lost; returns its exit status and its output."""
        step, lines = environment.get("DAGSTER_RUN_STEP_KEY", ""), []
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if step in self.loses and "STEP_START" in line:
                    self.loses.remove(step)
                    process.kill()
        return process.returncode, "".join(lines)


def _status(container: Manifest, phase: str = "Running", **state: Manifest) -> Manifest:
    one = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
    return {"phase": phase, "containerStatuses": [{**one, "ready": phase == "Running", "state": state}]}


@contextmanager
def running_cluster(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """Serves an empty cluster on the loopback address; yields the cluster and its kubeconfig."""
    cluster = Cluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": cluster}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "rec-assets"}}
    kubeconfig = folder / "kubeconfig.yaml"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [where],
                "contexts": [context],
            }
            | {"users": [{"name": "me", "user": {"token": "token"}}]}
        )
    )
    try:
        yield cluster, kubeconfig
    finally:
        cluster.join()
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        # /api/v1/namespaces/NAMESPACE/pods/NAME/log, /apis/batch/v1/namespaces/NAMESPACE/jobs/NAME/status
        parts = urlparse(self.path).path.strip("/").split("/")
        kind, name, part = [*parts[parts.index("namespaces") + 2 :], "", "", ""][:3]
        known = {"jobs": self.cluster.jobs, "pods": self.cluster.pods}.get(kind, {})
        if not name:
            items = [one for one in known.values() if self._selected(one)]
            self._answer(200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
        elif name not in known:
            self._refuse(404, "NotFound", f"{kind} {name} not found")
        elif part == "log":
            self._send(200, "text/plain", self.cluster.logs.get(name, "").encode())
        else:
            self._answer(200, known[name])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.partition("?")[0].endswith("/jobs"):
            self._refuse(404, "NotFound", self.path)
        elif body["metadata"]["name"] in self.cluster.jobs:
            self._refuse(409, "AlreadyExists", body["metadata"]["name"])
        else:
            try:
                self._answer(201, self.cluster.create(body))
            except kubernetes_validate.ValidationError as error:
                self._refuse(422, "Invalid", f"{error.message} at {list(error.path)}")

    def _selected(self, one: Manifest) -> bool:
        query = parse_qs(urlparse(self.path).query).get("labelSelector", [""])[0]
        wanted = dict(term.split("=", 1) for term in query.split(",") if "=" in term)
        labels = one["metadata"].get("labels", {})
        return all(labels.get(name) == value.lstrip("=") for name, value in wanted.items())

    def _refuse(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
        self._answer(code, {**status, "code": code})

    def _answer(self, code: int, body: Manifest) -> None:
        self._send(code, "application/json", json.dumps(body).encode())

    def _send(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
