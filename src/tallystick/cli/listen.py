"""`tallystick listen`: events go to a receiver of yours, one after the other, none is lost.

It reads GET /events, so it needs no subscription and no address that the gateway could reach. An
event counts as handled when the receiver answered 2xx; until then nothing newer is sent.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter

from tallystick.cli.catalogue import topics_of
from tallystick.cli.cursor import Cursor, Feed, held
from tallystick.cli.output import Format, say, show_line
from tallystick.cli.remote import WEBHOOK_SECRET, Url, api, application_of, gateway_url
from tallystick.clock import SystemClock, to_iso
from tallystick.errors import ConfigurationError
from tallystick.signature import SIGNATURE, TOPIC, sign, standard_headers

if TYPE_CHECKING:
    import httpx2

    from tallystick.sdk.public import Client, Event

POLL_S = 1.0
ANSWER_S = 10.0
BACKOFF_S_MAX = 30.0

# Contract 6.7, as the gateway's own deliveries have them.
_FIXED = {
    "Content-Type": "application/json; charset=UTF-8",
    "User-Agent": "dwolla-webhooks/1.0",
    "Accept-Encoding": "identity",
}


def listen(
    *,
    forward_to: Annotated[str, Parameter(help="Where every event is posted.")],
    secret: Annotated[
        str | None,
        Parameter(help="Sign with it; without one nothing is signed.", env_var=WEBHOOK_SECRET),
    ] = None,
    topics: Annotated[str | None, Parameter(help="Only these, separated by commas.")] = None,
    from_start: Annotated[bool, Parameter(help="What happened before as well, again.")] = False,
    data_dir: Annotated[str | None, Parameter(help="Folder for the position.")] = None,
    format: Format = "text",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Post every event to a receiver until Ctrl-C, oldest first, and show what it answers.

    Signed and with the headers of a webhook. A receiver that fails is asked again, and nothing is
    skipped. Where it got to is kept in the data folder: what happens while it does not run is sent
    when it runs again. The first time it begins with what happens from then on.

    Example: tallystick listen --forward-to http://localhost:3000/hook --secret "$SECRET"
    """
    wanted = topics_of(topics)
    target = _checked(forward_to)
    if secret is not None and not secret:
        raise ConfigurationError("--secret is empty: anybody could sign with it")
    from tallystick.server import config

    settings = config.load({"data_dir": data_dir})
    config.prepare_data_dir(settings)
    folder = Path(settings.data_dir) / "listen"
    names = (gateway_url(url), application_of(url), target)
    with held(folder, *names, anew=from_start) as cursor, api(url) as client:
        feed = Feed(client, cursor)
        if cursor.fresh and not from_start:
            feed.begin_now()
        cursor.save()
        Forwarding(client, feed, cursor, target, secret, wanted, as_json=format == "json").run()


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        fits = fits and "@" not in parts.netloc
    except ValueError:
        fits = False
    if not fits or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError("--forward-to is an address such as http://localhost:3000/hook")
    return url


class Forwarding:
    """The loop. A signal ends it between two posts, so that none is sent and then forgotten."""

    def __init__(
        self,
        client: Client,
        feed: Feed,
        cursor: Cursor,
        target: str,
        secret: str | None,
        wanted: Collection[str],
        *,
        as_json: bool,
    ) -> None:
        self._client = client
        self._feed = feed
        self._cursor = cursor
        self._target = target
        self._secret = secret.encode("utf-8", "surrogateescape") if secret else None
        self._wanted = wanted
        self._as_json = as_json
        self._ended = threading.Event()

    def run(self) -> None:
        """Until SIGINT or SIGTERM. A gateway that goes away is waited for."""
        import httpx2

        from tallystick.sdk.errors import OUTAGE

        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._end)
        self._say_where()
        failures = 0
        with httpx2.Client(trust_env=False, timeout=ANSWER_S) as receiver:
            while not self._ended.is_set():
                try:
                    for event in self._feed.unseen():
                        if self._ended.is_set():
                            break
                        self._handle(receiver, event)
                    failures, pause_s = 0, POLL_S
                except OUTAGE as error:
                    failures += 1
                    pause_s = backoff_s(failures)
                    print(f"the gateway is away: {error}; again in {pause_s:g} s", file=sys.stderr)
                self._ended.wait(pause_s)

    def _say_where(self) -> None:
        unsigned = "" if self._secret else ", without a signature (--secret)"
        print(
            f"events of {self._client.base_url} go to {self._target}{unsigned}; Ctrl-C ends",
            file=sys.stderr,
            flush=True,
        )

    def _end(self, number: int, _frame: object) -> None:
        """A second signal does not wait for what is under way."""
        self._ended.set()
        signal.signal(number, signal.SIG_DFL)

    def _handle(self, receiver: httpx2.Client, event: Event) -> None:
        """Post it, unless the loop ends before that succeeds."""
        body = self._body(event) if event.topic in self._wanted else None
        if body is None or self._deliver(receiver, event, body):
            self._cursor.add(event.id)

    def _deliver(self, receiver: httpx2.Client, event: Event, body: bytes) -> bool:
        """True when the receiver has it; False when the loop ended before."""
        attempt = 0
        while not self._ended.is_set():
            attempt += 1
            if self._post(receiver, event, body, attempt):
                return True
            self._ended.wait(backoff_s(attempt))
        return False

    def _body(self, event: Event) -> bytes | None:
        """Exactly what GET /events/{id} answers; None for one that a reset has taken away."""
        from tallystick.sdk.public import NotFoundError

        try:
            answer = self._client.with_raw_response.events.get(event.id)
        except NotFoundError:
            return None
        body: bytes = answer.content
        return body

    def _post(self, receiver: httpx2.Client, event: Event, body: bytes, attempt: int) -> bool:
        import httpx2

        headers = message_headers(event.topic, event.id, body, self._secret)
        started = time.perf_counter()
        status, failure = None, None
        try:
            # The answer's body is not read: it could be without end.
            with receiver.stream("POST", self._target, content=body, headers=headers) as answer:
                status = answer.status_code
        except httpx2.HTTPError as error:
            failure = type(error).__name__
        ms = round((time.perf_counter() - started) * 1_000, 1)
        done = status is not None and 200 <= status < 300
        self._tell(event, status, failure, ms, None if done else backoff_s(attempt))
        return done

    def _tell(
        self,
        event: Event,
        status: int | None,
        failure: str | None,
        ms: float,
        again_s: float | None,
    ) -> None:
        at = to_iso(SystemClock().now_ms())
        if self._as_json:
            told: dict[str, Any] = {"at": at, "event": event.id, "topic": event.topic}
            told |= {"resource": event.resource_id, "status": status, "failure": failure}
            show_line({**told, "ms": ms, "again_s": again_s})
            return
        again = "" if again_s is None else f"again in {again_s:g} s"
        say(at, status or failure, event.topic, event.id, f"{ms:.1f} ms", again)


def message_headers(topic: str, event_id: str, body: bytes, secret: bytes | None) -> dict[str, str]:
    """Those of a webhook. Its id is the event's: here no webhook of its own exists."""
    headers = {TOPIC: topic, **_FIXED}
    if secret is not None:
        headers[SIGNATURE] = sign(secret, body)
        headers |= standard_headers([secret], event_id, SystemClock().now_ms() // 1_000, body)
    return headers


def backoff_s(failures: int) -> float:
    """1, 2, 4 … seconds after so many failures in a row."""
    return float(min(2 ** min(failures - 1, 10), BACKOFF_S_MAX))
