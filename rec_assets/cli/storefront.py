"""`rec storefront`: serves the demo page."""

from rec_assets.cli.console import load_settings, say


def storefront() -> None:
    """Serve the demo page, which shows the list of any user with reasons, and how clicks change the list."""
    import uvicorn

    from rec_assets.cli.local.server import LOOPBACK
    from rec_assets.common.silence import silence_deprecations
    from rec_assets.serving.triton.own_server import require_own_triton
    from rec_assets.storage.own_valkey import require_own_valkey
    from rec_assets.storefront.app import create_app

    settings = load_settings()
    require_own_triton(settings)
    require_own_valkey(settings)
    silence_deprecations()
    say(f"The storefront is at http://{LOOPBACK}:{settings.storefront_port} — Ctrl-C ends it.")
    uvicorn.run(create_app(settings), host=LOOPBACK, port=settings.storefront_port, log_level="warning")
