"""Starting a session at a partner, and showing what the partner gave for it.

The partner is called first and the session is written after it: a link token that nobody was given
is worth nothing and expires by itself, so there is no intent to keep (docs/decisions/0003). Only a
caller's idempotency key is taken before the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tallystick.api.customers import service as customers
from tallystick.api.exchange_sessions import redirects, returns, store
from tallystick.api.exchange_sessions.store import ExchangeSessionRow
from tallystick.api.exchange_sessions.wire import ForCard, PostedHolder
from tallystick.api.exchanges import service as exchanges
from tallystick.body import problems
from tallystick.clock import DAY_MS
from tallystick.core import Core, Principal
from tallystick.errors import FieldError, Forbidden, NotFound, ValidationFailed
from tallystick.partners.contract import (
    CardHolder,
    DescribesCards,
    Notifies,
    Partner,
    Reauthenticates,
    ReturnsByRedirect,
    SessionRequest,
    SessionStarted,
    StartsSessions,
)
from tallystick.partners.errors import NotOffered
from tallystick.partners.explain import explained
from tallystick.store import audit, idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome
from tallystick.store.vault import Place

# An expired link token is worth nothing, but still names a person to its partner.
FORGET_AFTER_MS = DAY_MS
FORGET_AT_ONCE = 500

PARTNER_HREF = "/_links/exchange-partner/href"
CARD_DETAILS = "cardDetails"
# Where partners post notices and send browsers back to (decision 3).
INBOUND = "/_inbound"

NOT_SUPPORTED = "The exchange partner specified does not support this product"
# Documented without a reason; here: the partner has nothing to repair this exchange with, or it was
# removed (contract 10, no. 32 and 33).
NOT_REPAIRABLE = "Not authorized to create re-authentication exchange session."
NOT_ENABLED = "Exchange sessions with this exchange partner are not enabled for your account"
ABSENT = "Exchange session not found."


class ProviderSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed with a session: exactly one of the three is set, none once it is forgotten."""

    href: str | None = None
    token: str | None = None
    data: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        return "ProviderSession(«secret»)"


# What the server uses of this resource.
is_redirect_url = redirects.is_redirect_url
come_back = returns.come_back


@dataclass(frozen=True, slots=True)
class Shown:
    """A session with what the partner gave for it, opened."""

    row: ExchangeSessionRow
    partner: Partner
    provider: ProviderSession


def check(
    core: Core,
    principal: Principal,
    partner: Partner | None,
    *,
    partner_sent: bool,
    redirect_url: object,
    card_details: object,
) -> tuple[Partner, CardHolder | None]:
    """The partner, and whose name it shall have compared with the card's.

    Raises ValidationFailed with everything that is wrong with the body. The text of the first
    problem also stands at the top, where Dwolla's specification has it; its documentation has it in
    the list (contract 10, no. 5 and 6).
    """
    errors = []
    if partner is None:
        code = "Invalid" if partner_sent else "Required"
        errors.append(FieldError(code, f"{PARTNER_HREF} is invalid", PARTNER_HREF))
    through_us = partner is not None and partner.has(ReturnsByRedirect)
    errors += _redirect_problems(core, principal, redirect_url, through_us=through_us)
    errors += _card_problems(partner, card_details)
    if partner is None or errors:
        raise ValidationFailed(errors[0].message, errors=errors)
    return partner, _holder(card_details)


def _card_problems(partner: Partner | None, card_details: object) -> Sequence[FieldError]:
    """A member that the partner has no use for is not dropped: a check would seem to be made."""
    if card_details is None:
        return []
    if partner is not None and not partner.has(DescribesCards):
        said = f"{CARD_DETAILS} is not accepted here."
        return [FieldError("Invalid", said, f"/{CARD_DETAILS}")]
    return problems({CARD_DETAILS: card_details}, ForCard)


def _holder(card_details: object) -> CardHolder | None:
    if card_details is None:
        return None
    posted = msgspec.convert(card_details, PostedHolder)
    if not posted.account_name_inquiry:
        return None
    return CardHolder(posted.first_name, posted.last_name)


def _redirect_problems(
    core: Core, principal: Principal, redirect_url: object, *, through_us: bool
) -> list[FieldError]:
    """`through_us`: the partner sends the person back to us, and we have to know where to next."""
    if redirect_url is not None:
        return redirects.problems_of(
            redirect_url,
            principal.redirect_urls,
            anything_goes=not core.live,
            web_only=through_us,
        )
    said = f"{redirects.HREF} is invalid"
    return [FieldError("Required", said, redirects.HREF)] if through_us else []


async def start(
    core: Core,
    principal: Principal,
    customer_id: str,
    partner: Partner,
    redirect_url: str | None,
    holder: CardHolder | None,
    base: str,
    claim: Claim | None,
) -> Outcome:
    """Start a session for a customer; the answer to give, `Location` included.

    `base` is our own address as the caller knows it: partners send notices and browsers there.
    Raises NotFound, Forbidden, ValidationFailed, Conflict, and what `explained` makes of the
    partner's errors.
    """
    await customers.require(core, principal, customer_id)
    if not partner.has(StartsSessions):
        raise Forbidden(NOT_SUPPORTED)
    wanted = Wanted(partner, customer_id, redirect_url, base, holder=holder)
    return await _begin(core, principal, wanted, partner.start_session, claim)


