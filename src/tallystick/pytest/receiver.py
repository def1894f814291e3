"""A receiver of webhooks on this machine, subscribed for one application."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, cast

from tallystick import Client, WebhookSignatureError
from tallystick.api.events.sdk import Event

# The gateway's own limit is below; what is longer does not come from it.
BODY_BYTES_MAX = 1024 * 1024


class WebhookNotReceived(AssertionError):
    """No such webhook came in time; the message lists what did."""


class Webhooks:
    """What came in. `status` is what a delivery is answered with: set 500 to see retries."""

    def __init__(self, client: Client, url: str) -> None:
        self.url = url
        self.secret = secrets.token_hex(16)
        self.status = 200
        self._client = client
        self._came = threading.Condition()
        self._received: list[Event] = []
        self._waiting: list[Event] = []
        self._refused = 0

    @property
    def received(self) -> Sequence[Event]:
        """Every event that was delivered, in order; twice when it was delivered twice."""
        with self._came:
            return tuple(self._received)

    def wait_for(self, topic: str, timeout: float = 5.0) -> Event:
        """The next event of this topic; every call returns another one.

        `timeout` is in seconds of real time. Raises WebhookNotReceived.
        """
        deadline = time.monotonic() + timeout
        with self._came:
            while True:
                for event in self._waiting:
                    if event.topic == topic:
                        self._waiting.remove(event)
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise WebhookNotReceived(self._what_came(topic, timeout))
                self._came.wait(left)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """One delivery, from the receiver's thread; the status to answer it with."""
        try:
            event = self._client.webhooks.unwrap(body, headers, secret=self.secret)
        except WebhookSignatureError:
            with self._came:
                self._refused += 1
            return 401
        with self._came:
            self._received.append(event)
            self._waiting.append(event)
            self._came.notify_all()
            return self.status

    def _what_came(self, topic: str, timeout: float) -> str:
        came = [each.topic for each in self._received]
        taken = " (all of it was waited for already)" if topic in came else ""
        refused = f"; {self._refused} with a wrong signature" if self._refused else ""
        said = ", ".join(came) or "nothing"
        return f"no {topic} within {timeout:g} s; received: {said}{taken}{refused}"


class _Server(ThreadingTCPServer):
    """Not http.server's own, which asks the network for the name of this machine."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.path = path
        self.webhooks: Webhooks | None = None


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        ours = cast("_Server", self.server)
        length = self.headers.get("Content-Length", "")
        status = 400
        if self.path != ours.path or ours.webhooks is None:
            status = 404
        elif length.isdecimal() and len(length) < 10 and int(length) <= BODY_BYTES_MAX:
            body = self.rfile.read(int(length))
            status = ours.webhooks.take(body, dict(self.headers.items()))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        """Say nothing: the output belongs to the tests."""


@contextlib.contextmanager
def receiving(client: Client) -> Iterator[Webhooks]:
    """A receiver until the block ends, subscribed with a secret of its own.

    The subscription goes with the application's reset: a fault may be in force that lets no call
    through.
    """
    path = f"/{secrets.token_hex(8)}"
    with _Server(path) as server:
        webhooks = Webhooks(client, f"http://127.0.0.1:{server.server_address[1]}{path}")
        server.webhooks = webhooks
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            client.webhook_subscriptions.create(url=webhooks.url, secret=webhooks.secret)
            yield webhooks
        finally:
            server.shutdown()
            thread.join()
