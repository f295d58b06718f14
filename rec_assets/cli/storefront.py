"""`rec storefront`: serves the demo page."""

from rec_assets.cli.console import load_settings, say


def storefront() -> None:
    """Serve the demo page, which shows lists of a running `rec api` with reasons, and how clicks change them."""
    from rec_assets.common.silence import silence_deprecations
    from rec_assets.storage.valkey.own_server import require_own_valkey
    from rec_assets.storefront.app import storefront_server

    settings = load_settings()
    require_own_valkey(settings)
    silence_deprecations()
    address = f"http://{settings.storefront_address}:{settings.storefront_port}"
    say(f"The storefront is at {address} and calls the API at {settings.api_url} — Ctrl-C ends it.")
    storefront_server(settings).run()
