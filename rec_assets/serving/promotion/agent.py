"""Agent of one Triton replica on a cluster: downloads bundles, answers probes, and takes part in promotions.

`python -m rec_assets.serving.promotion.agent pull` fills an empty model repository before the server starts. `serve`
runs beside the server and keeps it on the live bundle of the artifact store. It does not switch the server during a
promotion (`rec_assets.serving.promotion.replicas`).
"""

import logging
import sys
import threading
import time

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import LIVE_BUNDLE
from rec_assets.common.errors import ActionableError
from rec_assets.common.loop import Loop, LoopState
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.triton import model_repository, server_control
from rec_assets.serving.triton.repair import reload_dead_models
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.stores import open_store

FOLLOW_S = 20.0  # between two reads of the live record
REPAIR_S = 2.0  # between two probes of the repair
PROBE_AGE_S = 1.0  # a result of a probe is used again for this time
# After this time, a promotion that was neither recorded nor aborted has lost its coordinator.
PATIENCE_S = 600.0

logger = logging.getLogger(__name__)


def pull_live(settings: Settings) -> str:
    """Publishes the live bundle as the version that a server starts with; returns the bundle's id.

    Raises:
        ActionableError: no bundle was promoted yet, or the artifact store cannot be read.
    """
    bundle = Bundle.open(open_store(settings).get(LIVE_BUNDLE).path)
    models = model_repository.repository_path(settings)
    model_repository.renew_models(models, settings)
    version = model_repository.version_of(models, bundle.bundle_id) or model_repository.publish(
        bundle, models, settings=settings
    )
    model_repository.switch(models, version)
    return bundle.bundle_id


class Agent:
    """Operations on one replica; each raises ActionableError with the reason if it fails."""

    def __init__(self, settings: Settings) -> None:
        """Stores the addresses of server and artifact store; does not connect yet."""
        self.settings = settings
        self.models = model_repository.repository_path(settings)
        self._store: ArtifactStore = open_store(settings)
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._before: int | None = None
        self._promoting_until = 0.0
        self._converged = False
        self._probing = threading.Lock()
        self._probed_at, self._answered = -PROBE_AGE_S, False
        self._loops = [
            # Retries soon, because the pod is not ready before the first success.
            Loop("follow", self.follow, FOLLOW_S, settings.home, max_pause_s=2.0, longest_s=PATIENCE_S),
            Loop("repair", self.repair, REPAIR_S, settings.home, longest_s=PATIENCE_S),
        ]

    @property
    def loops(self) -> list[LoopState]:
        """Returns the states of the loops of `start_loops`."""
        return [loop.state for loop in self._loops]

    @property
    def is_alive(self) -> bool:
        """Returns True while the loops run, or if they were never started."""
        return all(thread.is_alive() for thread in self._threads) and (
            not self._threads or all(state.is_alive for state in self.loops)
        )

    @property
    def is_ready(self) -> bool:
        """Returns True if the server answers and has run the live bundle at least once since the agent started."""
        return self._converged and self.answers()

    def answers(self) -> bool:
        """Returns True if every topology answers a real request. Probes at the same time share one result."""
        with self._probing:
            if time.monotonic() - self._probed_at >= PROBE_AGE_S:
                try:
                    server_control.probe(self.settings)
                    self._answered = True
                except ActionableError as error:
                    logger.warning("%s", error)
                    self._answered = False
                self._probed_at = time.monotonic()
            return self._answered

    def start_loops(self) -> None:
        """Starts the loops of `follow` and `repair` in background threads, for the life of the process."""
        for loop in self._loops:
            thread = threading.Thread(target=loop.run, args=(threading.Event(),), daemon=True)
            thread.start()
            self._threads.append(thread)

    def live(self) -> str:
        """Returns the id of the bundle that the server runs."""
        return server_control.live_bundle_id(self.settings)

    def prepare(self, candidate: Candidate) -> None:
        """Downloads a bundle and smoke-tests it beside the live bundle, which keeps answering."""
        with self._lock:
            self._promoting_until = time.monotonic() + PATIENCE_S
            self._before = model_repository.live_version(self.models)
            bundle = Bundle.open(self._store.get(candidate.asset, candidate.partition).path, verify=True)
            if bundle.bundle_id != candidate.bundle_id:
                raise ActionableError(
                    f"{candidate.asset} [{candidate.partition}] is bundle {bundle.bundle_id}, not "
                    f"{candidate.bundle_id}.",
                    "The asset was rebuilt in the meantime. Promote its new bundle.",
                )
            version = self._published(bundle)
            server_control.smoke_test_version(self.settings, version)

    def commit(self, bundle_id: str) -> None:
        """Switches the server to a prepared bundle."""
        with self._lock:
            version = model_repository.version_of(self.models, bundle_id)
            if version is None:
                raise ActionableError(f"Bundle {bundle_id} was not prepared here.", "Send /prepare first.")
            server_control.go_live(self.settings, version)

    def abort(self, bundle_id: str) -> None:
        """Switches back to the bundle that was live before `prepare`, and removes the prepared bundle."""
        with self._lock:
            version = model_repository.version_of(self.models, bundle_id)
            if version is not None and version != self._before:
                if version == model_repository.live_version(self.models) and self._before is not None:
                    server_control.go_live(self.settings, self._before)
                if version != model_repository.live_version(self.models):
                    model_repository.remove(self.models, version)
            self._promoting_until = 0.0

    def follow(self) -> None:
        """Switches the server to the live bundle of the artifact store, unless a promotion is running."""
        with self._lock:
            bundle = Bundle.open(self._store.get(LIVE_BUNDLE).path)
            if bundle.bundle_id == self.live():
                self._promoting_until = 0.0
                self._converged = True
            elif time.monotonic() >= self._promoting_until:
                logger.info("switching to bundle %s, the live bundle of the artifact store", bundle.bundle_id)
                server_control.go_live(self.settings, self._published(bundle))
                model_repository.prune(self.models, [])
                self._converged = True

    def repair(self) -> str:
        """Loads models again whose process died or that were unloaded, unless a promotion is running."""
        if time.monotonic() < self._promoting_until or not self._converged:
            return ""
        with self._lock:
            models = reload_dead_models(self.settings)
        if models:
            logger.warning("Triton did not answer; loaded again: %s", ", ".join(models))
        return ""

    def _published(self, bundle: Bundle) -> int:
        version = model_repository.version_of(self.models, bundle.bundle_id)
        return version or model_repository.publish(bundle, self.models, settings=self.settings)


def main() -> None:
    """Runs the command `pull` or `serve`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if sys.argv[1:] == ["pull"]:
        logger.info("starting with bundle %s", pull_live(get_settings()))
    elif sys.argv[1:] == ["serve"]:
        from rec_assets.serving.promotion.agent_server import agent_server

        agent = Agent(get_settings())
        agent.start_loops()
        agent_server(agent, get_settings()).run()
    else:
        raise SystemExit("usage: python -m rec_assets.serving.promotion.agent pull | serve")


if __name__ == "__main__":
    main()
