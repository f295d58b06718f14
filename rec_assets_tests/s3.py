"""A real S3 server (SeaweedFS) on the loopback address, and a proxy that can break connections to it."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rec_assets_tests.servers import free_port
from rec_assets_tests.tools import require_tool
from rec_assets_tests.waiting import wait_until

BUCKET = "shop"
OWNER = {"AWS_ACCESS_KEY_ID": "owner", "AWS_SECRET_ACCESS_KEY": "owner-secret"}
READER = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reader-secret"}
_ALLOWED = {"owner": ["Admin", "Read", "Write", "List"], "reader": [f"Read:{BUCKET}", f"List:{BUCKET}"]}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass(frozen=True)
class S3:
    """A server with one bucket, an owner and a user with read access only."""

    port: int

    def environment(self, credentials: dict[str, str] = OWNER, port: int | None = None) -> dict[str, str]:
        """Returns the environment variables for AWS clients of the server.

        Args:
            credentials: variables with key id and secret.
            port: port of a proxy; None for the server itself.
        """
        endpoint = f"http://127.0.0.1:{port or self.port}"
        return {**credentials, "AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "2"}


@contextmanager
def running_s3(home: Path) -> Iterator[S3]:
    """Runs the server below `home`, and creates the bucket."""
    identities = [
        {"name": one["AWS_ACCESS_KEY_ID"], "actions": _ALLOWED[one["AWS_ACCESS_KEY_ID"]], "credentials": [
            {"accessKey": one["AWS_ACCESS_KEY_ID"], "secretKey": one["AWS_SECRET_ACCESS_KEY"]}
        ]}
        for one in (OWNER, READER)
    ]  # fmt: skip
    (home / "s3.json").write_text(json.dumps({"identities": identities}))
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    options = {"dir": home, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": home / "s3.json", "s3": "true"}
    options |= {"filer": "true", "volume.max": 50, "master.volumeSizeLimitMB": 64, "master.telemetry": "false"}
    options |= {"s3.port.iceberg": 0, "s3.port.lance": 0}  # their default ports may be taken
    for name, port in ports.items():
        options |= {f"{name}.port": port, f"{name}.port.grpc": free_port()}
    command = [require_tool("weed"), "server", *(f"-{name}={value}" for name, value in options.items())]
    with (home / "s3.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            s3 = S3(ports["s3"])
            _make_bucket(s3, server, home / "s3.log")
            yield s3
        finally:
            server.kill()  # an orderly shutdown takes half a minute, and its data are not kept
            server.wait()
            used = [value for name, value in options.items() if ".port" in name]
            for socket_file in [file for port in used for file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]:
                socket_file.unlink(missing_ok=True)


def _make_bucket(s3: S3, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    variables = s3.environment()
    client = boto3.session.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]).client(
        "s3", region_name="us-east-1", endpoint_url=variables["AWS_ENDPOINT_URL_S3"]
    )

    def is_made() -> bool:
        assert server.poll() is None, log.read_text()[-2000:]
        client.create_bucket(Bucket=BUCKET)
        # Writes need a volume, which starts after the bucket exists.
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
        return True

    wait_until(is_made, ignore=(BotoCoreError, ClientError))


class Way:
    """A port that forwards to the server until a number of bytes was sent; then it breaks connections or answers."""

    def __init__(self, s3: S3, limit: int, answer: bytes | None = None) -> None:
        """Listens on a free port.

        Args:
            s3: server to forward to.
            limit: number of bytes that clients may send.
            answer: body of the 503 response after the limit; None breaks the connection instead.
        """
        self._target, self._left, self._answer = s3.port, limit, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            threading.Thread(target=_pipe, args=(server, client), daemon=True).start()
            while data := client.recv(65536):
                self._left -= len(data)
                if self._left < 0:
                    if self._answer:
                        client.sendall(
                            b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Type: application/xml\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (len(self._answer), self._answer)
                        )
                    return
                server.sendall(data)


def _pipe(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
