"""A store with TLS and a password, like ElastiCache.

The environment's Valkey is built without TLS. Debian's Redis 7.0 has TLS and loads the same Bloom module.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rec_assets.cli.local.binaries import bloom_module
from rec_assets.cli.local.server import is_open
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.tools import require_tool
from rec_assets_tests.waiting import wait_until

PASSWORD = "a-token-of-elasticache"
_OPENSSL = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]


@contextmanager
def running_tls_store(home: Path) -> Iterator[Settings]:
    """Runs the store below `home` with a self-signed certificate; yields its settings."""
    key, certificate, port = home / "key.pem", home / "certificate.pem", free_port()
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*_OPENSSL, *names], check=True, capture_output=True)
    options = {"port": 0, "tls-port": port, "tls-cert-file": certificate, "tls-key-file": key, "bind": "127.0.0.1"}
    options |= {"tls-auth-clients": "no", "requirepass": PASSWORD, "dir": home, "loadmodule": bloom_module()}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with subprocess.Popen([require_tool("redis-server"), *arguments], stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: is_open(port))
            address = {"host": "localhost", "valkey_port": port, "valkey_ca": str(certificate)}
            yield Settings.model_validate({"home": home, "valkey_tls": True, "valkey_password": PASSWORD, **address})
        finally:
            server.terminate()
