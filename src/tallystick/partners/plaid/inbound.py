"""What Plaid posts to us: is it Plaid's, and what does it mean?

Plaid signs each webhook with a JWT in the `Plaid-Verification` header: ES256, a `kid` whose key
Plaid gives out, `iat`, and the SHA-256 of the raw body (Plaid, webhook verification). Threats T12
(algorithm confusion, key injection) and T13 (random kids that make us ask Plaid) are met here.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from tallystick.clock import MINUTE_MS, SECOND_MS, Clock, from_iso
from tallystick.ids import as_uuid
from tallystick.partners.contract import Notice, NoticeKind
from tallystick.partners.errors import PartnerError, PartnerUnavailable
from tallystick.partners.plaid.messages import Message, Text
from tallystick.partners.plaid.refusals import CODE, GONE, NEEDS_UPDATE_MODE
from tallystick.partners.plaid.wire import PlaidWire

if TYPE_CHECKING:
    from joserfc.jwk import ECKey
    from joserfc.jws import JWSRegistry

HEADER = "plaid-verification"
AGE_MAX_MS = 5 * MINUTE_MS
UNKNOWN_FOR_MS = MINUTE_MS
FETCH_EVERY_MS = SECOND_MS
# Plaid may end a key by setting `expired_at`; this is how late we learn of it.
KEY_KEPT_MS = 60 * MINUTE_MS

_ALGORITHMS = ("ES256",)
_COMPACT = re.compile(r"[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+", re.ASCII)
_TOKEN_LENGTH_MAX = 4096
# Header members that would choose the key or change what is signed. Plaid sends alg, kid and typ.
_FORBIDDEN = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64"})


class KeyRequest(Message, frozen=True):
    key_id: str


class Jwk(Message, frozen=True):
    alg: str
    crv: str
    kid: str
    kty: str
    use: str
    x: Text
    y: Text
    expired_at: int | None = None


class KeyAnswer(Message, frozen=True):
    key: Jwk


class Inbound:
    """Verifies webhooks. Holds the keys that Plaid has shown, and the kids that it has not."""

    def __init__(self, wire: PlaidWire, clock: Clock) -> None:
        self._clock = clock
        self._keys = Keys(wire, clock)

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """True when Plaid signed exactly these bytes in the last five minutes.

        Everything that needs no key comes first, so that junk costs no look-up. Raises
        PartnerUnavailable or PartnerRefused when Plaid would not tell us the key: a webhook that
        may be real, and that Plaid will send again.
        """
        token = headers.get(HEADER, "")
        if len(token) > _TOKEN_LENGTH_MAX or not _COMPACT.fullmatch(token):
            return False
        # Not before there is a signature to check: with what it imports it is a twelfth of a start.
        from joserfc import jws
        from joserfc.errors import JoseError

        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=_registry())
            kid = _kid(signed.headers())
            if kid is None or not self._covers(signed.payload, body):
                return False
            key = await self._keys.find(kid)
            return key is not None and jws.validate_compact(signed, key, registry=_registry())
        except (JoseError, ValueError, TypeError, RecursionError):
            return False

    def _covers(self, payload: bytes | None, body: bytes) -> bool:
        """Do these claims, if they are Plaid's, speak of this body and of now?"""
        claims = msgspec.json.decode(payload or b"")
        if not isinstance(claims, dict):
            return False
        issued_s, digest = claims.get("iat"), claims.get("request_body_sha256")
        if type(issued_s) is not int or not isinstance(digest, str):
            return False
        if abs(self._clock.now_ms() - issued_s * SECOND_MS) > AGE_MAX_MS:
            return False
        actual = hashlib.sha256(body).hexdigest().encode()
        return hmac.compare_digest(digest.encode(), actual)


@cache
def _registry() -> JWSRegistry:
    from joserfc.jws import JWSRegistry

    # A member that Plaid may add some day is no reason to refuse; _FORBIDDEN has those that are.
    return JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)


def _kid(header: Any) -> str | None:
    """The key's id, if this header is of the one kind that Plaid makes."""
    if not isinstance(header, dict) or header.get("alg") != "ES256" or _FORBIDDEN & header.keys():
        return None
    kid = header.get("kid")
    return kid if isinstance(kid, str) and as_uuid(kid) else None


