"""The AWS resources of all environments: `cdk deploy 'rec-dev-*'` creates or changes those of `dev`.

Each environment is a file of values below `environments/`. Nothing here asks AWS while it makes the templates.
"""

from pathlib import Path
from typing import Any

import aws_cdk as cdk

from stacks import environment
from stacks.alarms import Alarms
from stacks.cache import Cache
from stacks.cluster import Cluster
from stacks.database import Database
from stacks.images import Images
from stacks.network import Network
from stacks.nodes import Nodes
from stacks.roles import Roles
from stacks.storage import Storage


def build(app: cdk.App, given: environment.Environment) -> None:
    """Adds the stacks of one environment, each with its name: `rec-dev-network`, `rec-dev-storage`, …"""
    options: dict[str, Any] = {
        "env": cdk.Environment(region=given.region),
        "tags": {"project": "rec-assets", "environment": given.name},
        "termination_protection": not given.deletable,
    }
    Images(app, f"{given.prefix}-images", given, **options)
    network = Network(app, f"{given.prefix}-network", given, **options)
    storage = Storage(app, f"{given.prefix}-storage", given, **options)
    cluster = Cluster(app, f"{given.prefix}-cluster", given, network.vpc, storage.key, **options)
    nodes = Nodes(app, f"{given.prefix}-nodes", given, cluster.control_plane, **options)
    database = Database(app, f"{given.prefix}-database", given, network.vpc, cluster.security_group, **options)
    cache = Cache(app, f"{given.prefix}-cache", given, network.vpc, cluster.security_group, **options)
    Roles(app, f"{given.prefix}-roles", given, storage, cluster.control_plane, **options)
    watched = (database.instance, cache.group, nodes.queue)
    Alarms(app, f"{given.prefix}-alarms", given, *watched, cluster.control_plane, **options)


app = cdk.App(analytics_reporting=False)
for file in sorted((Path(__file__).parent / "environments").glob("*.toml")):
    build(app, environment.read(file))
app.synth()
