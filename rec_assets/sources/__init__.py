"""Where raw days come from (generated retail, or files of one's own), and the contract that all of it must keep."""

from rec_assets.settings import Settings
from rec_assets.sources.base import BestRanking, Source
from rec_assets.sources.contract import Checked, Report, check_interactions, check_items, check_users
from rec_assets.sources.ingest import read_day, read_items, read_users

__all__ = [
    "BestRanking",
    "Checked",
    "Report",
    "Source",
    "check_interactions",
    "check_items",
    "check_users",
    "open_source",
    "read_day",
    "read_items",
    "read_users",
]


def open_source(settings: Settings) -> Source:
    """Returns the source that the settings name; raises ActionableError where its location is missing or empty."""
    if settings.source == "files":
        from rec_assets.sources.files import FilesSource

        return FilesSource(settings.files_location, settings.start_date)
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
