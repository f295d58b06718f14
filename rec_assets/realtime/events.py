"""Events of users: fields, validation, and their form in the stream."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rec_assets.features.history import MAX_ID

Kind = Literal["clicked", "bought"]
FORGET_REQUEST = "flushed"  # the kind as stored in the stream
UNKNOWN_DEVICE = -1

Id = Annotated[int, Field(ge=0, le=MAX_ID)]


class EventError(ValueError):
    """Invalid event; the message is one line."""


class Event(BaseModel):
    """An interaction or a forget request of one user.

    Attributes:
        user_id: raw id, at least 0; anonymous users have no history.
        item_id: raw id; None for a forget request.
        at: unix time of the event in seconds.
        kind: `clicked`, `bought`, or `flushed` for a forget request.
        device_type: a value of `serving.graph.request.DEVICE_TYPES`; -1 if unknown.
    """

    model_config = ConfigDict(frozen=True)

    user_id: Id
    item_id: Id | None = None
    at: Annotated[int, Field(gt=0, le=MAX_ID)]
    kind: Literal["clicked", "bought", "flushed"] = "clicked"
    device_type: Annotated[int, Field(ge=UNKNOWN_DEVICE, le=2)] = UNKNOWN_DEVICE

    @model_validator(mode="after")
    def _about_something(self) -> "Event":
        if (self.item_id is None) != (self.kind == FORGET_REQUEST):
            raise ValueError("an event names an item unless its kind is 'flushed'")
        return self

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> "Event":
        """Returns the event with these fields; raises EventError that names the first invalid field."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            given = f", not {str(first['input'])[:40]!r}" if where and first["type"] != "missing" else ""
            raise EventError(f"{where}: {first['msg']}{given}" if where else first["msg"]) from error

    @classmethod
    def parse(cls, fields: Mapping[bytes, bytes]) -> "Event":
        """Reads the fields of a stream entry; raises EventError."""
        return cls.of({name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()})

    def fields(self) -> dict[str, str | int]:
        """Returns the fields of a stream entry."""
        return self.model_dump(exclude_none=True)
