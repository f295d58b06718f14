"""`rec storefront`: the page to try the shop on."""

from rec_assets.cli.console import load_settings, say


def storefront() -> None:
    """Serve a page on which one tries the shop: choose who asks, see the list and why, click, watch it shift."""
    import uvicorn

    from rec_assets.cli.local.server import LOOPBACK
    from rec_assets.common.silence import silence_deprecations
    from rec_assets.storefront.app import create_app

    settings = load_settings()
    silence_deprecations()
    say(f"The storefront is at http://{LOOPBACK}:{settings.storefront_port} — Ctrl-C ends it.")
    uvicorn.run(create_app(settings), host=LOOPBACK, port=settings.storefront_port, log_level="warning")
