"""People who were forgotten, and the filter that keeps them out of everything that is imported again.

A person is recorded by code. An id that is a text also has a salted hash, because the shop's files still have the text.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from rec_assets.sources.base import BestRanking, Source
from rec_assets.sources.images.found import ImageReport, Progress

FILE = "forgotten.json"  # in the asset id_codes


class Person(BaseModel):
    """A forgotten person.

    Attributes:
        code: the retired number.
        digest: salted hash of the id as a text; empty where ids are numbers.
        at: unix second of the deletion. A text that appears again later is a new person.
    """

    model_config = ConfigDict(frozen=True)

    code: int
    digest: str = ""
    at: int


class _File(BaseModel):
    salt: str = ""
    people: list[Person] = []


@dataclass(frozen=True)
class Forgotten:
    """All forgotten people of a home.

    Attributes:
        salt: random text before each id in a hash; empty before the first person.
        people: the people, in the order of their deletion.
    """

    salt: str = ""
    people: tuple[Person, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.people)

    @property
    def codes(self) -> list[int]:
        """Returns the retired numbers."""
        return [person.code for person in self.people]

    @property
    def hidden(self) -> pl.DataFrame:
        """Returns columns digest and at (unix seconds, the latest) of the people whose ids are texts."""
        rows = [(person.digest, person.at) for person in self.people if person.digest]
        frame = pl.DataFrame(rows, schema={"digest": pl.String, "at": pl.Int64}, orient="row")
        return frame.group_by("digest", maintain_order=True).agg(pl.col("at").max())

    def digest(self, text: str) -> str:
        """Returns the salted hash of an id, as DuckDB's `sha256(salt || id)`."""
        return hashlib.sha256((self.salt + text).encode()).hexdigest()

    def hides(self, texts: pl.Series) -> pl.Series:
        """Returns whether each text [n] is the id of a forgotten person; bool [n]."""
        digests = set(self.hidden["digest"])
        return pl.Series([text is not None and self.digest(text) in digests for text in texts], dtype=pl.Boolean)

    @property
    def version(self) -> str:
        """Returns the end of the name of a cache of rows; empty without hidden people."""
        people = self.hidden.rows()
        return f"-{hashlib.sha256(repr(people).encode()).hexdigest()[:8]}" if people else ""

    def stays(self, user: str, time: str) -> str:
        """Returns SQL that is false for rows of hidden people up to their deletion.

        Args:
            user: SQL of the id as text.
            time: SQL of the unix second.
        """
        cases = " ".join(f"WHEN '{digest}' THEN {time} > {at}" for digest, at in self.hidden.rows())
        return f"CASE sha256('{self.salt}' || {user}) {cases} ELSE TRUE END" if cases else "TRUE"

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Returns the rows whose user_id is not retired; the frame itself if all stay."""
        return rows.filter(~pl.col("user_id").is_in(self.codes)) if self and "user_id" in rows.columns else rows

    def with_person(self, code: int, text: str | None, at: int) -> "Forgotten":
        """Returns these people and one more; a code that is retired already changes nothing.

        Args:
            code: the number of the person.
            text: the id where ids are texts.
            at: unix second of the deletion.
        """
        if code in self.codes:
            return self
        salted = self if self.salt else replace(self, salt=secrets.token_hex(16))
        person = Person(code=code, digest="" if text is None else salted.digest(text), at=at)
        return replace(salted, people=(*self.people, person))

    def save(self, folder: Path) -> None:
        """Writes `forgotten.json`, unless nobody was forgotten."""
        if self:
            (folder / FILE).write_text(_File(salt=self.salt, people=list(self.people)).model_dump_json() + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Forgotten":
        """Reads a folder written by `save`."""
        file = folder / FILE
        if not file.exists():
            return cls()
        content = _File.model_validate_json(file.read_bytes())
        return cls(content.salt, tuple(content.people))


@dataclass(frozen=True)
class WithoutForgotten:
    """A source whose ids are numbers, without the users and the interactions of forgotten people."""

    source: Source
    forgotten: Forgotten

    @property
    def best_ranking(self) -> BestRanking | None:
        """See `Source`."""
        return self.source.best_ranking

    def location(self, name: str) -> str:
        """See `Source`."""
        return self.source.location(name)

    def interactions(self, day: date) -> pl.DataFrame:
        """See `Source`."""
        return self.forgotten.without(self.source.interactions(day))

    def items(self) -> pl.DataFrame:
        """See `Source`."""
        return self.source.items()

    def users(self) -> pl.DataFrame:
        """See `Source`."""
        return self.forgotten.without(self.source.users())

    def write_images(self, folder: Path, progress: Progress | None = None) -> ImageReport:
        """See `Source`."""
        return self.source.write_images(folder, progress)
