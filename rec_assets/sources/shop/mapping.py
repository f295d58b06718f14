"""The mapping file of a shop (`shop.toml`): which files and columns hold interactions, items and users."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rec_assets.common.errors import ActionableError
from rec_assets.common.mapping_defaults import SHOP_NAME
from rec_assets.sources.images.pattern import mistake_in
from rec_assets.sources.roles import HISTORY, SEEN, TARGET

FILE = "shop.toml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rows(_Part):
    """Origin of a table.

    Attributes:
        files: file, folder or glob, relative to the mapping file, or an address such as s3://bucket/orders.
        query: SQL that DuckDB runs in place of `files`; paths in it are relative to the mapping file, and
            `getvariable('first_day')` and `getvariable('last_day')` are the days of the shop.
        database: address of a Postgres database that runs `query`, such as postgresql://reader@db.example/shop.
        columns: names of the columns, for text files without a header line.
        unfold: column of lists of objects, such as the lines of an order; each element is a row with columns such as
            `items.sku`.
        where: SQL condition on the raw columns; other rows are dropped and counted.
    """

    files: str = ""
    columns: tuple[str, ...] = ()
    unfold: str = ""
    query: str = ""
    database: str = ""
    where: str = ""

    @model_validator(mode="after")
    def _query_of_the_database(self) -> Self:
        if self.database and not self.query:
            raise ValueError("`database` is given, but no `query`")
        if self.unfold and not self.files:
            raise ValueError("`unfold` is for `files`; a `query` calls unnest() itself")
        if self.columns and not self.files:
            raise ValueError("`columns` is for `files`; a `query` names its columns itself")
        if self.database and not self.database.startswith(("postgresql://", "postgres://")):
            raise ValueError("`database` must be an address such as postgresql://reader@db.example/shop")
        return self

    @property
    def is_given(self) -> bool:
        """True where the table exists."""
        return bool(self.files or self.query)


class Interactions(Rows):
    """Columns of interactions; empty names are absent columns.

    Attributes:
        user, item, time: required columns.
        time_of_day: column of clock times, such as 13:05 or 1305, where `time` is a date only.
        time_format: strptime format; empty: ISO text, a timestamp, or seconds to nanoseconds since 1970.
        device: column of device names or codes.
        price: column of the paid price; the median of an item's rows is its price where its table has none.
        quantity: column of quantities; rows with a number of 0 or less are dropped as returns.
        event: column of event types, such as view, cart and purchase.
        events: event types that teach: rows of trainings and hits in evaluations; empty: all without another role.
        history_events: event types that models read as history only.
        seen_events: event types that only filter: the item leaves the user's lists for REC_SEEN_DAYS days.
        rating: column of ratings.
        rating_at_least: smallest rating that counts as liked.
        low_ratings: role of rows with a smaller rating; rows without a number as rating are dropped.
    """

    user: str
    item: str
    time: str
    time_of_day: str = ""
    time_format: str = ""
    device: str = ""
    price: str = ""
    quantity: str = ""
    event: str = ""
    events: tuple[str, ...] = ()
    history_events: tuple[str, ...] = ()
    seen_events: tuple[str, ...] = ()
    rating: str = ""
    rating_at_least: float = 0
    low_ratings: Literal["dropped", "history", "seen"] = "dropped"

    @model_validator(mode="after")
    def _one_role_each(self) -> "Interactions":
        named = (*self.events, *self.history_events, *self.seen_events)
        if named and not self.event:
            raise ValueError("event types are given, but no column `event`")
        if twice := sorted({one for one in named if named.count(one) > 1}):
            raise ValueError(f"event types with two roles: {', '.join(twice)}")
        return self

    @property
    def role_events(self) -> dict[int, tuple[str, ...]]:
        """Returns the named event types by role."""
        return {TARGET: self.events, HISTORY: self.history_events, SEEN: self.seen_events}


class Items(Rows):
    """Columns of items; without `files` they are columns of the interactions.

    Attributes:
        item: column of ids; empty: the column of the interactions.
        title, description, price, gender: columns of those.
        title_in_text: True if the text that the encoder reads begins with the title.
        categories: columns from coarse to fine, at most two are used.
        category_separator: splits one category column into levels, such as ">" for "Home > Kitchen".
        images: folder with images named by item id; or a path or an http(s) address with `{item}` in place of the id,
            such as photos/{item}/main.*; or, with `image`, the folder or address that its paths start from.
        image: column with the path or http(s) address of an image; of several in a cell the first is taken.
        first_day: column of the arrival date.
        available: column that says whether an item can be shown: yes or no, a state, or a stock above 0.
        brand, margin, stock: columns that no model reads; filters and rules of the shop do.
    """

    item: str = ""
    title: str = ""
    description: str = ""
    title_in_text: bool = True
    price: str = ""
    categories: tuple[str, ...] = ()
    category_separator: str = ""
    gender: str = ""
    images: str = ""
    image: str = ""
    first_day: str = ""
    available: str = ""
    brand: str = ""
    margin: str = ""
    stock: str = ""

    @model_validator(mode="after")
    def _usable_images(self) -> Self:
        if mistake := mistake_in(self.images, has_column=bool(self.image)):
            raise ValueError(mistake)
        return self

    @property
    def has_images(self) -> bool:
        """True where the mapping names images."""
        return bool(self.images or self.image)


class Users(Rows):
    """Columns of users; without `files` they are columns of the interactions."""

    user: str = ""
    age: str = ""
    birth_year: str = ""
    gender: str = ""


class Days(_Part):
    """Daily partitions: the first day, their number (0: up to yesterday), and the windows of a full training."""

    first: date
    count: int = Field(0, ge=0)
    train: int = Field(ge=1)
    valid: int = Field(ge=1)

    @property
    def last(self) -> date:
        """The last day; without a number, yesterday (UTC)."""
        if self.count:
            return self.first + timedelta(days=self.count - 1)
        return max(datetime.now(UTC).date() - timedelta(days=1), self.first)


class Shop(_Part):
    """A mapping file.

    Attributes:
        name: name of the shop; its state lies in a folder of this name.
        timezone: zone of times without one. A day is a UTC day.
        seen_filter: default of REC_SEEN_FILTER for this shop.
        clicks_teach: default of REC_CLICKS_TEACH; false where views are history only.
    """

    name: str = Field(pattern=f"^{SHOP_NAME}$")
    timezone: str = "UTC"
    seen_filter: Literal["clicked", "bought", "marked", "nothing"] = "clicked"
    clicks_teach: bool = True
    days: Days
    interactions: Interactions
    items: Items = Items()
    users: Users = Users()

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"'{name}' is no time zone; write one like Europe/London")
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)


def load_shop(file: Path) -> Shop:
    """Reads a mapping file.

    Raises:
        ActionableError: the file is missing, is not TOML, or has an unknown or invalid entry.
    """
    try:
        return Shop.model_validate(tomllib.loads(file.read_text()))
    except FileNotFoundError as error:
        raise ActionableError(f"{file} does not exist.", "Run `rec init FOLDER` to write a first mapping.") from error
    except OSError as error:
        raise ActionableError(f"{file} cannot be read ({error.strerror}).", "Write a mapping file there.") from error
    except tomllib.TOMLDecodeError as error:
        raise ActionableError(f"{file} is not valid TOML ({error}).", "Correct this line.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ActionableError(f"{file} has invalid entries ({problems}).", "Correct these entries.") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, or endless nesting
        raise ActionableError(f"{file} is not a text in TOML ({error}).", "Write it again as plain text.") from error
