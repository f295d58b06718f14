"""`rec watch`: restarts servers that died, reloads dead models, and stops bundles that break an objective."""

from rec_assets.cli.console import load_settings, say, until_told_to_stop


def watch() -> None:
    """Probe the servers every second; restart those that died, and reload dead models, until Ctrl-C.

    Also watch a running canary and a new live bundle, and stop a bundle that breaks an objective. `rec up` does all
    this in the background.
    """
    import logging

    from rec_assets.cli.local.delivery import watch_delivery
    from rec_assets.cli.local.supervisor import supervise
    from rec_assets.common.concurrency.background_thread import background_thread

    logging.basicConfig(format="%(asctime)s %(message)s")
    settings, stop = load_settings(), until_told_to_stop()
    say("Watching the servers. Ctrl-C ends the watch; the servers keep running.")
    with background_thread(lambda end: watch_delivery(settings, end)):
        supervise(settings, stop)
