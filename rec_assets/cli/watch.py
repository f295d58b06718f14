"""`rec watch`: looks after the running servers."""

from rec_assets.cli.console import load_settings, say


def watch() -> None:
    """Probe the running Triton every two seconds and bring back models whose process died, until Ctrl-C."""
    import logging
    from threading import Event

    from rec_assets.local import watching

    logging.basicConfig(format="%(asctime)s %(message)s")
    settings = load_settings()
    try:
        say("Watching; Ctrl-C ends it, and leaves the servers alone.")
        watching.watch(settings, Event())
    except KeyboardInterrupt:
        return
