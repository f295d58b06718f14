"""Lineage of a part, kept beside it: parts of different lineages do not belong together."""

from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.inference.lookups import Lookups

FILE = "lineage.json"
_SHORT = 12  # hex digits that a message shows


class Lineage(BaseModel):
    """The full training behind a part, and of what it made the part depends on; None where on nothing.

    Attributes:
        base: the as-of day of the full training.
        parent: the day of the checkpoint that a fine-tune goes on from.
        workflow: digest of the lookups that the training fitted: its parts read their codes.
        towers: digest of the weights of its two towers: queries and item vectors are of their space.
        codes: digest of the codes of items: a table by code is only right beside tables of the same codes.
    """

    model_config = ConfigDict(frozen=True)

    base: str
    parent: str | None = None
    workflow: str | None = None
    towers: str | None = None
    codes: str | None = None

    def write(self, folder: Path) -> "Lineage":
        """Puts itself beside a part's files."""
        (folder / FILE).write_text(self.model_dump_json(exclude_none=True) + "\n")
        return self

    @classmethod
    def read(cls, folder: Path) -> "Lineage":
        """Reads what `write` wrote; raises ActionableError where there is none."""
        try:
            return cls.model_validate_json((folder / FILE).read_text())
        except (OSError, ValidationError) as error:
            raise ActionableError(
                f"{folder} does not say what it was made from: {error}", "Materialize the asset again."
            ) from error

    def replace(self, **changes: str | None) -> "Lineage":
        """Returns a copy with other values."""
        return self.model_copy(update=changes)


def digest_of_file(file: Path) -> str:
    """Returns the SHA-256 hex digest of a file's content."""
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def codes_of(lookups: Lookups) -> str:
    """Returns the digest of which item has which code."""
    return sha256(np.ascontiguousarray(lookups.vocabularies["item_id"], np.int64).tobytes()).hexdigest()


def require_same(parts: Mapping[str, Lineage]) -> None:
    """Compares the lineages of parts by name.

    Raises:
        ActionableError: two of them depend on different workflows, towers or item codes; both are named.
    """
    for what, said in (("workflow", "the workflow"), ("towers", "the towers"), ("codes", "the item codes")):
        first: tuple[str, Lineage] | None = None
        for name, lineage in sorted(parts.items()):
            if getattr(lineage, what) is None:
                continue
            if first is None:
                first = name, lineage
            elif getattr(lineage, what) != getattr(first[1], what):
                raise ActionableError(
                    f"{_told(*first, what)}, but {_told(name, lineage, what)}: {said} must be the same.",
                    "Materialize the bundle's assets again for one day.",
                )


def _told(name: str, lineage: Lineage, what: str) -> str:
    return f"{name} has {what} {getattr(lineage, what)[:_SHORT]} of the full training of {lineage.base}"
