"""`rec api`: serves the HTTP API."""

from rec_assets.cli.console import load_settings, say


def api() -> None:
    """Serve recommendations and popular items as JSON over HTTP; docs/api.md shows the requests."""
    from rec_assets.common.silence import silence_deprecations
    from rec_assets.common.traces.tracing import traces
    from rec_assets.serving.api.app import TRACED_AS, api_server
    from rec_assets.serving.api.metrics import serve_metrics
    from rec_assets.serving.triton.own_server import require_own_triton
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    with traces(TRACED_AS, settings.otlp_endpoint, settings.trace_share):
        server = api_server(settings)
        require_own_triton(settings)
        require_own_valkey(settings)
        silence_deprecations()
        serve_metrics(settings)
        say(f"The API is at http://{settings.api_address}:{settings.api_port} — Ctrl-C ends it.")
        server.run()
