"""Keeps the state of an unfinished training, so that a later attempt can resume it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dagster import AssetExecutionContext, DagsterLogManager

from rec_assets.orchestration.assets.publishing import only
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.versions import link

UNFINISHED = "unfinished_trainings"


@dataclass(frozen=True)
class TrainingState:
    """The state file of a training, with a copy in the artifact store if the store is shared.

    The copy survives the loss of a pod with its disk.

    Attributes:
        file: the state file below the home folder; a training resumes from an existing file.
        store: the artifact store.
        log: the logger of the run.
    """

    file: Path
    store: ArtifactStore
    log: DagsterLogManager

    @classmethod
    def of(cls, context: AssetExecutionContext, store: ArtifactStore, settings: Settings, *inputs: Artifact) -> Self:
        """Opens the state of a training; downloads the state of an earlier attempt with equal inputs and settings.

        Args:
            context: the step of the training.
            store: the artifact store.
            settings: the home folder, the seed and the number of validation days.
            inputs: the input artifacts; their digests are part of the file name.
        """
        made_from = "-".join(artifact.path.name[:12] for artifact in inputs)
        name = f"{context.asset_key.path[-1]}-{only(context)}-{made_from}-{settings.seed}-{settings.valid_days}"
        file = settings.home / "unfinished" / f"{name}.npz"
        stored = store.find(UNFINISHED, file.stem) if store.shared and not file.exists() else None
        if stored is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            link(stored / file.name, file)
        return cls(file, store, context.log)

    def report(self, line: str) -> None:
        """Logs a line, and copies the state file to a shared store. Trainings call this after writing the file."""
        if self.store.shared and self.file.exists():
            with self.store.publish(UNFINISHED, self.file.stem) as draft:
                link(self.file, draft.path / self.file.name)
        self.log.info(line)

    def forget(self) -> None:
        """Removes the state after the model was published."""
        self.file.unlink(missing_ok=True)
        if self.store.shared:
            self.store.remove(UNFINISHED, self.file.stem)
