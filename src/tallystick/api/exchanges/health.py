"""How an exchange lives: healthy, wanting attention, deactivated, removed (contract 5.12).

            a person is needed: `customer_exchange_reauth_required`, still active
   active ────────────────────────► active, cause `person`, with a deadline
     ▲  ▲                              │ the deadline passes
     │  └── the partner answers ───────┤
     │                                 ▼
     └────── the partner answers ── deactivated
   active, deactivated ── the consent is gone at the partner ──► removed, its grant destroyed
                          (a signed notice, or the same answer twice, ten minutes apart)

Dwolla documents the three states and the topic; when one becomes another is our reading. What
changes a state is only ever what the partner answers under the grant, or a notice it signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

import msgspec
import structlog

from tallystick.api.events import service as events
from tallystick.api.exchanges import store
from tallystick.api.exchanges.grants import open_grant
from tallystick.api.exchanges.store import ExchangeRow
from tallystick.clock import DAY_MS, MINUTE_MS
from tallystick.core import Core
from tallystick.errors import NotFound, StoreFailed
from tallystick.partners.contract import (
    DescribesAccounts,
    DescribesCards,
    Grant,
    Notice,
    Partner,
)
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    NotOffered,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.store import audit
from tallystick.store.db import Transaction

T = TypeVar("T")
Cause = Literal["person", "bank", "partner", "us"]

# How long a person who must sign in again has before the exchange is deactivated, and how long
# before the end of a consent they are asked to. Dwolla publishes neither: our choice.
GRACE_MS = 7 * DAY_MS
LEAD_MS = 7 * DAY_MS
# A working exchange is looked at once a day, so many in a turn: partners count calls.
CHECK_EVERY_MS = DAY_MS
CHECKS_AT_ONCE = 10
# How long after the first word that a consent is gone the second must come to be believed.
CONFIRM_MS = 10 * MINUTE_MS
ROWS_AT_ONCE = 100
# The partner's word for it, when it was the sandbox's control that said so.
SIMULATED = "SIMULATED"
# Ours, when the person signed in and shares other accounts than the one that was linked.
NOT_SHARED = "ACCOUNT_NOT_SHARED"
# `seen_well_at` is no finer than this, so that a burst of reads is not a burst of writes.
SEEN_EVERY_MS = MINUTE_MS

_log = structlog.get_logger("tallystick.exchanges")


# ── asking, and what the answer says ──────────────────────────────────────────────────────────


async def ask(
    core: Core, row: ExchangeRow, question: Callable[[Partner, Grant], Awaitable[T]]
) -> T:
    """Ask the partner something under an exchange's grant, and keep what that says of its health.

    Raises InactiveExchange for an exchange that was removed, and the partner's PartnerError. No
    transaction is open while the partner works.
    """
    partner = core.partners.by_key(row.partner_key)
    grant = open_grant(core, row)
    try:
        answer = await question(partner, grant)
    except PartnerError as error:
        failure, now_ms = error, core.clock.now_ms()
        await _keep(core, row, lambda held: failed(held, failure, now_ms))
        raise
    now_ms = core.clock.now_ms()
    if needs_note(row, now_ms):
        await _keep(core, row, lambda held: seen_well(held, now_ms))
    return answer


def needs_note(row: ExchangeRow, now_ms: int) -> bool:
    stale = row.seen_well_at is None or now_ms - row.seen_well_at >= SEEN_EVERY_MS
    wrong = row.cause is not None and not announced(row, now_ms)
    return stale or wrong or row.status != "active"


def announced(row: ExchangeRow, now_ms: int) -> bool:
    """Whether nothing is wrong yet: the end of the consent is known, and the person was told."""
    ends_at = row.deadline_at
    return ends_at is not None and ends_at == row.consent_expires_at and now_ms < ends_at


def seen_well(row: ExchangeRow, now_ms: int) -> ExchangeRow:
    """The partner answered under the grant: whatever was wrong is over.

    An end that was announced is not: until then every answer is a good one. Who outlived it has had
    the consent renewed, and the new end is not known.
    """
    if announced(row, now_ms):
        return msgspec.structs.replace(row, seen_well_at=now_ms)
    ends_at = row.consent_expires_at
    return msgspec.structs.replace(
        row,
        status="active",
        seen_well_at=now_ms,
        consent_expires_at=None if ends_at is not None and ends_at <= now_ms else ends_at,
        cause=None,
        cause_code=None,
        cause_at=None,
        deadline_at=None,
    )


def failed(row: ExchangeRow, error: PartnerError, now_ms: int) -> ExchangeRow:
    """The partner did not answer as hoped; only what it says of the consent changes the state."""
    if isinstance(error, GrantRevoked):
        return gone(row, error.code, now_ms)
    if isinstance(error, ConsentLost | ProofRejected):
        return wanting(row, error.code, now_ms + GRACE_MS, now_ms)
    if isinstance(error, NotOffered) or row.cause == "person":
        return row
    if isinstance(error, PartnerRefused):
        return _because(row, "us", error.code, now_ms)
    bank = isinstance(error, PartnerUnavailable) and error.bank
    return _because(row, "bank" if bank else "partner", error.code, now_ms)


def wanting(row: ExchangeRow, code: str, deadline_at: int, now_ms: int) -> ExchangeRow:
    """The person must sign in by `deadline_at`. A deadline that is set is never put off."""
    earlier = deadline_at if row.deadline_at is None else min(row.deadline_at, deadline_at)
    due = None if row.status == "deactivated" else earlier
    return msgspec.structs.replace(
        _because(unannounced(row), "person", code, now_ms), deadline_at=due
    )


def ending(row: ExchangeRow, code: str, ends_at: int, now_ms: int) -> ExchangeRow:
    """The consent works until `ends_at`, and the person should renew it before."""
    if row.cause == "person" and not announced(row, now_ms):
        return wanting(row, code, ends_at, now_ms)  # it does not work even now
    told = msgspec.structs.replace(row, consent_expires_at=ends_at)
    return msgspec.structs.replace(wanting(told, code, ends_at, now_ms), consent_expires_at=ends_at)


def unannounced(row: ExchangeRow) -> ExchangeRow:
    """The end that was announced is no longer what counts: it came sooner, or is being put off."""
    if row.deadline_at is None or row.deadline_at != row.consent_expires_at:
        return row
    return msgspec.structs.replace(row, consent_expires_at=None)


def overdue(row: ExchangeRow, now_ms: int) -> ExchangeRow:
    if row.status != "active" or row.deadline_at is None or row.deadline_at > now_ms:
        return row
    return msgspec.structs.replace(row, status="deactivated", deadline_at=None)


def gone(row: ExchangeRow, code: str, now_ms: int) -> ExchangeRow:
    """An answer says that the consent is no more. Once is not enough to destroy a grant.

    A proxy's stray 404 reads like the partner's, so the same must be heard again CONFIRM_MS later;
    until then nothing is lost, and the next look is brought forward. A signed notice needs none.
    """
    again = row.cause == "person" and row.cause_code == code and row.cause_at is not None
    if again and now_ms - (row.cause_at or now_ms) >= CONFIRM_MS:
        return removed(row, code, now_ms)
    marked = row if again else _because(row, "person", code, now_ms)
    return msgspec.structs.replace(marked, checked_at=now_ms - CHECK_EVERY_MS + CONFIRM_MS)


def removed(row: ExchangeRow, code: str, now_ms: int) -> ExchangeRow:
    """Nothing can be done with the grant any more, so nobody needs to keep it."""
    return msgspec.structs.replace(
        _because(row, "person", code, now_ms), status="removed", grant_sealed=None, deadline_at=None
    )


def _because(row: ExchangeRow, cause: Cause, code: str, now_ms: int) -> ExchangeRow:
    since = row.cause_at if (row.cause, row.cause_code) == (cause, code) else now_ms
    return msgspec.structs.replace(row, cause=cause, cause_code=code, cause_at=since)


async def _keep(core: Core, row: ExchangeRow, change: Callable[[ExchangeRow], ExchangeRow]) -> None:
    """Apply `change` to the row as it now is, with the event and the audit entry it deserves."""

    async def apply(tx: Transaction) -> None:
        held = await store.hold(tx, row.app_id, row.id)
        if held is None or held.status == "removed":
            return
        fresh = change(held)
        if fresh == held:
            return
        await store.update(tx, fresh)
        await _tell(core, tx, held, fresh)

    await core.db.transact(apply)


async def _tell(core: Core, tx: Transaction, before: ExchangeRow, after: ExchangeRow) -> None:
    wanted = after.cause == "person" and before.cause != "person" and after.status == "active"
    if wanted and after.customer_id is not None:
        await events.record(
            core,
            tx,
            after.app_id,
            "customer_exchange_reauth_required",
            "exchanges",
            after.id,
            after.customer_id,
        )
    if (before.status, before.cause) != (after.status, after.cause):
        said = f"{after.status}: {after.cause or 'well'}"
        await audit.note(tx, after.app_id, "exchanges", after.id, said, core.clock.now_ms())


# ── notices, checks, deadlines ────────────────────────────────────────────────────────────────


async def heed(core: Core, partner_key: str, notice: Notice) -> int:
    """Do what a verified notice of a partner says; how many exchanges it was about.

    Only a loss is believed. That all is well again, or that something changed, is looked up: so a
    notice that is repeated later cannot undo what happened since.
    """
    rows = await store.list_of_consent(core.db, partner_key, notice.external_id)
    now_ms, code = core.clock.now_ms(), notice.partner_code
    for row in rows:
        await core.vault.ready(core.db, row.app_id)
        if notice.kind == "revoked":
            await _keep(core, row, lambda held: removed(held, code, now_ms))
        elif notice.kind == "reauth_required" and notice.deadline_at is not None:
            await _keep(
                core,
                row,
                lambda held, at=notice.deadline_at: ending(held, code, at, now_ms),  # type: ignore[misc]
            )
        elif notice.kind == "reauth_required":
            await _keep(core, row, lambda held: wanting(held, code, now_ms + GRACE_MS, now_ms))
        else:
            await check(core, row)
    return len(rows)


async def expect_repair(tx: Transaction, row: ExchangeRow) -> None:
    """The person is on the way to renew a consent: from now on a good answer says that they did."""
    held = await store.hold(tx, row.app_id, row.id)
    if held is not None and unannounced(held) != held:
        await store.update(tx, unannounced(held))


async def check(core: Core, row: ExchangeRow) -> None:
    """Ask the partner the least there is to ask, for the sake of the answer's health alone.

    A grant under which the funding source's account is no longer found is not well, however well it
    answers: the person who signed in again may have shared another account.
    """
    linked = await store.find_account(core.db, row)

    async def least(partner: Partner, grant: Grant) -> None:
        if partner.has(DescribesAccounts):
            shared = {account.external_id for account in await partner.list_accounts(grant)}
        elif partner.has(DescribesCards):
            shared = {(await partner.read_card(grant)).external_id}
        else:
            raise NotOffered("NOTHING_TO_ASK")
        if linked is not None and linked not in shared:
            raise ConsentLost(NOT_SHARED)

    try:
        await ask(core, row, least)
    except PartnerError as error:
        _log.info("exchange check", exchange=row.id, partner=row.partner_key, outcome=error.code)


async def drive(core: Core, row: ExchangeRow, verb: str) -> None:
    """Put an exchange into a state as if its partner had said so. Raises NotFound for no such verb.

    What was removed stays so: its grant is gone.
    """
    now_ms = core.clock.now_ms()
    changes: dict[str, Callable[[ExchangeRow], ExchangeRow]] = {
        "require-reauth": lambda held: wanting(held, SIMULATED, now_ms + GRACE_MS, now_ms),
        "deactivate": lambda held: overdue(wanting(held, SIMULATED, now_ms, now_ms), now_ms),
        "remove": lambda held: removed(held, SIMULATED, now_ms),
        "restore": lambda held: seen_well(held, now_ms),
    }
    if verb not in changes:
        raise NotFound(f"An exchange cannot {verb}; there are {', '.join(changes)}.")
    await _keep(core, row, changes[verb])


async def sweep(core: Core) -> int:
    """What time alone brings: warnings, deadlines and the daily check; how many rows it touched.

    Any number of processes may do this at once.
    """
    now_ms = core.clock.now_ms()
    soon = await store.list_ending(core.db, now_ms + LEAD_MS, ROWS_AT_ONCE)
    for row in soon:
        ends_at = row.consent_expires_at or now_ms
        await _keep(
            core,
            row,
            lambda held, at=ends_at: ending(held, "CONSENT_ENDING", at, now_ms),  # type: ignore[misc]
        )
    late = await store.list_overdue(core.db, now_ms, ROWS_AT_ONCE)
    for row in late:
        if row.deadline_at == row.consent_expires_at:
            # It worked until now, and may have been renewed without a word to us.
            await _look(core, row)
        await _keep(core, row, lambda held: overdue(held, now_ms))
    return len(soon) + len(late) + await _check_due(core, now_ms)


async def _check_due(core: Core, now_ms: int) -> int:
    due: Sequence[ExchangeRow] = await store.list_due(
        core.db, now_ms - CHECK_EVERY_MS, CHECKS_AT_ONCE
    )
    for row in due:
        if await core.db.transact(lambda tx, r=row: store.take_check(tx, r, now_ms)):  # type: ignore[misc]
            await _look(core, row)
    return len(due)


async def _look(core: Core, row: ExchangeRow) -> None:
    """Check one of many. One that cannot be checked, say because its partner is no longer there,
    does not stop the others.
    """
    try:
        await core.vault.ready(core.db, row.app_id)
        await check(core, row)
    except StoreFailed:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it is this exchange's
        _log.error(
            "check failed", exchange=row.id, partner=row.partner_key, error=type(error).__name__
        )
