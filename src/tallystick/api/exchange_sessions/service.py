"""Starting a session at a partner, and showing what the partner gave for it.

The partner is called first and the session is written after it: a link token that nobody was given
is worth nothing and expires by itself, so there is no intent to keep (docs/decisions/0003). Only a
caller's idempotency key is taken before the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from tallystick.api.customers import service as customers
from tallystick.api.exchange_sessions import store
from tallystick.api.exchange_sessions.store import ExchangeSessionRow
from tallystick.core import Core, Principal
from tallystick.errors import FieldError, Forbidden, NotFound, ValidationFailed
from tallystick.partners.contract import Partner, SessionRequest, SessionStarted, StartsSessions
from tallystick.partners.explain import explained
from tallystick.store import audit, idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome
from tallystick.store.vault import Place

PARTNER_HREF = "/_links/exchange-partner/href"
REDIRECT_HREF = "/_links/redirect-url/href"

NOT_SUPPORTED = "The exchange partner specified does not support this product"
NOT_ENABLED = "Exchange sessions with this exchange partner are not enabled for your account"
ABSENT = "Exchange session not found."

# Plain HTTP only to a developer's own machine.
_WEB = re.compile(r"(https://|http://(localhost|127\.0\.0\.1)(?=[:/]))[^\s@\\#]+", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)


class ProviderSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed with a session: exactly one of the three is set."""

    href: str | None = None
    token: str | None = None
    data: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A session with what the partner gave for it, opened."""

    row: ExchangeSessionRow
    partner: Partner
    provider: ProviderSession


def check(partner: Partner | None, *, partner_sent: bool, redirect_url: object) -> Partner:
    """Raises ValidationFailed with everything that is wrong with the two links of the body.

    The text of the first problem also stands at the top, where Dwolla's specification has it; its
    documentation has it in the list (contract 10, no. 5 and 6).
    """
    errors = []
    if partner is None:
        code = "Invalid" if partner_sent else "Required"
        errors.append(FieldError(code, f"{PARTNER_HREF} is invalid", PARTNER_HREF))
    if redirect_url is not None and not is_redirect_url(redirect_url):
        errors.append(FieldError("Invalid", f"{REDIRECT_HREF} is invalid", REDIRECT_HREF))
    if partner is None or errors:
        raise ValidationFailed(errors[0].message, errors=errors)
    return partner


def is_redirect_url(value: object) -> bool:
    """An https URL, or an Android package name, which is never put into a redirect (threat T6)."""
    return isinstance(value, str) and bool(_WEB.fullmatch(value) or _PACKAGE.fullmatch(value))


async def start(
    core: Core,
    principal: Principal,
    customer_id: str,
    partner: Partner,
    redirect_url: str | None,
    claim: Claim | None,
) -> Outcome:
    """Start a session for a customer; the answer to give, `Location` included.

    Raises NotFound, Forbidden, ValidationFailed, Conflict, and what `explained` makes of the
    partner's errors.
    """
    await customers.require(core, principal, customer_id)
    if not partner.has(StartsSessions):
        raise Forbidden(NOT_SUPPORTED)
    if f"exchange-sessions:{partner.manifest.key}" in principal.withheld:
        raise Forbidden(NOT_ENABLED)
    session_id = core.ids.new()
    now_ms = core.clock.now_ms()
    if claim is not None:
        await core.db.transact(lambda tx: idempotency.claim_key(tx, claim, now_ms))
    try:
        with explained(partner):
            started = await partner.start_session(SessionRequest(customer_id, redirect_url))
        row = _row(core, principal, session_id, customer_id, partner, started)
        outcome = Outcome(201, f"/exchange-sessions/{session_id}", b"")

        async def add(tx: Transaction) -> None:
            await store.add(tx, row)
            await audit.note(tx, row.app_id, "exchange-sessions", row.id, "created", row.created_at)
            await idempotency.settle(tx, core.vault, claim, outcome)

        await core.db.transact(add)
    except BaseException:
        await idempotency.release(core.db, claim)
        raise
    return outcome


def _row(
    core: Core,
    principal: Principal,
    session_id: str,
    customer_id: str,
    partner: Partner,
    started: SessionStarted,
) -> ExchangeSessionRow:
    provider = ProviderSession(
        href=started.href.reveal() if started.href else None,
        token=started.token.reveal() if started.token else None,
        data=started.data,
    )
    place = Place(principal.app_id, store.TABLE, store.SEALED, session_id)
    return ExchangeSessionRow(
        id=session_id,
        app_id=principal.app_id,
        customer_id=customer_id,
        exchange_id=None,
        partner_key=partner.manifest.key,
        external_id=started.external_id,
        provider_session_sealed=core.vault.seal(place, _encoder.encode(provider)),
        expires_at=started.expires_at,
        created_at=core.clock.now_ms(),
    )


async def show(core: Core, app_id: str, session_id: str) -> Shown:
    """Raises NotFound. An expired session is still shown; its token no longer works (10.15)."""
    row = await store.find(core.db, app_id, session_id)
    if row is None:
        raise NotFound(ABSENT)
    place = Place(app_id, store.TABLE, store.SEALED, row.id)
    box = core.vault.open_box(place, row.provider_session_sealed)
    return Shown(row, core.partners.by_key(row.partner_key), _decoder.decode(box.reveal()))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ProviderSession)
