"""Watches canaries and fresh promotions of a laptop. On a cluster, Dagster's `delivery_sensor` does."""

from threading import Event

from rec_assets.common.concurrency.loop import Loop
from rec_assets.serving.triton.control import server as server_control
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store

INTERVAL_S = 10.0


def deliver(settings: Settings) -> str:
    """Looks once and promotes what must follow; returns a line about it, empty if nothing does.

    Raises:
        ActionableError: a server does not answer, or the promotion failed; a later round tries again.
    """
    from rec_assets.serving.promotion.watch import watch

    if not server_control.is_ready(settings):
        return "Triton does not answer"
    wanted = watch(open_store(settings), settings)
    if wanted is None:
        return ""
    from rec_assets.orchestration.runs.run_local import promote  # Dagster is slow to import

    promote(settings, wanted.bundle_id)
    return f"promoted {wanted.bundle_id}: {wanted.reason}"


def watch_delivery(settings: Settings, stop: Event) -> None:
    """Looks every `INTERVAL_S` until `stop` is set; no error ends it."""
    Loop("delivery", lambda: deliver(settings), INTERVAL_S, settings.home).run(stop)
