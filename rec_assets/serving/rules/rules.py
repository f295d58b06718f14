"""The rules of a shop as its owner writes them: blocks, factors, pins and caps, with optional periods."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rec_assets.common.errors import ActionableError

MOST_VALUES = 10_000  # of one list
MOST_RULES = 200  # of one kind
MOST_BYTES = 65_536  # of a file
MOST_FACTOR = 100.0
MOST_POINTS = 20
LAST_POSITION = 100
CHECK_AGAIN = "Correct the file, then run `rec rules check` again."
Id = TypeVar("Id")
Some = Annotated[list[Id], Field(max_length=MOST_VALUES)]
Attribute = Literal["brand", "margin", "stock"]


def _moment(value: Any) -> Any:
    """Returns a date, a time or an ISO 8601 text as a time with a zone; UTC if it has none. Raises ValueError."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Moment = Annotated[datetime, BeforeValidator(_moment)]
Number = Annotated[float, Field(allow_inf_nan=False)]
_STRICT = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)


class Rule(BaseModel):
    """Name and period of a rule. Without a start or an end, the period is open."""

    model_config = _STRICT
    name: Annotated[str, Field(min_length=1, max_length=100)]
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="until")

    @model_validator(mode="after")
    def _in_order(self) -> "Rule":
        if self.start and self.end and self.end <= self.start:
            raise ValueError("'until' must be after 'from'")
        return self

    def is_active(self, at: datetime) -> bool:
        """Returns True within the period; the end is excluded."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


class Selection(Rule, Generic[Id]):
    """A rule for all items that are named, or are in a named category, or are of a named brand."""

    items: Some[Id] = []
    category_l1: Some[Id] = []
    category_l2: Some[Id] = []
    brand: Some[Id] = []

    @property
    def is_empty(self) -> bool:
        """Returns True if the rule names nothing."""
        return not (self.items or self.category_l1 or self.category_l2 or self.brand)


class _NonEmpty(Selection[Id], Generic[Id]):
    @model_validator(mode="after")
    def _names_something(self) -> "_NonEmpty[Id]":
        if self.is_empty:
            raise ValueError("name 'items', 'category_l1', 'category_l2' or 'brand'")
        return self


class Block(_NonEmpty[Id], Generic[Id]):
    """Items that no list may have."""


class Boost(_NonEmpty[Id], Generic[Id]):
    """Items whose probability is multiplied by a factor above 1."""

    factor: Annotated[float, Field(gt=1, le=MOST_FACTOR)]


class Bury(_NonEmpty[Id], Generic[Id]):
    """Items whose probability is multiplied by a factor below 1."""

    factor: Annotated[float, Field(ge=0, lt=1)]


class Weigh(Rule):
    """Items whose probability is multiplied by a factor of their margin or stock.

    The factor follows straight lines between the points of `values` and `factors`; it is the first factor below the
    first value, and the last one above the last. Items without the value keep their probability.
    """

    by: Literal["margin", "stock"]
    values: Annotated[list[Number], Field(min_length=2, max_length=MOST_POINTS)]
    factors: Annotated[list[Annotated[float, Field(ge=0, le=MOST_FACTOR)]], Field(max_length=MOST_POINTS)]

    @model_validator(mode="after")
    def _has_points(self) -> "Weigh":
        if len(self.values) != len(self.factors):
            raise ValueError("'values' and 'factors' must have the same length")
        if sorted(set(self.values)) != self.values:
            raise ValueError("'values' must ascend")
        return self


class Pin(Rule, Generic[Id]):
    """An item at a position of the list, 1 is the first. With categories or brands: only in lists within them."""

    item: Id
    position: Annotated[int, Field(ge=1, le=LAST_POSITION)]
    category_l1: Some[Id] = []
    category_l2: Some[Id] = []
    brand: Some[Id] = []


class Cap(Selection[Id], Generic[Id]):
    """A list has at most this number of the selected items, or of the items of each category of a level or brand."""

    at_most: Annotated[int, Field(ge=1)]
    each: Literal["category_l1", "category_l2", "brand"] | None = None

    @model_validator(mode="after")
    def _has_one_scope(self) -> "Cap[Id]":
        if self.is_empty == (self.each is None):
            raise ValueError("give either 'each', or 'items', 'category_l1', 'category_l2' or 'brand'")
        return self


class Rules(BaseModel, Generic[Id]):
    """All rules of a shop, by kind."""

    model_config = _STRICT
    block: Annotated[list[Block[Id]], Field(max_length=MOST_RULES)] = []
    boost: Annotated[list[Boost[Id]], Field(max_length=MOST_RULES)] = []
    bury: Annotated[list[Bury[Id]], Field(max_length=MOST_RULES)] = []
    weigh: Annotated[list[Weigh], Field(max_length=MOST_RULES)] = []
    pin: Annotated[list[Pin[Id]], Field(max_length=MOST_RULES)] = []
    cap: Annotated[list[Cap[Id]], Field(max_length=MOST_RULES)] = []

    @model_validator(mode="after")
    def _has_unique_names(self) -> "Rules[Id]":
        names = [rule.name for _, rule in self.all()]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules have the name '{name}'")
        return self

    def all(self) -> Iterator[tuple[str, Rule]]:
        """Yields the kind and each rule, kind by kind."""
        for kind in KINDS:
            for rule in getattr(self, kind):
                yield kind, rule

    @property
    def read_attributes(self) -> frozenset[Attribute]:
        """Returns the attributes of items that a rule depends on."""
        brands = (getattr(rule, "brand", None) or getattr(rule, "each", None) == "brand" for _, rule in self.all())
        found: set[Attribute] = {"brand"} if any(brands) else set()
        return frozenset(found.union(rule.by for rule in self.weigh))

    def at(self, moment: datetime) -> "Rules[Id]":
        """Returns the rules that are active at a time with a zone."""
        return self.model_copy(
            update={kind: [rule for rule in getattr(self, kind) if rule.is_active(moment)] for kind in KINDS}
        )


KINDS = ("block", "boost", "bury", "weigh", "pin", "cap")


def parse_rules(text: str, file: str = "rules.toml") -> Rules[int | str]:
    """Returns the rules of a file; raises ActionableError, whose message has a line for each wrong rule.

    Args:
        text: content of the file.
        file: the file's name, for messages.
    """
    if len(text.encode()) > MOST_BYTES:
        raise ActionableError(f"{file} has more than {MOST_BYTES} bytes.", "Name categories in place of many items.")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ActionableError(f"{file} is not valid TOML: {error}.", CHECK_AGAIN) from error
    try:
        return Rules[int | str].model_validate(content)
    except ValidationError as error:
        lines = [_line(one, content, file) for one in error.errors(include_url=False, include_input=False)]
        raise ActionableError("\n".join(dict.fromkeys(lines)), CHECK_AGAIN) from None


def _line(error: Any, content: dict[str, Any], file: str) -> str:
    """Returns one sentence for an error of pydantic: file, rule, field and reason."""
    where, reason = error["loc"], error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] == "extra_forbidden":
        reason = f"is unknown, expected {', '.join(KINDS)}" if len(where) == 1 else "is not a field of this rule"
    if len(where) < 2:
        return f"{file}: {' '.join([*map(str, where), reason])}."
    kind, number, *field = where
    rule = content[kind][number]
    name = rule.get("name") if isinstance(rule, dict) else None
    shown = f"rule '{name}'" if isinstance(name, str) else f"rule {number + 1} without a name"
    return f"{file}: {shown} ({kind}): {' '.join([*map(str, field[:1]), reason])}."
