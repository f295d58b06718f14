"""Prints the specs of all assets as JSON. With --write, replaces the snapshot that the tests compare with.

.venv/bin/python -m rec_assets_tests.orchestration.asset_specs --write
"""

import json
import sys
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).with_suffix(".json")


def specs() -> dict[str, dict[str, Any]]:
    """Returns the specs of the code location by asset."""
    from rec_assets.orchestration.build import build_defs
    from rec_assets.settings import Settings

    defs = build_defs(Settings())
    graph = defs.resolve_asset_graph()
    by_asset: dict[str, dict[str, Any]] = {}
    for key in sorted(graph.get_all_asset_keys()):
        node, assets_def = graph.get(key), defs.get_assets_def(key)
        spec = next(one for one in assets_def.specs if one.key == key)
        by_asset[key.to_user_string()] = {
            "group": spec.group_name,
            "owners": list(spec.owners),
            "kinds": sorted(spec.kinds),
            "code_version": spec.code_version,
            "partitions": type(node.partitions_def).__name__ if node.partitions_def else None,
            "backfill_policy": str(node.backfill_policy) if node.backfill_policy else None,
            "pool": assets_def.op.pool,
            "freshness_policy": type(spec.freshness_policy).__name__ if spec.freshness_policy else None,
            "deps": {
                dep.asset_key.to_user_string(): str(dep.partition_mapping) if dep.partition_mapping else None
                for dep in sorted(spec.deps, key=lambda dep: dep.asset_key)
            },
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
    return by_asset


def as_text() -> str:
    """Returns the specs in the format of the snapshot."""
    return json.dumps(specs(), indent=2) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        SNAPSHOT.write_text(as_text())
    else:
        print(as_text(), end="")
