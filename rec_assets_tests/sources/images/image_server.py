"""An HTTP server of images on a loopback address, with the faults that servers have."""

import io
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from rec_assets.common.images import MAX_BYTES


def image_of(color: str, kind: str = "PNG") -> bytes:
    """Returns an image file of one color."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class ImageServer:
    """A running server.

    Attributes:
        address: start of its addresses, such as http://127.0.0.1:8000.
        images: content by path; a change has a new ETag.
        redirects: location by path.
        requests: number of requests by path.
    """

    address: str
    images: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    server_of_images: ImageServer

    def do_GET(self) -> None:
        site, path = self.server_of_images, self.path.partition("?")[0]
        site.requests[path] += 1
        with suppress(ConnectionError):  # the client gave up
            if path in site.redirects:
                self._answer(302, b"", Location=site.redirects[path])
            elif path in site.images:
                content = site.images[path]
                tag = f'"{hash(content)}"'
                if self.headers.get("If-None-Match") == tag:
                    self._answer(304, b"")
                else:
                    self._answer(200, content, ETag=tag)
            else:
                getattr(self, path.strip("/"), self.missing)()

    def missing(self) -> None:
        self._answer(404, b"no such image")

    def page(self) -> None:
        self._answer(200, b"<!doctype html><title>Please log in</title>")

    def truncated(self) -> None:
        self._answer(200, image_of("red")[:-20], length=len(image_of("red")))

    def announced(self) -> None:
        self._answer(200, b"", length=MAX_BYTES + 1)

    def endless(self) -> None:
        self._answer(200, b"", length=None)
        while not self.server_of_images.stopping.is_set():
            self.wfile.write(bytes(1 << 20))

    def slow(self) -> None:
        self._answer(200, b"", length=1000)
        while not self.server_of_images.stopping.wait(0.05):
            self.wfile.write(b".")
            self.wfile.flush()

    def silent(self) -> None:
        self.server_of_images.stopping.wait()

    def busy(self) -> None:
        if self.server_of_images.requests["/busy"] == 1:
            self._answer(503, b"")
        else:
            self._answer(200, image_of("blue"))

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, content: bytes, length: int | None = -1, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")  # what a server says of an image does not count
        if length is not None:
            self.send_header("Content-Length", str(len(content) if length < 0 else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def running_image_server(host: str = "127.0.0.1") -> Iterator[ImageServer]:
    """Runs a server; yields what it serves."""
    site = ImageServer("")
    server = ThreadingHTTPServer((host, 0), type("Handler", (_Handler,), {"server_of_images": site}))
    site.address = f"http://{host}:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield site
    finally:
        site.stopping.set()
        server.shutdown()
        server.server_close()
