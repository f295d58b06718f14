"""`rec prune`: deletes artifacts of old days."""

from typing import Annotated

import typer

from rec_assets.cli.console import load_settings, print_table, say


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
) -> None:
    """Delete artifacts of days before the newest REC_KEEP_DAYS, except raw days, evaluations and served bundles."""
    from collections import Counter

    from rec_assets.serving.promotion import retention
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    store = open_store(settings)
    if not settings.keep_days:
        say("All days are kept: REC_KEEP_DAYS is 0. Set it to the number of newest days to keep.")
        return
    if dry_run:
        days = Counter(asset for asset, _ in retention.expired_partitions(store, settings))
    else:
        days = retention.delete_expired(store, settings)
    if not days:
        say(f"Nothing is older than the {settings.keep_days} days that are kept.")
        return
    rows = [(asset, str(count)) for asset, count in sorted(days.items())]
    print_table("Would be deleted" if dry_run else "Deleted", {"asset": False, "days": True}, rows)
