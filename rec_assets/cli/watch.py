"""`rec watch`: reloads dead models of the running Triton."""

from rec_assets.cli.console import load_settings, say, until_told_to_stop


def watch() -> None:
    """Probe the running Triton every two seconds and load models again whose process died, until Ctrl-C."""
    import logging

    from rec_assets.cli.local import health_monitor

    logging.basicConfig(format="%(asctime)s %(message)s")
    settings, stop = load_settings(), until_told_to_stop()
    say("Watching Triton. Ctrl-C ends the watch; the servers keep running.")
    health_monitor.watch(settings, stop)
