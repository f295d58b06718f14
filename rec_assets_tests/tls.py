"""A store with TLS and a password, like ElastiCache.

The environment's Valkey is built without TLS. Debian's Redis 7.0 has TLS and loads the same Bloom module.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from rec_assets.cli.local.binaries import bloom_module
from rec_assets.cli.local.server import is_open
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.servers import free_port
from rec_assets_tests.tools import require_tool
from rec_assets_tests.waiting import wait_until

PASSWORD = "a-token-of-elasticache"
CERTIFIED, UNCERTIFIED = "127.0.0.1", "127.0.0.2"  # addresses of the store, in its certificate and not
_OPENSSL = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]


@contextmanager
def running_tls_store(home: Path, *, cluster: bool = False) -> Iterator[Settings]:
    """Runs the store below `home` with a self-signed certificate; yields its settings.

    Args:
        home: an existing folder.
        cluster: run it as a cluster of one node, which names itself by its host name, as nodes of ElastiCache do.
    """
    key, certificate, port = home / "key.pem", home / "certificate.pem", free_port()
    names = ["-addext", f"subjectAltName=DNS:localhost,IP:{CERTIFIED}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*_OPENSSL, *names], check=True, capture_output=True)
    options = {"port": 0, "tls-port": port, "tls-cert-file": certificate, "tls-key-file": key}
    options |= {"bind": f"{CERTIFIED} {UNCERTIFIED}"}
    options |= {"tls-auth-clients": "no", "requirepass": PASSWORD, "dir": home, "loadmodule": bloom_module()}
    if cluster:
        options |= {
            "cluster-enabled": "yes",
            "cluster-port": free_port(),
            "tls-cluster": "yes",
            "tls-ca-cert-file": certificate,
        }
        options |= {"cluster-announce-hostname": "localhost", "cluster-preferred-endpoint-type": "hostname"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with subprocess.Popen([require_tool("redis-server"), *arguments], stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: is_open(port))
            address = {"host": "localhost", "valkey_port": port, "valkey_ca": str(certificate)}
            given = {
                "home": home,
                "valkey_tls": True,
                "valkey_password": PASSWORD,
                "valkey_cluster": cluster,
                **address,
            }
            settings = Settings.model_validate(given)
            if cluster:
                with connect(settings.model_copy(update={"valkey_cluster": False})) as node:
                    node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                    wait_until(lambda: node.set("ready", 1), ignore=redis.ResponseError)
            yield settings
        finally:
            server.terminate()
