"""Ids on the command line: a shop's own texts, or numbers for a source whose ids are numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from rec_assets.common.errors import ActionableError

if TYPE_CHECKING:
    from rec_assets.settings import Settings
    from rec_assets.sources import Codes

ANONYMOUS = -1


@dataclass(frozen=True)
class Ids:
    """Translates ids between a person and the models.

    Attributes:
        codes: codes of the shop's ids; empty if ids are numbers.
    """

    codes: "Codes"

    @classmethod
    def of(cls, settings: "Settings") -> "Ids":
        """Reads the codes of the artifact store."""
        from rec_assets.sources import Codes
        from rec_assets.storage.stores import open_store

        artifact = open_store(settings).find("id_codes")
        return cls(Codes.empty() if artifact is None else Codes.load(artifact.path))

    def user(self, text: str) -> int:
        """Returns the number of a user; an unknown text is an anonymous user."""
        return _number("User", text) if self.codes.is_empty else self._code("user", text)

    def item(self, text: str) -> int:
        """Returns the number of an item; raises ActionableError for an unknown text."""
        if self.codes.is_empty:
            return _number("Item", text)
        code = self._code("item", text)
        if code < 0:
            raise ActionableError(f"Item '{text}' is unknown.", "Use an id of the catalog.")
        return code

    def user_text(self, user: int) -> int | str:
        """Returns the id of a user as the shop writes it."""
        return self._text("user", user)

    def item_text(self, item: int) -> int | str:
        """Returns the id of an item as the shop writes it."""
        return self._text("item", item)

    def _code(self, kind: str, text: str) -> int:
        import polars as pl

        return int(self.codes.encode(kind, pl.Series([text], dtype=pl.String))[0])

    def _text(self, kind: str, number: int) -> int | str:
        import polars as pl

        text = None if self.codes.is_empty else self.codes.decode(kind, pl.Series([number], dtype=pl.Int32))[0]
        return number if text is None else str(text)


def _number(kind: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{kind} id '{text}' is not a number, as all ids of this source are.") from None
