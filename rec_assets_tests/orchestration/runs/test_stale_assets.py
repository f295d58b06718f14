"""Assets to rebuild: missing ones, and those whose last check failed."""

import dagster as dg

from rec_assets.orchestration.runs.stale_assets import out_of_date

IS_GOOD = {"rows": True}


@dg.asset
def rows() -> None: ...


@dg.asset(deps=[rows])
def model() -> None: ...


@dg.asset_check(asset=rows, blocking=True)
def rows_are_good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=IS_GOOD["rows"])


DEFS = dg.Definitions(assets=[rows, model], asset_checks=[rows_are_good])


def names(instance: dg.DagsterInstance) -> list[str]:
    return [key.to_user_string() for key in out_of_date(DEFS, instance, dg.AssetSelection.all(), [])[0]]


def materialize(instance: dg.DagsterInstance) -> bool:
    return dg.materialize([rows, model, rows_are_good], instance=instance, raise_on_error=False).success


def test_an_asset_with_a_failed_check_is_rebuilt_with_what_waits_for_it() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert names(instance) == ["rows", "model"]
        IS_GOOD["rows"] = False
        assert not materialize(instance)
        assert names(instance) == ["rows", "model"]
        IS_GOOD["rows"] = True
        assert materialize(instance)
        assert names(instance) == []
