"""From bundles to what Triton serves: one step for both assets, so that two promotions cannot interleave."""

import json
from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetDep,
    AssetExecutionContext,
    AssetSpec,
    Config,
    DataVersion,
    Failure,
    MaterializeResult,
    multi_asset,
)
from pydantic import Field

from rec_assets.bundles.bundle import ASSETS
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.assets.publishing import OWNERS
from rec_assets.orchestration.op_tags import CPU, PROMOTION_POOL
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings

COMMON: dict[str, Any] = {"group_name": "serving", "owners": OWNERS, "kinds": {"triton"}, "code_version": "1"}


class Promotion(Config):
    """The bundle that is to go live."""

    bundle: str = Field(
        "newest",
        description="A bundle's id or how it begins, 'newest' of those that passed their gates, or 'previous', "
        "which was live before the one that is.",
    )


@multi_asset(
    specs=[
        AssetSpec(
            "triton_versions",
            deps=[AssetDep(name) for name in ASSETS],
            description="The versions of Triton's models: the live bundle and the one before it, both loaded.",
            **COMMON,
        ),
        AssetSpec(
            "live_bundle",
            deps=[AssetDep("triton_versions")],
            description="The bundle that answers: loaded beside the one before, tried, switched to as a whole, tried "
            "again. If any of it fails, the one before stays live.",
            **COMMON,
        ),
    ],
    op_tags=CPU,
    pool=PROMOTION_POOL,
)
def promotion(
    context: AssetExecutionContext, config: Promotion, artifacts: Artifacts
) -> Iterator[MaterializeResult[None]]:
    """Makes a bundle live, forwards or back."""
    from rec_assets.bundles.live_record import LIVE_BUNDLE
    from rec_assets.serving.promotion.promote import promote
    from rec_assets.serving.triton import model_repository

    store, settings = artifacts.store(), get_settings()
    try:
        live = promote(store, settings, config.bundle, context.log.info)
    except ActionableError as error:
        raise Failure(str(error), allow_retries=False) from error
    folder = model_repository.repository_path(settings)
    versions = {
        str(version): model_repository.bundle_id(folder, version) for version in model_repository.versions(folder)
    }
    with store.publish("triton_versions") as draft:
        (draft.path / "versions.json").write_text(json.dumps(versions))
    yield MaterializeResult(
        asset_key="triton_versions",
        data_version=DataVersion(draft.published.digest),
        metadata={"live": live.version, "bundles": versions, "repository": str(folder)},
    )
    yield MaterializeResult(
        asset_key="live_bundle",
        data_version=DataVersion(store.get(LIVE_BUNDLE).digest),
        metadata={
            "bundle_id": live.bundle_id,
            "as_of": live.as_of.isoformat(),
            "version": live.version,
            "promoted_at": live.promoted_at.isoformat(),
            "before": live.before,
        },
    )
