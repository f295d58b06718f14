"""Promotion to all replicas or none: every agent prepares the bundle, then every agent makes it live.

No replica switches before all have smoke-tested the bundle. If any replica fails, all roll back. Only ready replicas
take part. Any other replica converges to the live bundle in the artifact store.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pydantic import TypeAdapter, ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.protocol import KEY_HEADER, Candidate
from rec_assets.serving.triton.control.counters import ByBundle, Counters, added
from rec_assets.settings import Settings

Body = Mapping[str, object]

PREPARE_S = 300.0  # to download, publish and smoke-test a bundle
SWITCH_S = 60.0
READY_S = 15.0  # longer than a probe of both topologies
_COUNTERS = TypeAdapter(dict[str, dict[str, Counters]])


def replicas_of(settings: Settings) -> list[str]:
    """Returns host:port of every agent behind the names in `triton_replicas`, sorted.

    Raises:
        ActionableError: a name has no addresses, because it is wrong or no replica runs.
    """
    found = set()
    for name in settings.triton_replicas.split(","):
        try:
            addresses = socket.getaddrinfo(name.strip(), settings.agent_port, socket.AF_INET, socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise ActionableError(
                f"{name.strip()} has no addresses ({error}).", "Check REC_TRITON_REPLICAS and that the pods run."
            ) from error
        found |= {"{}:{}".format(*address[:2]) for *_, address in addresses}
    return sorted(found)


def ready_replicas(addresses: Sequence[str]) -> list[str]:
    """Returns the agents whose server answers from the recorded bundle. Others start, or repair their server."""
    with ThreadPoolExecutor(max(len(addresses), 1)) as pool:
        return [one for one, ready in zip(addresses, pool.map(_is_ready, addresses), strict=True) if ready]


def _is_ready(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/ready", timeout=READY_S):
            return True
    except OSError:  # also an answer of 503
        return False


def promote(replicas: Sequence[str], candidate: Candidate, key: str) -> None:
    """Makes a bundle live on all replicas, or on none.

    Afterwards the caller records the bundle as live. Without that record, the agents return to the recorded bundle.

    Args:
        replicas: host:port of the agents.
        candidate: the bundle in the artifact store.
        key: control key of the agents.

    Raises:
        ActionableError: a replica failed; the message has the reason of every failed replica.
    """
    name = {"bundle_id": candidate.bundle_id, "token": candidate.token}
    problems = _post_all(replicas, "/prepare", asdict(candidate), key, PREPARE_S)
    problems = problems or _post_all(replicas, "/commit", name, key, SWITCH_S)
    if problems:
        _post_all(replicas, "/abort", name, key, SWITCH_S)
        raise ActionableError(
            f"Bundle {candidate.bundle_id} is not live on any replica: " + "; ".join(problems),
            "Read the agents' logs. The previous bundle stays live.",
        )


def counters(addresses: Sequence[str]) -> ByBundle:
    """Returns the sum of Triton's counters over the replicas that answer."""
    with ThreadPoolExecutor(max(len(addresses), 1)) as pool:
        return added(pool.map(_counters, addresses))


def _counters(address: str) -> ByBundle:
    try:
        with urlopen(f"http://{address}/counters", timeout=READY_S) as answer:
            return _COUNTERS.validate_json(answer.read())
    except (OSError, ValidationError):  # also an agent of an earlier release
        return {}


def prepare(replicas: Sequence[str], candidate: Candidate, key: str) -> None:
    """Tests a bundle on all replicas before its canary; arguments as for `promote`.

    Afterwards the caller records the canary. Without that record, the agents delete the bundle.

    Raises:
        ActionableError: no replica is ready, or one failed; the message has the reason of every failed replica.
    """
    name = {"bundle_id": candidate.bundle_id, "token": candidate.token}
    problems = _post_all(replicas, "/prepare", asdict(candidate), key, PREPARE_S)
    if problems or not replicas:
        _post_all(replicas, "/abort", name, key, SWITCH_S)
        reasons = "; ".join(problems) or "no replica is ready to test it"
        raise ActionableError(
            f"The canary of bundle {candidate.bundle_id} did not start: {reasons}", "Read the agents' logs."
        )


def _post_all(replicas: Sequence[str], path: str, body: Body, key: str, timeout: float) -> list[str]:
    """Sends a request to all replicas in parallel; returns the problems."""
    with ThreadPoolExecutor(max(len(replicas), 1)) as pool:
        answers = pool.map(lambda replica: _post(replica, path, body, key, timeout), replicas)
    return [f"{replica}{path}: {answer}" for replica, answer in zip(replicas, answers, strict=True) if answer]


def _post(replica: str, path: str, body: Body, key: str, timeout: float) -> str:
    """Sends a request to one replica; returns the problem, or an empty string."""
    headers = {KEY_HEADER: key, "Content-Type": "application/json"}
    request = Request(f"http://{replica}{path}", json.dumps(body).encode(), headers)
    try:
        with urlopen(request, timeout=timeout):
            return ""
    except HTTPError as error:
        with suppress(ValueError):
            return str(json.load(error).get("detail") or error)
        return str(error)
    except (URLError, OSError) as error:
        return f"does not answer ({getattr(error, 'reason', error)})"
