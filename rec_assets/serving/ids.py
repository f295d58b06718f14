"""Ids at the edges: outside, the texts of a shop; inside, the int32 numbers of the models.

Numbers pass unchanged. Texts are translated by the asset `id_codes`, or are numbers themselves where it is empty.
"""

import time
from collections.abc import Callable

from rec_assets.serving.graph.errors import RequestError
from rec_assets.settings import Settings
from rec_assets.sources import Codes
from rec_assets.sources.shop.codes import BRAND, CATEGORY_1, CATEGORY_2, ITEM, UNKNOWN, USER
from rec_assets.storage.artifacts.stores import open_store

__all__ = ["BRAND", "CATEGORY_1", "CATEGORY_2", "ITEM", "UNKNOWN", "USER", "Id", "Ids"]

Id = int | str
LOOK_EVERY_S = 10.0  # between two looks for codes that are newer than an unknown text


class Ids:
    """Translates ids with the current codes of the artifact store, which are read at first use."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Stores the settings of the artifact store.

        Args:
            settings: name the artifact store.
            clock: returns seconds; determines when newer codes are looked for.
        """
        self._settings = settings
        self._clock = clock
        self._looked_at = float("-inf")
        self._digest = ""
        self._numbers: dict[str, dict[str, int]] = {}
        self._texts: dict[str, dict[int, str]] = {}

    @property
    def are_texts(self) -> bool:
        """True where the shop's ids are texts; False where they are the numbers of the models."""
        self._look()
        return bool(self._numbers)

    def number(self, kind: str, given: Id) -> int:
        """Returns the number of an id, -1 for an unknown text.

        Args:
            kind: `USER`, `ITEM`, `CATEGORY_1`, `CATEGORY_2` or `BRAND`.
            given: the id as the shop writes it, or the number of the models.

        Raises:
            RequestError: a text is not a number, where all ids are numbers.
        """
        if not isinstance(given, str):
            return given
        if not self.are_texts:
            try:
                return int(given)
            except ValueError:
                raise RequestError(f"{kind} id '{given}' is not a number, as all ids of this source are") from None
        return self._numbers.get(kind, {}).get(given.strip(), UNKNOWN)

    def text(self, kind: str, number: int) -> Id:
        """Returns an id as the shop writes it; a number without a text is returned unchanged."""
        if number not in self._texts.get(kind, {}):
            self._look()
        return self._texts.get(kind, {}).get(number, number)

    def _look(self) -> None:
        """Reads the codes, if they are newer than those in memory."""
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        artifact = open_store(self._settings).find("id_codes")
        if artifact is None or artifact.digest == self._digest:
            return
        rows = [row for row in Codes.load(artifact.path).table.iter_rows() if row[1] is not None]
        kinds = {kind for kind, _, _ in rows}
        self._numbers = {kind: {value: code for k, value, code in rows if k == kind} for kind in kinds}
        self._texts = {kind: {code: value for value, code in known.items()} for kind, known in self._numbers.items()}
        self._digest = artifact.digest
