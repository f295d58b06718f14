"""One version of one asset, as the artifact store returns it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from rec_assets.common.errors import ActionableError

_NAME = re.compile(r"[\w=+-][\w.=+-]*")  # of an asset or a partition; no separator, so a path stays below the root

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Artifact:
    """One version of one partition of one asset.

    Attributes:
        asset: the asset's name.
        partition: the partition key, or "all".
        digest: hex digest of names and contents of all files.
        path: the directory that holds the files.
        run: id of the run that published it; empty if not given.
    """

    asset: str
    partition: str
    digest: str
    path: Path
    run: str = field(default="", compare=False)

    def __truediv__(self, name: str) -> Path:
        """Returns the path of a file of this version; raises ActionableError if the file is missing."""
        file = self.path / name
        if not file.exists():
            raise ActionableError(
                f"{self.asset} [{self.partition}] has no file '{name}' in {self.path}.",
                f"Materialize {self.asset} for {self.partition} again.",
            )
        return file


class Pointer(BaseModel):
    """Content of a pointer: the digest of the current version, and the run that published it."""

    model_config = ConfigDict(frozen=True)

    digest: Digest
    run: str = ""


@dataclass
class Draft:
    """An unpublished version: fill `path`; after the `with` block `artifact` is the published version."""

    path: Path
    artifact: Artifact | None = None

    @property
    def published(self) -> Artifact:
        """Returns the published version; raises RuntimeError inside the `with` block."""
        if self.artifact is None:
            raise RuntimeError("The draft is not published yet. Leave the `with` block first.")
        return self.artifact


def require_names(*names: str) -> None:
    """Raises ActionableError for a name that no asset and no partition may have."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise ActionableError(
                f"'{name}' is not the name of an asset or a partition.", "Use letters, digits and '.', '-', '_'."
            )


def require_replaced(artifact: Artifact, replaces: str, current: str) -> None:
    """Raises ActionableError if another version than `replaces` is current; both are digests, or "" for none."""
    if current != replaces:
        raise ActionableError(
            f"{artifact.asset} [{artifact.partition}] was published by another process meanwhile.",
            "Run this process again, so that it starts from that version.",
        )
