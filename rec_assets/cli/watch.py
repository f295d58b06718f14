"""`rec watch`: restarts servers that died and reloads dead models."""

from rec_assets.cli.console import load_settings, say, until_told_to_stop


def watch() -> None:
    """Probe the servers every second; restart those that died, and reload dead models, until Ctrl-C.

    `rec up` and `rec dev` do this in the background.
    """
    import logging

    from rec_assets.cli.local.supervisor import supervise

    logging.basicConfig(format="%(asctime)s %(message)s")
    settings, stop = load_settings(), until_told_to_stop()
    say("Watching the servers. Ctrl-C ends the watch; the servers keep running.")
    supervise(settings, stop)
