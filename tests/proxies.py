"""What stands before a real MLflow server and can be made slow, hanging, wrong or dead at any moment."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Proxy(ThreadingHTTPServer):
    """What stands before a real server and can be made slow, hanging, wrong or dead at any moment."""

    daemon_threads = True
    delay = 0.0
    wrong = False
    hanging = False

    def __init__(self, url: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Forward)
        self.behind = url.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.released = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Forward(BaseHTTPRequestHandler):
    server: Proxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        proxy = self.server
        time.sleep(proxy.delay)
        if proxy.hanging:
            proxy.released.wait()
            return
        if proxy.wrong:
            self.send_error(500)
            return
        with closing(http.client.HTTPConnection(proxy.behind)) as connection:
            connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


for _method in ("GET", "POST", "PATCH", "DELETE", "PUT"):
    setattr(_Forward, f"do_{_method}", _Forward._forward)


@contextmanager
def serving(url: str, port: int = 0) -> Iterator[Proxy]:
    proxy = Proxy(url, port)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        proxy.shutdown()
        proxy.server_close()
