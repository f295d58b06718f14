"""Starts single servers: a real Valkey, and a server that always fails."""

import socket
from pathlib import Path

import pytest
import redis

from rec_assets.cli.local.server import Server
from rec_assets.cli.local.valkey import Valkey
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port, running_valkey


class Failing(Server):
    """A server that prints an error and ends."""

    name = "failing"
    patience_s = 5.0

    def ports(self) -> dict[str, int]:
        return {"REC_VALKEY_PORT": self.settings.valkey_port}

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", "echo the disk is on fire; exit 3"]

    def is_ready(self) -> bool:
        return False

    def detail(self) -> str:
        return ""


def test_starting_twice_starts_once(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        pid = Valkey(settings).status().pid
        assert not Valkey(settings).start()
        assert Valkey(settings).status().pid == pid


def test_bloom_filters_and_their_content_survive_a_restart(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        client = redis.Redis(port=settings.valkey_port)
        client.execute_command("BF.ADD", "seen", 7)
        Valkey(settings).stop()
        assert Valkey(settings).start()
        assert client.execute_command("BF.MEXISTS", "seen", 7, 8) == [1, 0]
        assert Valkey(settings).detail() == "db0: 1 keys"


def test_a_port_that_someone_else_holds_is_named_with_its_variable(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ActionableError, match=rf"(?s)Port {port}.*taken.*REC_VALKEY_PORT="):
            Valkey(Settings(home=tmp_path, valkey_port=port)).start()
        assert Valkey(Settings(home=tmp_path, valkey_port=port)).status().state == "stopped"


def test_other_ports_for_a_running_server_are_refused(tmp_path: Path) -> None:
    with (
        running_valkey(tmp_path) as settings,
        pytest.raises(ActionableError, match=rf"REC_VALKEY_PORT={settings.valkey_port}.*(?s:.*)rec down"),
    ):
        Valkey(settings.model_copy(update={"valkey_port": free_port()})).start()


def test_a_server_that_ends_while_starting_shows_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=r"failing ended while starting(?s:.*)the disk is on fire"):
        Failing(Settings(home=tmp_path, valkey_port=free_port())).start()
