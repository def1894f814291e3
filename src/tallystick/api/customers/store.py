"""The table `customer`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallystick.store import tally
from tallystick.store.db import Reads, Statement, Transaction, Value

_COLUMNS = (
    "id, app_id, type, status, status_before, first_name, last_name, email, email_folded,"
    " business_name, correlation_id, details, created_at, directive"
)
_ADD = Statement(
    f"INSERT INTO customer ({_COLUMNS})"
    " VALUES (:id, :app_id, :type, :status, :status_before, :first_name, :last_name, :email,"
    " :email_folded, :business_name, :correlation_id, :details, :created_at, :directive)"
    " ON CONFLICT DO NOTHING"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM customer WHERE app_id = :app_id AND id = :id")
# Found in an index alone.
_EXISTS = Statement("SELECT 1 FROM customer WHERE app_id = :app_id AND id = :id")
# Changes nothing, but until the transaction ends nobody else changes the row: SQLite has no
# SELECT … FOR UPDATE, and READ COMMITTED would let two callers overwrite each other.
_HOLD = Statement("UPDATE customer SET status = status WHERE app_id = :app_id AND id = :id")
_UPDATE = Statement(
    "UPDATE customer SET type = :type, status = :status, status_before = :status_before,"
    " first_name = :first_name, last_name = :last_name, email = :email,"
    " email_folded = :email_folded, business_name = :business_name, details = :details,"
    " directive = :directive"
    " WHERE app_id = :app_id AND id = :id"
)
_BY_EMAIL = Statement(
    "SELECT id FROM customer WHERE app_id = :app_id AND email_folded = :email_folded"
)
_BY_CORRELATION = Statement(
    "SELECT id FROM customer WHERE app_id = :app_id AND correlation_id = :correlation_id"
)

# `:search` is empty, or a folded pattern; the seven statuses are those asked for.
_MATCHES = (
    " AND (:search = '' OR lower(first_name || ' ' || last_name) LIKE :search ESCAPE '!'"
    " OR lower(coalesce(business_name, '')) LIKE :search ESCAPE '!'"
    " OR email_folded LIKE :search ESCAPE '!')"
    " AND (:any_status = 1 OR status IN (:s0, :s1, :s2, :s3, :s4, :s5, :s6))"
)
_PAGE = " ORDER BY id DESC LIMIT :limit OFFSET :offset"
# These walk all customers of the application; an address is at most one of them.
_LIST = Statement(
    f"SELECT {_COLUMNS} FROM customer WHERE app_id = :app_id{_MATCHES}{_PAGE}", walks=True
)
_COUNT = Statement(f"SELECT count(*) FROM customer WHERE app_id = :app_id{_MATCHES}", walks=True)
_OF_EMAIL = f" FROM customer WHERE app_id = :app_id AND email_folded = :email_folded{_MATCHES}"
_LIST_OF_EMAIL = Statement(f"SELECT {_COLUMNS}{_OF_EMAIL}{_PAGE}")
_COUNT_OF_EMAIL = Statement(f"SELECT count(*){_OF_EMAIL}")
_ALL = f"SELECT {_COLUMNS} FROM customer WHERE app_id = :app_id{_PAGE}"
_NEAR, _FAR = Statement(_ALL), Statement(_ALL, walks=True)
_KIND = "customers"

# The longest text that is looked through has 255 characters, and in lower case up to twice as many.
# SQLite refuses a pattern of more than 50,000 bytes.
SEARCH_CHARS_MAX = 2 * 255

STATUSES = ("unverified", "verified", "retry", "kba", "document", "suspended", "deactivated")


class CustomerRow(msgspec.Struct, frozen=True):
    """`status_before` is what a suspended or deactivated customer returns to.

    `details` is the JSON of `wire.Details`. `directive` is the code of what verification was told
    to say is wrong (contract 6.9).
    """

    id: str
    app_id: str
    type: str
    status: str
    status_before: str | None
    first_name: str
    last_name: str
    email: str
    email_folded: str
    business_name: str | None
    correlation_id: str | None
    details: str
    created_at: int
    directive: str | None = None


class Filter(msgspec.Struct, frozen=True):
    """What a list is narrowed to; empty members do not narrow."""

    search: str = ""
    email: str = ""
    statuses: Sequence[str] = ()

    @property
    def narrows(self) -> bool:
        return bool(self.search or self.email or self.statuses)

    def values(self) -> dict[str, Value]:
        escaped = self.search.lower()
        for special in "!%_":
            escaped = escaped.replace(special, f"!{special}")
        return {
            "search": f"%{escaped}%" if escaped else "",
            **({"email_folded": self.email.lower()} if self.email else {}),
            "any_status": 0 if self.statuses else 1,
            **{
                f"s{number}": status if status in self.statuses else ""
                for number, status in enumerate(STATUSES)
            },
        }


async def add(tx: Transaction, row: CustomerRow) -> bool:
    """False when the e-mail address or the correlation id is taken."""
    added = await tx.run(_ADD, **msgspec.structs.asdict(row)) > 0
    if added:
        await tally.add(tx, row.app_id, _KIND, row.id)
    return added


async def find(reads: Reads, app_id: str, customer_id: str) -> CustomerRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=customer_id)
    return CustomerRow(*row) if row else None


async def exists(reads: Reads, app_id: str, customer_id: str) -> bool:
    return await reads.one(_EXISTS, app_id=app_id, id=customer_id) is not None


async def hold(tx: Transaction, app_id: str, customer_id: str) -> CustomerRow | None:
    """The row, which nobody else changes until the transaction ends."""
    await tx.run(_HOLD, app_id=app_id, id=customer_id)
    return await find(tx, app_id, customer_id)


async def update(tx: Transaction, row: CustomerRow) -> None:
    values = msgspec.structs.asdict(row)
    del values["correlation_id"], values["created_at"]
    await tx.run(_UPDATE, **values)


async def has_email(reads: Reads, app_id: str, email_folded: str, but: str = "") -> bool:
    """True if a customer other than `but` has this address."""
    row = await reads.one(_BY_EMAIL, app_id=app_id, email_folded=email_folded)
    return row is not None and row[0] != but


async def has_correlation(reads: Reads, app_id: str, correlation_id: str) -> bool:
    row = await reads.one(_BY_CORRELATION, app_id=app_id, correlation_id=correlation_id)
    return row is not None


async def list_newest(
    reads: Reads, app_id: str, narrowed: Filter, limit: int, offset: int
) -> tuple[list[CustomerRow], int]:
    """One page, and how many there are in all."""
    if not narrowed.narrows:
        rows, total = await tally.page(reads, (_NEAR, _FAR), app_id, _KIND, limit, offset)
        return [CustomerRow(*row) for row in rows], total
    if len(narrowed.search) > SEARCH_CHARS_MAX:
        return [], 0
    matching, counting = (_LIST_OF_EMAIL, _COUNT_OF_EMAIL) if narrowed.email else (_LIST, _COUNT)
    values = {"app_id": app_id, **narrowed.values()}
    rows = await reads.all(matching, **values, limit=limit, offset=offset)
    counted = await reads.one(counting, **values)
    return [CustomerRow(*row) for row in rows], counted[0] if counted else 0
