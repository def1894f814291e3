"""Making, finding, listing and changing customers.

Nobody is verified here: in sandbox a verified customer's first name says how verification ends, as
in Dwolla's (contract 6.9); otherwise it succeeds at once. Numbers of persons (ssn, passport, ein,
date of birth) are checked and then forgotten: what is not stored cannot be stolen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tallystick.api.customers import store
from tallystick.api.customers.changes import Change, change_of
from tallystick.api.customers.rules import check
from tallystick.api.customers.store import CustomerRow, Filter
from tallystick.api.customers.wire import Controller, Details, PostedBase
from tallystick.api.events import service as events
from tallystick.core import Core, Principal
from tallystick.errors import BadRequest, FieldError, NotFound, ValidationFailed
from tallystick.store import idempotency
from tallystick.store.db import Taken, Transaction
from tallystick.store.idempotency import Claim, Outcome

ABSENT = "Customer not found."
DUPLICATE_EMAIL = FieldError(
    "Duplicate", "A customer with the specified email already exists.", "/email"
)
DUPLICATE_CORRELATION = FieldError(
    "Duplicate", "A customer with the specified correlationId already exists.", "/correlationId"
)

# The first names that steer verification in Dwolla's sandbox (contract 6.9).
_MAGIC = ("verified", "retry", "kba", "document", "suspended")

_VERIFICATION: dict[str, events.Topic] = {
    "verified": "customer_verified",
    "retry": "customer_reverification_needed",
    "kba": "customer_kba_verification_needed",
    "document": "customer_verification_document_needed",
    "suspended": "customer_suspended",
}


# Verification has not come to its end: more is wanted of the customer.
UNDECIDED = ("retry", "document")


class Changed(NamedTuple):
    row: CustomerRow
    topics: tuple[events.Topic, ...]


async def require(core: Core, principal: Principal, customer_id: str, hint: str = "") -> None:
    """Raises NotFound, its text ending in `hint`, where the application has no such customer."""
    if not await store.exists(core.db, principal.app_id, customer_id):
        raise NotFound(f"{NotFound.default} {hint}".strip())


async def find(core: Core, app_id: str, customer_id: str) -> CustomerRow:
    """Raises NotFound in the words of the customer's own operations."""
    row = await store.find(core.db, app_id, customer_id)
    if row is None:
        raise NotFound(ABSENT)
    return row


async def list_newest(
    core: Core, app_id: str, narrowed: Filter, limit: int, offset: int
) -> tuple[list[CustomerRow], int]:
    """One page, newest first, and how many there are in all."""
    return await store.list_newest(core.db, app_id, narrowed, limit, offset)


async def create(core: Core, principal: Principal, body: Any, claim: Claim | None) -> Outcome:
    """Make a customer; the answer to give.

    Raises BadRequest, Conflict, and ValidationFailed with everything that is wrong, an address that
    is taken included.
    """
    posted, errors = check(body, core.clock.now_ms())
    errors += await _taken(core, principal.app_id, body, errors)
    if posted is None or errors:
        raise ValidationFailed(errors=errors)
    row = _row(core, principal.app_id, posted)
    outcome = Outcome(201, f"/customers/{row.id}", b"")

    async def add(tx: Transaction) -> bool:
        await idempotency.claim_key(tx, claim, row.created_at)
        if not await store.add(tx, row):
            raise Taken
        await _record(core, tx, row, "customer_created")
        if row.status in _VERIFICATION:
            await _record(core, tx, row, _VERIFICATION[row.status])
        await idempotency.settle(tx, core.vault, claim, outcome)
        return True

    try:
        await core.db.transact(add)
    except Taken:
        # Somebody was faster since we looked.
        errors = await _taken(core, principal.app_id, body, [])
        raise ValidationFailed(errors=errors or [DUPLICATE_EMAIL]) from None
    return outcome


async def update(
    core: Core,
    principal: Principal,
    customer_id: str,
    body: Any,
    claim: Claim | None,
    answer: Any,
) -> Outcome:
    """Change a customer; `answer(row)` makes the body of the answer from what it then is.

    Raises NotFound, BadRequest, Conflict, InvalidResourceState and ValidationFailed.
    """
    now_ms = core.clock.now_ms()

    async def apply(tx: Transaction) -> Outcome:
        row = await store.hold(tx, principal.app_id, customer_id)
        if row is None:
            raise NotFound(ABSENT)
        await idempotency.claim_key(tx, claim, now_ms)
        changed = _changed(row, change_of(row, body, now_ms))
        if await store.has_email(tx, row.app_id, changed.row.email_folded, but=row.id):
            raise ValidationFailed(errors=[DUPLICATE_EMAIL])
        await store.update(tx, changed.row)
        for topic in changed.topics:
            await _record(core, tx, changed.row, topic)
        outcome = Outcome(200, None, answer(changed.row))
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    try:
        return await core.db.transact(apply)
    except Taken:
        raise ValidationFailed(errors=[DUPLICATE_EMAIL]) from None


