"""`rec storefront`: serves the demo page."""

from rec_assets.cli.console import load_settings, say


def storefront() -> None:
    """Serve the demo page, which shows the list of any user with reasons, and how clicks change the list."""
    from rec_assets.common.silence import silence_deprecations
    from rec_assets.storage.valkey.own_server import require_own_valkey
    from rec_assets.storefront.app import storefront_server

    settings = load_settings()
    require_own_valkey(settings)
    silence_deprecations()
    say(f"The storefront is at http://{settings.storefront_address}:{settings.storefront_port} — Ctrl-C ends it.")
    storefront_server(settings).run()