async def start_reauth(
    core: Core,
    principal: Principal,
    exchange_id: str,
    redirect_url: object,
    base: str,
    claim: Claim | None,
) -> Outcome:
    """Start a session that repairs an exchange; the answer to give.

    One that is healthy may be repaired as well: partners allow it, and nothing is lost. Raises
    NotFound, Forbidden, also for one that was removed, ValidationFailed, Conflict, and what
    `explained` makes of the partner's errors.
    """
    try:
        exchange = await exchanges.find(core, principal.app_id, exchange_id)
    except NotFound:
        raise NotFound from None  # in this operation's own words
    partner = core.partners.by_key(exchange.partner_key)
    if not partner.has(Reauthenticates):
        raise Forbidden(NOT_REPAIRABLE)
    errors = _redirect_problems(
        core, principal, redirect_url, through_us=partner.has(ReturnsByRedirect)
    )
    if errors:
        raise ValidationFailed(errors[0].message, errors=errors)
    if exchange.status == "removed":
        raise Forbidden(NOT_REPAIRABLE)
    to = redirect_url if isinstance(redirect_url, str) else None
    wanted = Wanted(partner, exchange.customer_id, to, base, exchange)
    try:
        return await _begin(core, principal, wanted, partner.start_reauth, claim)
    except NotOffered:
        raise Forbidden(NOT_REPAIRABLE) from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session to start: at which partner, for whom, and what for."""

    partner: Partner
    customer_id: str | None
    redirect_url: str | None
    base: str
    exchange: exchanges.Held | None = None
    holder: CardHolder | None = None


async def _begin(
    core: Core,
    principal: Principal,
    wanted: Wanted,
    call: Callable[[SessionRequest], Awaitable[SessionStarted]],
    claim: Claim | None,
) -> Outcome:
    if f"exchange-sessions:{wanted.partner.manifest.key}" in principal.withheld:
        raise Forbidden(NOT_ENABLED)
    session_id = core.ids.new()
    now_ms = core.clock.now_ms()
    if claim is not None:
        await core.db.transact(lambda tx: idempotency.claim_key(tx, claim, now_ms))
    try:
        with explained(wanted.partner):
            started = await call(_request(core, principal, wanted, session_id))
        row = _row(core, principal, session_id, wanted, started)
        outcome = Outcome(201, f"/exchange-sessions/{session_id}", b"")

        async def add(tx: Transaction) -> None:
            await store.add(tx, row)
            if wanted.exchange is not None:
                await exchanges.expect_repair(tx, wanted.exchange)
            await audit.note(tx, row.app_id, "exchange-sessions", row.id, "created", row.created_at)
            await idempotency.settle(tx, core.vault, claim, outcome)

        await core.db.transact(add)
    except BaseException:
        await idempotency.release(core.db, claim)
        raise
    return outcome


def _request(core: Core, principal: Principal, wanted: Wanted, session_id: str) -> SessionRequest:
    """Somebody without a customer is the account itself."""
    partner = wanted.partner
    inbound = f"{wanted.base}{INBOUND}/{partner.manifest.key}"
    comes_back = partner.has(ReturnsByRedirect)
    return SessionRequest(
        person=wanted.customer_id or principal.account_id,
        redirect_url=wanted.redirect_url,
        grant=exchanges.open_grant(core, wanted.exchange) if wanted.exchange else None,
        trouble=wanted.exchange.cause_code if wanted.exchange else None,
        notify_url=inbound if partner.has(Notifies) else None,
        return_url=f"{inbound}/return" if comes_back else None,
        state=returns.state_of(core, session_id) if comes_back else None,
        holder=wanted.holder,
    )


def _row(
    core: Core,
    principal: Principal,
    session_id: str,
    wanted: Wanted,
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
        customer_id=wanted.customer_id,
        exchange_id=wanted.exchange.id if wanted.exchange else None,
        partner_key=wanted.partner.manifest.key,
        external_id=started.external_id,
        provider_session_sealed=core.vault.seal(place, _encoder.encode(provider)),
        expires_at=started.expires_at,
        created_at=core.clock.now_ms(),
        redirect_url=wanted.redirect_url,
    )


async def show(core: Core, app_id: str, session_id: str) -> Shown:
    """Raises NotFound. An expired session is still shown; its token no longer works (10.15), and
    FORGET_AFTER_MS later it is gone.
    """
    row = await store.find(core.db, app_id, session_id)
    if row is None:
        raise NotFound(ABSENT)
    partner = core.partners.by_key(row.partner_key)
    if not row.provider_session_sealed:
        return Shown(row, partner, ProviderSession())
    place = Place(app_id, store.TABLE, store.SEALED, row.id)
    box = core.vault.open_box(place, row.provider_session_sealed)
    return Shown(row, partner, _decoder.decode(box.reveal()))


async def forget(core: Core) -> int:
    """Destroy what partners gave for sessions that expired long ago: FORGET_AT_ONCE at most."""
    before = core.clock.now_ms() - FORGET_AFTER_MS
    if not await store.any_to_forget(core.db, before):
        return 0
    return await core.db.transact(lambda tx: store.forget(tx, before, FORGET_AT_ONCE))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ProviderSession)
