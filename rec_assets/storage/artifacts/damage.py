"""Damaged versions and pointers of a store, and their messages. Does not find or repair damage."""

from dataclasses import dataclass

from pydantic import ValidationError

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifacts.versions import UNPARTITIONED
from rec_assets.storage.integrity import DamageError


@dataclass(frozen=True)
class Damage:
    """A damaged version or pointer.

    Attributes:
        asset: the asset's name.
        partition: the partition key, or "all".
        problem: a sentence that names the files.
        digest: digest of the version; empty for a pointer.
        is_current: True if readers get an error; False for the version before the current one.
    """

    asset: str
    partition: str
    problem: str
    digest: str = ""
    is_current: bool = True

    def error(self) -> ActionableError:
        """Returns the error for a reader."""
        where = "" if self.partition == UNPARTITIONED else f" for {self.partition}"
        return ActionableError(self.problem, f"Run `rec verify --repair`, or materialize {self.asset}{where} again.")

    @classmethod
    def of_version(
        cls, asset: str, partition: str, digest: str, where: str, error: DamageError, *, is_current: bool = True
    ) -> "Damage":
        """Returns the damage of a version; `where` is its folder or its URL."""
        return cls(asset, partition, f"{asset} [{partition}] in {where} is damaged: {error}.", digest, is_current)

    @classmethod
    def of_pointer(cls, asset: str, partition: str, file: str, error: Exception) -> "Damage":
        """Returns the damage of a pointer; `file` is its path or its URL."""
        reason = "; ".join(one["msg"] for one in error.errors()) if isinstance(error, ValidationError) else error
        return cls(asset, partition, f"The pointer {file} of {asset} [{partition}] is damaged ({reason}).")
