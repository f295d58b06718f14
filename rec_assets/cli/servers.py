"""`rec up`, `rec down`, `rec status`: start, stop and show the local Valkey, Triton, worker and supervisor."""

import typer

from rec_assets.cli.console import load_settings, print_table, say


def up() -> None:
    """Start Valkey, Triton, a worker and their supervisor in the background, and wait until they answer."""
    from rec_assets.cli.local import supervision

    settings = load_settings()
    started = supervision.up(settings)
    for server in supervision.status(settings):
        say(f"{server.name} {'started' if started[server.name] else 'was already running'} ({server.detail})")


def down() -> None:
    """Stop the servers that `rec up` started; their data stay."""
    from rec_assets.cli.local import supervision

    for name, ran in supervision.down(load_settings()).items():
        say(f"{name} {'ended' if ran else 'was not running'}")


def status() -> None:
    """Show the servers and the live bundle; exit with status 1 unless all servers run and answer."""
    from rec_assets.cli.local import supervision
    from rec_assets.cli.models.bundles import say_live
    from rec_assets.common.concurrency.loop import loop_states

    settings = load_settings()
    servers = supervision.status(settings)
    print_table(
        "Local servers",
        {"server": False, "state": False, "pid": True, "ports": False, "": False},
        (
            (server.name, server.state, server.pid or "-", ", ".join(map(str, server.ports.values())), server.detail)
            for server in servers
        ),
    )
    # The loop of the supervisor is a row above.
    loops = [state for state in loop_states(settings.home) if state.name not in {server.name for server in servers}]
    if loops:
        print_table("Loops", {"loop": False, "state": False}, ((state.name, state.summary) for state in loops))
    say_live()
    if any(server.state != "running" for server in servers):
        raise typer.Exit(1)
