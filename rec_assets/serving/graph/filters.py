"""Filters of a request: the items that its list may have. A request carries a filter as JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any, Final, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from rec_assets.serving.graph.errors import RequestError

FILTERS: Final = "filters"
MOST_VALUES = 1_000  # of one list
MOST_BYTES = 65_536
Id = TypeVar("Id")
Some = Annotated[list[Id], Field(max_length=MOST_VALUES)]
AtLeastOne = Annotated[list[Id], Field(min_length=1, max_length=MOST_VALUES)]  # an empty list would allow no item
CONTRADICTED = ("items", "category_l1", "category_l2", "brand")  # each has a part `not_…`
Number = Annotated[int, Field(ge=-(2**31), lt=2**31)]  # of the models
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Filters(BaseModel, Generic[Id]):
    """Properties that the items of a list must have. An item must satisfy all parts; an absent part allows all items.

    Prices, categories and brands are the current ones of the catalog. An item without a price is in no price range.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    items: AtLeastOne[Id] | None = Field(None, description="Only these items.")
    not_items: Some[Id] = Field([], description="None of these items.")
    category_l1: AtLeastOne[Id] | None = Field(None, description="Only items of these level-1 categories.")
    not_category_l1: Some[Id] = Field([], description="No item of these level-1 categories.")
    category_l2: AtLeastOne[Id] | None = Field(None, description="Only items of these level-2 categories.")
    not_category_l2: Some[Id] = Field([], description="No item of these level-2 categories.")
    brand: AtLeastOne[Id] | None = Field(None, description="Only items of these brands.")
    not_brand: Some[Id] = Field([], description="No item of these brands.")
    min_price: Price | None = Field(None, description="Lowest price.")
    max_price: Price | None = Field(None, description="Highest price.")
    new_to_user: bool = Field(False, description="Only items outside the user's history and session.")

    @model_validator(mode="after")
    def _require_possible_items(self) -> Self:
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            values = {"min": self.min_price, "max": self.max_price}
            raise PydanticCustomError("price_range", "min_price {min} is above max_price {max}", values)
        for name in CONTRADICTED:
            only = getattr(self, name)
            if only is not None and set(only) <= set(getattr(self, f"not_{name}")):
                raise PydanticCustomError("contradiction", "not_{part} excludes all of {part}", {"part": name})
        return self

    def text(self) -> str:
        """Returns the filter as it travels: JSON without absent parts; empty without any part."""
        made = self.model_dump_json(exclude_defaults=True)
        return "" if made == "{}" else made


def made(**parts: Any) -> Filters[int | str]:
    """Returns a filter of some parts, with ids of the shop or of the models; raises RequestError."""
    with _request_errors():
        return Filters[int | str](**parts)


def with_numbers(**parts: Any) -> Filters[int]:
    """Returns a filter of some parts, with the numbers of the models; raises RequestError."""
    with _request_errors():
        return Filters[int](**parts)


@lru_cache(1_024)
def parse(text: str) -> Filters[Number]:
    """Returns the filter of a text of `Filters.text`, with the numbers of the models; raises RequestError."""
    with _request_errors():
        return Filters[Number].model_validate_json(text or "{}")


@lru_cache(1_024)
def _canonical(text: str) -> str:
    """Returns one and the same text for all texts of a filter; empty if it allows all items."""
    return parse(text).text()


@contextmanager
def _request_errors() -> Iterator[None]:
    """Raises the first problem that pydantic finds as a RequestError."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([FILTERS, *map(str, first["loc"])])
        raise RequestError(f"{where}: {first['msg']}") from None


def filter_texts(given: npt.ArrayLike | None, users: int) -> npt.NDArray[np.object_]:
    """Validates the filters of some users.

    Args:
        given: one text or UTF-8 bytes per user, [B] or [B, 1]; empty for no filter. None for no filters.
        users: number of users B.

    Returns:
        The texts, str [B].

    Raises:
        RequestError: the shape, a type or a filter is wrong.
    """
    texts = np.full(users, "", np.object_)
    if given is None:
        return texts
    values = np.asarray(given, np.object_)
    if values.shape not in ((users,), (users, 1)):
        raise RequestError(f"{FILTERS} must have one text per user, not shape {list(values.shape)}")
    for number, value in enumerate(values.ravel().tolist()):
        if value not in (b"", ""):
            texts[number] = _canonical(_text(value))
    return texts


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise RequestError(f"{FILTERS} must be texts, not {type(value).__name__}")
    if len(value) > MOST_BYTES:
        raise RequestError(f"{FILTERS} must have at most {MOST_BYTES} bytes, not {len(value)}")
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError:
        raise RequestError(f"{FILTERS} must be UTF-8") from None
