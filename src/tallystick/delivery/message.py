"""What is sent for a webhook, and what is kept of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from tallystick.api.events import service as events
from tallystick.api.webhook_subscriptions.service import Target
from tallystick.api.webhooks.queue import Job
from tallystick.api.webhooks.store import AttemptRow
from tallystick.api.webhooks.wire import Header
from tallystick.core import Core
from tallystick.delivery.post import Answer, Headers, Why
from tallystick.hal import Links
from tallystick.signature import SIGNATURE, TOPIC, sign, standard_headers

# Contract 6.7.
CONTENT_TYPE = "application/json; charset=UTF-8"
USER_AGENT = "dwolla-webhooks/1.0"

# What is kept of an answer is shown to whoever may read the webhook: nothing that grants access
# (threat T5).
_NOT_KEPT = frozenset({"set-cookie", "authorization", "www-authenticate", "proxy-authenticate"})
_NOT_KEPT_PREFIXES = ("x-amz-", "metadata-")
HEADERS_KEPT_MAX = 50
HEADER_CHARS_KEPT_MAX = 1_024


class Message(NamedTuple):
    headers: Headers
    body: bytes


async def compose(core: Core, links: Links, target: Target, job: Job) -> Message:
    """The event in exactly the bytes of GET /events/{id}, signed; the same at every attempt but
    for the time.

    The id of Standard Webhooks is the webhook's own; its time is our clock's, the sandbox's virtual
    one included. Dwolla's header has room for one signature: that of the newest secret. The others
    have one for a secret that was replaced lately, too.
    """
    row = job.webhook
    event = await events.find(core, row.app_id, row.event_id)
    body = msgspec.json.encode(events.render(links, target.account_id, event))
    secret = target.secret.reveal()
    old = () if target.secret_old is None else (target.secret_old.reveal(),)
    headers = {
        TOPIC: row.topic,
        SIGNATURE: sign(secret, body),
        "Content-Type": CONTENT_TYPE,
        "User-Agent": USER_AGENT,
        # Compressed answers could grow without bound behind the cap.
        "Accept-Encoding": "identity",
        **standard_headers((secret, *old), row.id, core.clock.now_ms() // 1_000, body),
    }
    return Message(list(headers.items()), body)


def kept(
    core: Core, target: Target, job: Job, message: Message, started_at: int, got: Answer | Why
) -> AttemptRow:
    """The attempt as it is recorded. A redirect, like every status but 2xx, is a failure."""
    row = job.webhook
    answer = got if isinstance(got, Answer) else None
    ok = answer is not None and 200 <= answer.status < 300
    return AttemptRow(
        id=core.ids.new(),
        app_id=row.app_id,
        webhook_id=row.id,
        subscription_id=row.subscription_id,
        started_at=started_at,
        url=target.url,
        request_headers=_as_json(message.headers),
        request_body=message.body.decode(),
        ended_at=core.clock.now_ms(),
        ok=ok,
        status_code=answer.status if answer else None,
        response_headers=_as_json(_harmless(answer.headers)) if answer else None,
        response_body=_readable(answer) if answer else None,
        failure=None if ok else "STATUS" if isinstance(got, Answer) else got,
    )


def _as_json(headers: Headers) -> str:
    return msgspec.json.encode([Header(name, value) for name, value in headers]).decode()


def _harmless(headers: Headers) -> Sequence[tuple[str, str]]:
    return [
        (_printable(name), _printable(value[:HEADER_CHARS_KEPT_MAX]))
        for name, value in headers[:HEADERS_KEPT_MAX]
        if name.lower() not in _NOT_KEPT and not name.lower().startswith(_NOT_KEPT_PREFIXES)
    ]


def _readable(answer: Answer) -> str:
    """The body as text; nothing of one that is compressed in spite of what we accept."""
    sent: Mapping[str, str] = {name.lower(): value for name, value in answer.headers}
    if sent.get("content-encoding", "identity").lower() != "identity":
        return ""
    return _printable(answer.body.decode("utf-8", "replace"))


def _printable(text: str) -> str:
    """NUL cannot be stored, and control characters must not reach a terminal."""
    return "".join(char if char.isprintable() or char in "\n\r\t" else "\ufffd" for char in text)
