"""Raw data of the source, checked against the contract of `rec_assets.sources.contract`."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    MaterializeResult,
)

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.assets.publishing import OWNERS, progress_logger, publish
from rec_assets.orchestration.assets.upstream import UpstreamStore
from rec_assets.orchestration.declared import FromSettings, asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import histogram, preview, text_bars
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, parallel_backfill
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources import (
    Codes,
    data_version,
    open_source,
    read_day,
    read_items,
    read_users,
    require_known_items,
    shop_source,
)
from rec_assets.sources.base import RAW_INTERACTIONS, RAW_ITEMS, RAW_USERS
from rec_assets.sources.images.found import ImageReport
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.versions import UNPARTITIONED
from rec_assets.storage.frames import write_frame


def code_version(version: int) -> FromSettings[str]:
    """Returns a code version with the source and its sizes, so raw assets become stale when the source changes."""
    return FromSettings(lambda settings: f"{version}-{data_version(settings)}")


IMAGES_CHECK = "images_are_found"
COMMON: dict[str, Any] = {"group_name": "raw", "owners": OWNERS, "op_tags": CPU, "code_version": code_version(1)}


@asset(**COMMON, freshness_policy=WEEKLY_FRESHNESS, kinds={"parquet"})
def id_codes(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource
) -> MaterializeResult[None]:
    """Codes of users, items and categories whose ids are texts; a value keeps its code. Empty if all are numbers.

    Also the people who were deleted, whom the raw assets leave out.
    """
    codes = _earlier_codes(UpstreamStore.of(context, artifacts))

    def write(out: Path, _: str) -> dict[str, Any]:
        found = shop_source(settings, codes).identifiers() if settings.has_mapping else {}
        grown = codes.extended(found)
        grown.save(out)
        sizes = {f"{kind} ids": found[kind].n_unique() for kind in found}
        return {"codes": grown.table.height, "new_codes": grown.table.height - codes.table.height, **sizes}

    return publish(context, artifacts, write)


def _earlier_codes(store: UpstreamStore) -> Codes:
    """Reads the codes that ids have; raises ActionableError if they are damaged, because no run can make them again."""
    try:
        earlier = store.find("id_codes", UNPARTITIONED)
    except ActionableError as error:
        raise ActionableError(
            error.problem, "Restore it from a backup. To give all ids new numbers, delete the home folder instead."
        ) from error
    return Codes.empty() if earlier is None else Codes.load(earlier.path)


@asset(
    **{**COMMON, "code_version": code_version(2)},
    freshness_policy=WEEKLY_FRESHNESS,
    kinds={"parquet"},
    check_specs=[AssetCheckSpec(IMAGES_CHECK, asset="raw_items", description="Every named image is found.")],
)
def raw_items(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, id_codes: Artifact
) -> MaterializeResult:  # type: ignore[type-arg] # Dagster refuses MaterializeResult[None] beside checks
    """The catalog: titles, descriptions, prices, categories, gender affinity and images."""
    codes = Codes.load(id_codes.path)
    source = open_source(settings, codes)
    report = ImageReport(0)

    def write(out: Path, _: str) -> dict[str, Any]:
        nonlocal report
        checked = read_items(source)
        items = checked.frame
        write_frame(items, out / RAW_ITEMS)
        (out / "item_images").mkdir()
        prices = items["price"].drop_nulls().to_list()
        report = source.write_images(out / "item_images", progress_logger(context, "requested images"))
        return {
            **checked.report.as_dict(),
            **report.as_dict(),
            "missing_images": items.height - report.written,
            "categories": items["category_l1"].n_unique(),
            "styles": items["category_l2"].n_unique(),
            "preview": preview(codes.with_texts(items.head())),
            **({"prices": histogram(prices, "price", "Prices")} if prices else {}),
        }

    result = publish(context, artifacts, write)
    return MaterializeResult(data_version=result.data_version, check_results=[_images_check(report)])


def _images_check(report: ImageReport) -> AssetCheckResult:
    """Returns the check of named images; a failure warns, and blocks nothing."""
    step = "Correct their paths or addresses; until then, models know these items without an image"
    failed = f"{len(report.failures):,} images cannot be used ({'; '.join(report.examples)}). {step}"
    return AssetCheckResult(
        check_name=IMAGES_CHECK,
        passed=not report.failures,
        severity=AssetCheckSeverity.WARN,
        description=failed if report.failures else "Every image that the shop names is found",
    )


@asset(**COMMON, freshness_policy=WEEKLY_FRESHNESS, kinds={"parquet"})
def raw_users(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, id_codes: Artifact
) -> MaterializeResult[None]:
    """All users with an account: age and gender if known."""
    codes = Codes.load(id_codes.path)
    source = open_source(settings, codes)

    def write(out: Path, _: str) -> dict[str, Any]:
        checked = read_users(source)
        write_frame(checked.frame, out / RAW_USERS)
        unknown = checked.frame["age"].null_count()
        return {
            **checked.report.as_dict(),
            "unknown_age": unknown,
            "preview": preview(codes.with_texts(checked.frame.head())),
        }

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"parquet"}, partitions_def=daily, backfill_policy=parallel_backfill)
def raw_interactions(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_items: Artifact,
    raw_users: Artifact,
    id_codes: Artifact,
) -> MaterializeResult[None]:
    """Interactions of one UTC day, checked for types, ranges, dates, duplicates, unknown items and users."""
    codes = Codes.load(id_codes.path)
    source = open_source(settings, codes)
    items = pl.read_parquet(raw_items / RAW_ITEMS, columns=["item_id"])["item_id"]
    users = pl.read_parquet(raw_users / RAW_USERS, columns=["user_id"])["user_id"]

    def write(out: Path, day: str) -> dict[str, Any]:
        checked = read_day(source, date.fromisoformat(day), items, users)
        require_known_items(checked.report, source.location(day), settings.max_unknown_share)
        write_frame(checked.frame, out / RAW_INTERACTIONS)
        hours = np.bincount(checked.frame["timestamp"].to_numpy() // 3600 % 24, minlength=24).tolist()
        return {
            **checked.report.as_dict(),
            "preview": preview(codes.with_texts(checked.frame.head())),
            **({"hours": text_bars(hours)} if any(hours) else {"empty_day": True}),
        }

    return publish(context, artifacts, write)
