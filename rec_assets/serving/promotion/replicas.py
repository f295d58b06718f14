"""Promotion to all replicas or none: every agent prepares the bundle, then every agent makes it live.

Nothing is live anywhere before all have rehearsed it. Where one fails or dies, all go back to the bundle before; one
that was away meanwhile starts, or goes on, with what storage calls live.
"""

import json
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.protocol import KEY_HEADER, Candidate
from rec_assets.settings import Settings

PREPARE_S = 300.0  # to download, publish and smoke_test_version a bundle
SWITCH_S = 60.0


def replicas_of(settings: Settings) -> list[str]:
    """Returns host:port of every agent behind the headless service that the settings name, in order.

    Raises:
        ActionableError: the name is unknown: no replica runs, or it is wrong.
    """
    try:
        found = socket.getaddrinfo(settings.triton_replicas, settings.agent_port, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ActionableError(
            f"{settings.triton_replicas} has no addresses ({error}).", "Check REC_TRITON_REPLICAS, and that pods run."
        ) from error
    return sorted({"{}:{}".format(*address[:2]) for *_, address in found})


def promote(replicas: Sequence[str], candidate: Candidate, key: str) -> None:
    """Makes a bundle live on all replicas, or leaves the one before live on all.

    The caller records it as live in storage afterwards; agents go back to what is recorded if that never happens.

    Args:
        replicas: host:port of the agents.
        candidate: the bundle in the artifact store.
        key: what the agents ask for.

    Raises:
        ActionableError: a replica could not; the reasons of all are named.
    """
    name = {"bundle_id": candidate.bundle_id}
    problems = _ask_all(replicas, "/prepare", asdict(candidate), key, PREPARE_S)
    problems = problems or _ask_all(replicas, "/commit", name, key, SWITCH_S)
    if problems:
        _ask_all(replicas, "/abort", name, key, SWITCH_S)
        raise ActionableError(
            f"Bundle {candidate.bundle_id} is live nowhere: " + "; ".join(problems),
            "See the agents' logs; the bundle before serves on.",
        )


def _ask_all(replicas: Sequence[str], path: str, body: dict[str, str], key: str, timeout: float) -> list[str]:
    """Asks all at once; returns the problems there were."""
    with ThreadPoolExecutor(max(len(replicas), 1)) as pool:
        answers = pool.map(lambda replica: _ask(replica, path, body, key, timeout), replicas)
    return [f"{replica}{path}: {answer}" for replica, answer in zip(replicas, answers, strict=True) if answer]


def _ask(replica: str, path: str, body: dict[str, str], key: str, timeout: float) -> str:
    """Returns what went wrong, or nothing."""
    headers = {KEY_HEADER: key, "Content-Type": "application/json"}
    request = Request(f"http://{replica}{path}", json.dumps(body).encode(), headers)
    try:
        with urlopen(request, timeout=timeout):
            return ""
    except HTTPError as error:
        with suppress(ValueError):
            return str(json.load(error).get("problem") or error)
        return str(error)
    except (URLError, OSError) as error:
        return f"does not answer ({getattr(error, 'reason', error)})"