class Keys:
    """Plaid's verification keys, fetched at most once a second and never twice for one bad kid.

    A kid that arrives while another is being fetched, or within that second, counts as unknown:
    Plaid sends a webhook again when it was refused, an attacker is merely slowed down.
    """

    def __init__(self, wire: PlaidWire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock
        self._known: dict[str, tuple[int, ECKey | None]] = {}
        self._lock = asyncio.Lock()
        self._fetching = ""
        self._fetched_at: int | None = None

    async def find(self, kid: str) -> ECKey | None:
        """The key, or None if there is no such key or we may not ask now."""
        if kid not in self._fresh() and self._lock.locked() and self._fetching != kid:
            return None
        async with self._lock:
            known = self._fresh()
            if kid in known:
                return known[kid][1]
            now = self._clock.now_ms()
            # A clock that was set back must not keep us from asking until it has caught up.
            if self._fetched_at is not None and 0 <= now - self._fetched_at < FETCH_EVERY_MS:
                return None
            self._fetching, self._fetched_at = kid, now
            key = await self._fetch(kid)
            self._known[kid] = (now, key)
            return key

    def _fresh(self) -> dict[str, tuple[int, ECKey | None]]:
        """What we know that is not too old; it stays small, as one entry a second may enter."""
        now = self._clock.now_ms()
        self._known = {
            kid: (at, key)
            for kid, (at, key) in self._known.items()
            if 0 <= now - at < (UNKNOWN_FOR_MS if key is None else KEY_KEPT_MS)
        }
        return self._known

    async def _fetch(self, kid: str) -> ECKey | None:
        try:
            answer = await self._wire.post(
                "/webhook_verification_key/get", KeyRequest(kid), KeyAnswer
            )
        except PartnerError as error:
            if error.code == "INVALID_WEBHOOK_VERIFICATION_KEY_ID":
                return None
            raise
        return self._usable(answer.key, kid)

    def _usable(self, jwk: Jwk, kid: str) -> ECKey | None:
        """Only the curve's point is taken over; what kind of key it is, we decide."""
        if (jwk.alg, jwk.crv, jwk.kty, jwk.use) != ("ES256", "P-256", "EC", "sig"):
            return None
        if jwk.kid != kid:
            return None
        if jwk.expired_at is not None and jwk.expired_at * SECOND_MS <= self._clock.now_ms():
            return None
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey

        try:
            return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": jwk.x, "y": jwk.y})
        except (JoseError, ValueError, TypeError):
            return None


# ── meaning ───────────────────────────────────────────────────────────────────────────────────


class Webhook(Message, frozen=True):
    webhook_type: str
    webhook_code: str
    item_id: Text | None = None
    error: Any = None
    consent_expiration_time: Any = None
    disconnect_time: Any = None


_MEANINGS: Mapping[tuple[str, str], NoticeKind] = {
    ("ITEM", "PENDING_EXPIRATION"): "reauth_required",
    ("ITEM", "PENDING_DISCONNECT"): "reauth_required",
    # One account of the Item; Plaid's remedy is update mode, where it can be shared again.
    ("ITEM", "USER_ACCOUNT_REVOKED"): "reauth_required",
    ("ITEM", "LOGIN_REPAIRED"): "healthy",
    ("ITEM", "USER_PERMISSION_REVOKED"): "revoked",
    # The institution changed numbers: they must be fetched again before the next use.
    ("AUTH", "DEFAULT_UPDATE"): "changed",
}


def translate(body: bytes) -> Sequence[Notice]:
    """The notices in a verified webhook; none when it is of no concern to an exchange.

    Raises PartnerUnavailable when it is not JSON of Plaid's form.
    """
    try:
        webhook = msgspec.json.decode(body, type=Webhook)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PartnerUnavailable("UNREADABLE_NOTICE") from None
    if webhook.item_id is None:
        return []
    code = webhook.webhook_code
    if (webhook.webhook_type, code) == ("ITEM", "ERROR"):
        return [_item_error(webhook.error, webhook.item_id)]
    kind = _MEANINGS.get((webhook.webhook_type, code))
    deadline = _time(webhook.consent_expiration_time) or _time(webhook.disconnect_time)
    return [] if kind is None else [Notice(kind, webhook.item_id, code, deadline)]


def _item_error(error: Any, item_id: str) -> Notice:
    found = error.get("error_code") if isinstance(error, dict) else None
    code = found if isinstance(found, str) and CODE.fullmatch(found) else "ERROR"
    if code in GONE:
        return Notice("revoked", item_id, code)
    if code in NEEDS_UPDATE_MODE:
        return Notice("reauth_required", item_id, code)
    return Notice("changed", item_id, code)


def _time(text: Any) -> int | None:
    """A deadline that cannot be read is none: the notice matters more than its date."""
    try:
        return from_iso(text)
    except (ValueError, TypeError):
        return None
