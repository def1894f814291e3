"""What partners send us: `/_inbound/{key}`, with no bearer token and no access to the API.

`POST /_inbound/{key}` is a notice. It is verified the way its partner signs; a partner that does
not sign only rings a doorbell, and its connector then says nothing but "changed". A body that was
seen within REPLAY_MS is answered and ignored. `GET /_inbound/{key}/return` is a browser that comes
back from a partner's page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import structlog

from tallystick.api.exchange_sessions import service as sessions
from tallystick.api.exchanges import service as exchanges
from tallystick.clock import MINUTE_MS
from tallystick.core import Core
from tallystick.errors import ApiError, NotFound, StoreFailed
from tallystick.partners.contract import Notifies, Partner
from tallystick.partners.errors import PartnerError
from tallystick.server import intake
from tallystick.store.db import Statement, Transaction

PREFIX = sessions.INBOUND
REPLAY_MS = 10 * MINUTE_MS
QUERY_BYTES_MAX = 4_096

_FORGET = Statement("DELETE FROM partner_notice WHERE received_at <= :before")
_SEEN = Statement(
    "INSERT INTO partner_notice (body_hash, received_at) VALUES (:body_hash, :received_at)"
    " ON CONFLICT DO NOTHING"
)
_UNSEE = Statement("DELETE FROM partner_notice WHERE body_hash = :body_hash")

_log = structlog.get_logger("tallystick.inbound")


class Inbound:
    """The ASGI application at `/_inbound`. Its answers tell a stranger nothing but a status."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status, location = 500, None
        try:
            status, location = await self._answer(scope, receive)
        except ApiError as error:
            status = error.status
        except StoreFailed as error:
            _log.error("store failed", error=str(error))
        headers = [(b"content-length", b"0"), (b"cache-control", b"no-store")]
        if location is not None:
            headers += [(b"location", location.encode()), (b"referrer-policy", b"no-referrer")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, str | None]:
        key, _, rest = scope["path"].removeprefix(f"{PREFIX}/").partition("/")
        partner = next((p for p in self._core.partners.all() if p.manifest.key == key), None)
        if partner is None:
            raise NotFound
        match scope["method"], rest:
            case "GET", "return":
                return 303, await sessions.come_back(self._core, partner, _query(scope))
            case "POST", "" if partner.has(Notifies):
                return await self._take(partner, scope, await intake.read_body(receive)), None
            case _:
                raise NotFound

    async def _take(self, partner: Partner, scope: Any, body: bytes) -> int:
        """200 taken, 401 not the partner's, 503 when we cannot tell yet: it will send again."""
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        key = partner.manifest.key
        try:
            if not await partner.verify(headers, body):
                _log.warning("notice refused", partner=key)
                return 401
            notices = partner.translate(body)
        except PartnerError as error:
            _log.warning("notice not understood", partner=key, code=error.code)
            return 503
        digest = hashlib.sha256(key.encode() + b"\0" + body).digest()
        now_ms = self._core.clock.now_ms()

        async def remember(tx: Transaction) -> bool:
            await tx.run(_FORGET, before=now_ms - REPLAY_MS)
            return await tx.run(_SEEN, body_hash=digest, received_at=now_ms) > 0

        if not await self._core.db.transact(remember):
            return 200
        try:
            for notice in notices:
                about = await exchanges.heed(self._core, key, notice)
                _log.info("notice", partner=key, code=notice.partner_code, count=about)
        except BaseException:
            # Not done is not seen: the partner repeats what we answer with an error.
            await self._core.db.transact(lambda tx: tx.run(_UNSEE, body_hash=digest))
            raise
        return 200


def _query(scope: Any) -> Mapping[str, str]:
    """Of a parameter that came twice, the first: the partner sends none twice."""
    raw: bytes = scope["query_string"]
    if len(raw) > QUERY_BYTES_MAX:
        raise NotFound
    found: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("ascii", "replace"), keep_blank_values=True):
        found.setdefault(name, value)
    return found