async def direct(
    core: Core, app_id: str, customer_id: str, directive: str, claim: Claim | None, answer: bytes
) -> Outcome:
    """Have a business in UNDECIDED show what verification is told to say; the answer to give.

    Raises Conflict, and BadRequest for any other customer (contract 6.9 names no other error).
    """

    async def apply(tx: Transaction) -> Outcome:
        row = await store.hold(tx, app_id, customer_id)
        if row is None or row.type != "business" or row.status not in UNDECIDED:
            raise BadRequest
        await idempotency.claim_key(tx, claim, core.clock.now_ms())
        await store.update(tx, msgspec.structs.replace(row, directive=directive))
        outcome = Outcome(200, None, answer)
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await core.db.transact(apply)


async def _taken(core: Core, app_id: str, body: Any, errors: list[FieldError]) -> list[FieldError]:
    """Duplicates among the members that are well formed."""
    wrong = {error.path for error in errors}
    found = []
    email = body.get("email")
    if "/email" not in wrong and await store.has_email(core.db, app_id, str(email).lower()):
        found.append(DUPLICATE_EMAIL)
    correlation = body.get("correlationId")
    if (
        correlation is not None
        and "/correlationId" not in wrong
        and await store.has_correlation(core.db, app_id, correlation)
    ):
        found.append(DUPLICATE_CORRELATION)
    return found


async def _record(core: Core, tx: Transaction, row: CustomerRow, topic: events.Topic) -> None:
    await events.record(core, tx, row.app_id, topic, "customers", row.id, row.id)


def _row(core: Core, app_id: str, posted: PostedBase) -> CustomerRow:
    return CustomerRow(
        id=core.ids.new(),
        app_id=app_id,
        type=posted.type,
        status=_first_status(posted),
        status_before=None,
        first_name=posted.first_name,
        last_name=posted.last_name,
        email=posted.email,
        email_folded=posted.email.lower(),
        business_name=getattr(posted, "business_name", None),
        correlation_id=posted.correlation_id,
        details=_details(posted),
        created_at=core.clock.now_ms(),
    )


def _first_status(posted: PostedBase) -> str:
    if posted.type in ("unverified", "receive-only"):
        return "unverified"
    magic = posted.first_name
    if magic == "kba" and posted.type == "business":
        return "verified"  # only persons are asked questions (contract 6.2)
    return magic if magic in _MAGIC else "verified"


def _details(posted: PostedBase) -> str:
    """What is kept of the rest: everything but the numbers of persons."""
    given = {
        name: getattr(posted, name)
        for name in Details.__struct_fields__
        if name != "controller" and hasattr(posted, name)
    }
    controller = getattr(posted, "controller", None)
    if controller is not None:
        kept = msgspec.to_builtins(controller)
        given["controller"] = msgspec.convert(kept, Controller)
    return msgspec.json.encode(Details(**given)).decode()


def _changed(row: CustomerRow, change: Change) -> Changed:
    """The row after a change, and what it is told as."""
    if change.status is not None:
        return _with_status(row, change.status)
    if change.posted is not None:
        posted = change.posted
        status = _first_status(posted)
        fresh = msgspec.structs.replace(
            row,
            type=posted.type,
            status=status,
            first_name=posted.first_name,
            last_name=posted.last_name,
            email=posted.email,
            email_folded=posted.email.lower(),
            business_name=getattr(posted, "business_name", None),
            details=_details(posted),
            directive=None,
        )
        topics = (_VERIFICATION[status],) if status in _VERIFICATION else ()
        return Changed(fresh, topics)
    edited = msgspec.structs.replace(row, **change.columns)
    if "email" in change.columns:
        edited = msgspec.structs.replace(edited, email_folded=edited.email.lower())
    if change.details:
        details = msgspec.json.decode(row.details) | change.details
        edited = msgspec.structs.replace(edited, details=msgspec.json.encode(details).decode())
    return Changed(edited, ())


def _with_status(row: CustomerRow, status: str) -> Changed:
    if status == "reactivated":
        # Who was suspended by verification itself was nothing before; activating verifies them.
        unverified = row.type in ("unverified", "receive-only")
        back = row.status_before or ("unverified" if unverified else "verified")
        fresh = msgspec.structs.replace(row, status=back, status_before=None)
        return Changed(fresh, ("customer_activated",))
    fresh = msgspec.structs.replace(
        row, status=status, status_before=row.status_before or row.status
    )
    topic: events.Topic = "customer_suspended" if status == "suspended" else "customer_deactivated"
    return Changed(fresh, (topic,))
