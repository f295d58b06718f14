"""The state of a training that is not through, from epoch to epoch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dagster import AssetExecutionContext, DagsterLogManager

from rec_assets.orchestration.assets.publishing import only
from rec_assets.settings import get_settings
from rec_assets.storage.artifact_store import Artifact, ArtifactStore, link

UNFINISHED = "unfinished_trainings"


@dataclass(frozen=True)
class Unfinished:
    """A file below home and, where artifacts are kept in a bucket, there too: a pod that is lost takes its disk along.

    Attributes:
        file: where a training keeps its state, and finds one to go on from.
        store: the artifact store.
        log: where lines of the training go.
    """

    file: Path
    store: ArtifactStore
    log: DagsterLogManager

    @classmethod
    def of(cls, context: AssetExecutionContext, store: ArtifactStore, *inputs: Artifact) -> Self:
        """Finds the state of a training of the same inputs and settings, which an attempt before this one left."""
        settings = get_settings()
        made_from = "-".join(artifact.path.name[:12] for artifact in inputs)
        name = f"{context.asset_key.path[-1]}-{only(context)}-{made_from}-{settings.seed}-{settings.valid_days}"
        file = settings.home / "unfinished" / f"{name}.npz"
        found = store.find(UNFINISHED, file.stem) if store.shared and not file.exists() else None
        if found is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            link(found / file.name, file)
        return cls(file, store, context.log)

    def report(self, line: str) -> None:
        """Tells a line, which a training does once its state is kept; the state goes where other pods find it."""
        if self.store.shared and self.file.exists():
            with self.store.publish(UNFINISHED, self.file.stem) as draft:
                link(self.file, draft.path / self.file.name)
        self.log.info(line)

    def forget(self) -> None:
        """Removes the state: what was trained is published."""
        self.file.unlink(missing_ok=True)
        if self.store.shared:
            self.store.remove(UNFINISHED, self.file.stem)
