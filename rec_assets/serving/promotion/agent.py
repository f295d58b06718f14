"""The agent beside each Triton on a cluster: brings bundles from storage, probes, takes part in promotions.

`python -m rec_assets.serving.promotion.agent pull` fills an empty model repository before the server starts; `serve`
stays beside it. An agent whose server runs another bundle than the live one in storage switches it, unless a promotion
(`rec_assets.serving.promotion.replicas`) is under way.
"""

import logging
import sys
import threading
import time

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import LIVE_BUNDLE
from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.triton import model_repository, server_control
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.stores import open_store

FOLLOW_S = 20.0  # between two looks at what storage calls live
# A promotion that is neither recorded nor given up within this time has lost its coordinator.
PATIENCE_S = 600.0

logger = logging.getLogger(__name__)


def pull_live(settings: Settings) -> str:
    """Makes the live bundle of storage the one that a server starts with; returns its id.

    Raises:
        ActionableError: nothing was promoted yet, or storage cannot be read.
    """
    bundle = Bundle.open(open_store(settings).get(LIVE_BUNDLE).path)
    models = model_repository.repository_path(settings)
    model_repository.renew_models(models)
    version = model_repository.version_of(models, bundle.bundle_id) or model_repository.publish(
        bundle, models, settings=settings
    )
    model_repository.switch(models, version)
    return bundle.bundle_id


class Agent:
    """Requests to one replica; every method raises ActionableError with the reason where it cannot."""

    def __init__(self, settings: Settings) -> None:
        """Takes where the server and the store are; nothing is touched yet."""
        self.settings = settings
        self.models = model_repository.repository_path(settings)
        self._store: ArtifactStore = open_store(settings)
        self._lock = threading.RLock()
        self._before: int | None = None
        self._promoting_until = 0.0
        self._converged = False

    @property
    def is_ready(self) -> bool:
        """Returns whether the server answers, and has run the live bundle of the storage since the agent started."""
        return self._converged and self.answers()

    def answers(self) -> bool:
        """Returns whether every topology answers a real question."""
        try:
            server_control.probe(self.settings)
        except ActionableError as error:
            logger.warning("%s", error)
            return False
        return True

    def live(self) -> str:
        """Returns the id of the bundle that answers."""
        return server_control.live_bundle_id(self.settings)

    def prepare(self, candidate: Candidate) -> None:
        """Brings a bundle beside the live one and rehearses it; the live one serves on."""
        with self._lock:
            self._promoting_until = time.monotonic() + PATIENCE_S
            self._before = model_repository.live_version(self.models)
            bundle = Bundle.open(self._store.get(candidate.asset, candidate.partition).path, verify=True)
            if bundle.bundle_id != candidate.bundle_id:
                raise ActionableError(
                    f"{candidate.asset} [{candidate.partition}] is bundle {bundle.bundle_id}, not "
                    f"{candidate.bundle_id}.",
                    "It was built anew meanwhile: promote what is there now.",
                )
            version = self._published(bundle)
            server_control.smoke_test_version(self.settings, version)

    def commit(self, bundle_id: str) -> None:
        """Makes a prepared bundle live."""
        with self._lock:
            version = model_repository.version_of(self.models, bundle_id)
            if version is None:
                raise ActionableError(f"Bundle {bundle_id} was not prepared here.", "Prepare it first.")
            server_control.go_live(self.settings, version)

    def abort(self, bundle_id: str) -> None:
        """Goes back to what was live before `prepare`, and forgets the prepared bundle."""
        with self._lock:
            version = model_repository.version_of(self.models, bundle_id)
            if version is not None and version != self._before:
                if version == model_repository.live_version(self.models) and self._before is not None:
                    server_control.go_live(self.settings, self._before)
                if version != model_repository.live_version(self.models):
                    model_repository.remove(self.models, version)
            self._promoting_until = 0.0

    def follow(self) -> None:
        """Makes live what storage calls live, unless a promotion is under way."""
        with self._lock:
            bundle = Bundle.open(self._store.get(LIVE_BUNDLE).path)
            if bundle.bundle_id == self.live():
                self._promoting_until = 0.0
                self._converged = True
            elif time.monotonic() >= self._promoting_until:
                logger.info("storage calls bundle %s live: switching to it", bundle.bundle_id)
                server_control.go_live(self.settings, self._published(bundle))
                model_repository.prune(self.models, [])
                self._converged = True

    def follow_for_ever(self) -> None:
        """Follows storage every `FOLLOW_S`; a failure is logged and tried again."""
        while True:
            try:
                self.follow()
            except ActionableError as error:
                logger.warning("%s", error)
            # Until the first success often: the pod is not ready before.
            time.sleep(FOLLOW_S if self._converged else 1.0)

    def _published(self, bundle: Bundle) -> int:
        known = model_repository.version_of(self.models, bundle.bundle_id)
        return known or model_repository.publish(bundle, self.models, settings=self.settings)


def main() -> None:
    """Runs `pull` or `serve`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if sys.argv[1:] == ["pull"]:
        logger.info("starting with bundle %s", pull_live(get_settings()))
    elif sys.argv[1:] == ["serve"]:
        from rec_assets.serving.promotion.agent_server import serve

        agent = Agent(get_settings())
        threading.Thread(target=agent.follow_for_ever, daemon=True).start()
        serve(agent, get_settings())
    else:
        raise SystemExit("usage: python -m rec_assets.serving.promotion.agent pull | serve")


if __name__ == "__main__":
    main()
