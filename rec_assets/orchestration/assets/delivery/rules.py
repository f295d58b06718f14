"""The rules of the shop in the lineage. `rec rules set` publishes their versions."""

from dagster import AssetExecutionContext, DataVersion, Failure, MaterializeResult, MetadataValue

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.assets.publishing import OWNERS
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.resources import Artifacts, SettingsResource


@asset(
    group_name="serving",
    owners=OWNERS,
    op_tags=CPU,
    code_version="1",
    kinds={"redis"},
    freshness_policy=WEEKLY_FRESHNESS,
    deps=["id_codes", "raw_items"],
)
def shop_rules(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource
) -> MaterializeResult[None]:
    """The rules of the shop: blocks, boosts, pins and caps, as `rec rules set` and the storefront publish them.

    Sends the current version to Valkey again, so a Valkey that lost its data has the rules. Writes no artifact.
    """
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.storage.valkey.own_server import require_own_valkey

    try:
        require_own_valkey(settings)
        current = ShopRules(settings).apply()
    except ActionableError as error:
        raise Failure(str(error), allow_retries=False) from error
    artifact = artifacts.store().current(context.asset_key.path[-1])
    return MaterializeResult(
        data_version=DataVersion("none" if artifact is None else artifact.digest),
        metadata={
            "version": current.number,
            "by": current.by,
            "at": current.at.isoformat(),
            "rules": MetadataValue.md(f"```toml\n{current.text}\n```"),
        },
    )
