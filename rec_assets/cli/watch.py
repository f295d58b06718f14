"""`rec watch`: looks after the running servers."""

from rec_assets.cli.console import load_settings, say, until_told_to_stop


def watch() -> None:
    """Probe the running Triton every two seconds and bring back models whose process died, until Ctrl-C."""
    import logging

    from rec_assets.cli.local import health_monitor

    logging.basicConfig(format="%(asctime)s %(message)s")
    settings, stop = load_settings(), until_told_to_stop()
    say("Watching; Ctrl-C ends it, and leaves the servers alone.")
    health_monitor.watch(settings, stop)
