"""The size of Valkey by its number of users."""

USER_BYTES = 20_000  # features, 400 recent items, seen filter and preferences of one active user
# Share of memory for data. ElastiCache reserves a quarter for snapshots and fail-overs; the rest is for the stream.
FILLED = 0.6
# Node type → memory in GiB, from small to large.
SIZES = {
    "cache.t4g.small": 1.37,
    "cache.t4g.medium": 3.09,
    "cache.r7g.large": 13.07,
    "cache.r7g.xlarge": 26.32,
    "cache.r7g.2xlarge": 52.82,
    "cache.r7g.4xlarge": 105.81,
    "cache.r7g.8xlarge": 209.55,
    "cache.r7g.16xlarge": 419.09,
}


def node_names(shards: int, copies: int) -> list[str]:
    """Returns the ends of ElastiCache's names of nodes; in cluster mode they begin with the shard."""
    nodes = [f"{copy + 1:03}" for copy in range(copies)]
    return nodes if shards == 1 else [f"{shard + 1:04}-{node}" for shard in range(shards) for node in nodes]


def node_for(users: int) -> str:
    """Returns the smallest node type that holds the state of so many users.

    Raises:
        ValueError: one node is too small.
    """
    for size, memory in SIZES.items():
        if users * USER_BYTES <= memory * 2**30 * FILLED:
            return size
    raise ValueError(f"users is too large for one shard of Valkey ({users}). Raise valkey_shards (docs/scaling.md).")
