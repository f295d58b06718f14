"""Sources of raw days (generated retail, real groceries, own files), and the contract that all must keep."""

from rec_assets.settings import Settings
from rec_assets.sources.base import BestRanking, Source
from rec_assets.sources.contract import Checked, Report, check_interactions, check_items, check_users
from rec_assets.sources.ingest import read_day, read_items, read_users

__all__ = [
    "BestRanking",
    "Checked",
    "Report",
    "Source",
    "category_names",
    "check_interactions",
    "check_items",
    "check_users",
    "open_source",
    "read_day",
    "read_items",
    "read_users",
]


def open_source(settings: Settings) -> Source:
    """Returns the source that the settings name; raises ActionableError where it cannot be there."""
    if settings.source == "files":
        from rec_assets.sources.files import FilesSource

        return FilesSource(settings.files_location, settings.start_date)
    if settings.source == "completejourney":
        from rec_assets.sources.completejourney import CompleteJourneySource

        return CompleteJourneySource(settings.start_date, settings.days)
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


def category_names(settings: Settings) -> dict[int, str]:
    """Returns what level-1 categories are called, where the source knows it."""
    if settings.source != "retail":
        return {}
    from rec_assets.sources.retail.words import CATEGORIES

    return {code: category.name for code, category in enumerate(CATEGORIES)}
