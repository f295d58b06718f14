"""Agent of one Triton replica on a cluster: downloads bundles, answers probes, and takes part in promotions.

`python -m rec_assets.serving.promotion.agent` starts before the server, with an empty model repository. It loads the
live bundle of the artifact store into the server and keeps the server on it. Before the first promotion it waits.
It does not switch the server during a promotion (`rec_assets.serving.promotion.replicas`).
"""

import logging
import threading
import time

from rec_assets.bundles.bundle import ASSETS, Bundle
from rec_assets.bundles.canary_record import read_canary
from rec_assets.bundles.live_record import LIVE_BUNDLE, read_record
from rec_assets.common.concurrency.loop import Loop, LoopState
from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.canary import serve_candidate
from rec_assets.serving.promotion.catalog import stored_bundle
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.control.probe import probe
from rec_assets.serving.triton.control.repair import reload_dead_models
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store

FOLLOW_S = 20.0  # between two reads of the live record
REPAIR_S = 2.0  # between two probes of the repair
PROBE_AGE_S = 1.0  # a result of a probe is used again for this time
STUCK_AFTER = 10  # failed repairs in a row; then a restart of the server may help
# After this time, a promotion that was neither recorded nor aborted has lost its coordinator.
PATIENCE_S = 600.0

logger = logging.getLogger(__name__)


class Agent:
    """Operations on one replica; each raises ActionableError with the reason if it fails."""

    def __init__(self, settings: Settings) -> None:
        """Stores the addresses of server and artifact store; does not connect yet. Creates the model repository."""
        self.settings = settings
        self.models = model_repository.repository_path(settings)
        self.models.mkdir(parents=True, exist_ok=True)  # without the folder, the server does not start
        self._store: ArtifactStore = open_store(settings)
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._before: int | None = None
        self._promoting, self._promoting_until = "", 0.0  # bundle of a promotion that is neither recorded nor aborted
        self._token = 0  # highest number of a promotion so far
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
        """Returns True if every topology answers requests. Probes at the same time share one result.

        A busy server counts as answering: without its pod, the load on the others would grow.
        """
        with self._probing:
            if time.monotonic() - self._probed_at >= PROBE_AGE_S:
                try:
                    probe(self.settings, busy_counts=True)
                    self._answered = True
                except ActionableError as error:
                    logger.warning("%s", error)
                    self._answered = False
                self._probed_at = time.monotonic()
            return self._answered

    def serves(self) -> bool:
        """Returns False if a restart of the server may help: it does not respond, or repairs fail again and again.

        Sends no request to a model, because such a request waits behind those of users.
        """
        stuck = next(state.failures for state in self.loops if state.name == "repair") >= STUCK_AFTER
        return not stuck and server_control.is_ready(self.settings)

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
            self._accept(candidate.token)
            self._promoting, self._promoting_until = candidate.bundle_id, time.monotonic() + PATIENCE_S
            self._before = model_repository.live_version(self.models)
            bundle = stored_bundle(
                self._store, candidate.asset, candidate.partition, candidate.digest, candidate.bundle_id
            )
            server_control.smoke_test_version(self.settings, self._published(bundle))

    def commit(self, bundle_id: str, token: int = 0) -> None:
        """Switches the server to a prepared bundle; `token` is as in `Candidate`."""
        with self._lock:
            self._accept(token)
            version = model_repository.version_of(self.models, bundle_id)
            if version is None or bundle_id != self._promoting:
                raise ActionableError(f"Bundle {bundle_id} was not prepared here.", "Send /prepare first.")
            server_control.go_live(self.settings, version)

    def abort(self, bundle_id: str, token: int = 0) -> None:
        """Switches back to the bundle that was live before `prepare`, and removes the prepared bundle."""
        with self._lock:
            self._accept(token)
            if bundle_id != self._promoting:
                return
            version = model_repository.version_of(self.models, bundle_id)
            if version is not None and version != self._before:
                if version == model_repository.live_version(self.models) and self._before is not None:
                    server_control.go_live(self.settings, self._before)
                if version != model_repository.live_version(self.models):
                    model_repository.remove(self.models, version)
            self._promoting = ""

    def follow(self) -> str:
        """Switches the server to the live bundle of the artifact store, unless a promotion is running.

        Afterwards only this bundle, the previous one and the candidate of a running canary are loaded and kept.

        Returns:
            The reason for doing nothing; empty if the server runs the live bundle.
        """
        with self._lock:
            artifact = self._store.current(LIVE_BUNDLE)
            if artifact is None:
                return "no bundle was promoted yet"
            live = read_record(self._store, artifact)
            candidates = self._candidates()
            if self._is_promoting and self._promoting not in (live.bundle_id, *candidates):
                return f"bundle {self._promoting} is being promoted"
            self._promoting = ""
            if server_control.answering_bundle(self.settings) != live.bundle_id:
                logger.info("switching to bundle %s, the live bundle of the artifact store", live.bundle_id)
                server_control.go_live(self.settings, self._published(Bundle.open(self._store.fetch(artifact).path)))
            if not candidates:
                server_control.unload_candidate(self.settings)
            self._keep_only_with([*live.before[:1], *candidates])
            self._converged = True
            if candidates:
                serve_candidate(self._store, self.settings)
        return ""

    def repair(self) -> str:
        """Loads models again whose process died or that were unloaded, unless a promotion is running."""
        if self._is_promoting or not self._converged:
            return ""
        with self._lock:
            models = reload_dead_models(self.settings)
        if models:
            logger.warning("Triton did not answer; loaded again: %s", ", ".join(models))
        return ""

    def _candidates(self) -> list[str]:
        """Returns the candidate of the running canary. A record that cannot be read must not end the service."""
        try:
            canary = read_canary(self._store).running
        except ActionableError as error:
            logger.warning("%s", error)
            return []
        return [] if canary is None else [canary.bundle_id]

    def _accept(self, token: int) -> None:
        if token < self._token:
            raise ActionableError(
                f"Promotion {token} has lost its lease: promotion {self._token} reached this replica.",
                "Promote the bundle again.",
            )
        self._token = token

    @property
    def _is_promoting(self) -> bool:
        return bool(self._promoting) and time.monotonic() < self._promoting_until

    def _published(self, bundle: Bundle) -> int:
        return model_repository.published(bundle, self.models, self.settings)

    def _keep_only_with(self, bundles: list[str]) -> None:
        """Deletes and unloads all versions except the live one and those of `bundles`."""
        model_repository.prune(self.models, bundles)
        # Asks the server, because an earlier unload may have failed.
        if server_control.loaded_versions(self.settings) - set(model_repository.versions(self.models)):
            server_control.load(self.settings)
        for asset in (*ASSETS, LIVE_BUNDLE):  # the repository has its own links to their files
            for partition in self._store.cached(asset):
                self._store.evict(asset, partition)


def main() -> None:
    """Serves probes and promotions, and keeps the server on the live bundle."""
    from rec_assets.serving.promotion.agent_server import agent_server

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    agent = Agent(get_settings())
    agent.start_loops()
    agent_server(agent, get_settings()).run()


if __name__ == "__main__":
    main()
