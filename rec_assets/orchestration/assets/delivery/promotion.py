"""Promotes a bundle to Triton. One step makes both assets, so two promotions cannot interleave."""

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
)
from pydantic import Field

from rec_assets.bundles.bundle import ASSETS
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.assets.publishing import OWNERS
from rec_assets.orchestration.declared import multi_asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.op_tags import CPU, PROMOTION_POOL
from rec_assets.orchestration.resources import Artifacts, SettingsResource

COMMON: dict[str, Any] = {
    "group_name": "serving",
    "owners": OWNERS,
    "kinds": {"triton"},
    "code_version": "1",
    "freshness_policy": WEEKLY_FRESHNESS,
}


class Promotion(Config):
    """The bundle to promote."""

    bundle: str = Field(
        "newest",
        description="A bundle id or its beginning; 'newest', the newest bundle that passed its gates; or 'previous', "
        "the bundle that was live before the live bundle.",
    )


@multi_asset(
    specs=[
        AssetSpec(
            "triton_versions",
            deps=[AssetDep(name) for name in ASSETS],
            description="Model versions in Triton: the live and the previous bundle, both loaded.",
            **COMMON,
        ),
        AssetSpec(
            "live_bundle",
            deps=[AssetDep("triton_versions")],
            description="The bundle that answers requests. A promotion loads it beside the previous bundle, tests it, "
            "switches all models at once, and tests it again. If a step fails, the previous bundle stays live.",
            **COMMON,
        ),
    ],
    op_tags=CPU,
    pool=PROMOTION_POOL,
)
def promotion(
    context: AssetExecutionContext, config: Promotion, artifacts: Artifacts, settings: SettingsResource
) -> Iterator[MaterializeResult[None]]:
    """Makes a newer or an older bundle live."""
    from rec_assets.bundles.live_record import LIVE_BUNDLE
    from rec_assets.serving.promotion.promote import promote
    from rec_assets.serving.triton import model_repository

    store, settings = artifacts.store(), settings
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
            "previous": live.before,
        },
    )
