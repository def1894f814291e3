"""The balance of a funding source, asked for through its exchange (contract 6.4)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.api.exchanges import service as exchanges
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.core import Core
from tallystick.errors import InvalidExchange, UnsupportedOperation, UpdateCredentials
from tallystick.partners.contract import Balance, ReadsBalances
from tallystick.partners.errors import ConsentLost
from tallystick.partners.explain import explained

NO_TYPE = "Retrieving the balance is not supported for this type of funding source."
NO_PARTNER = "Balance Check is not supported by your exchange partner."


async def read(core: Core, row: FundingSourceRow) -> Balance:
    """Ask the partner, also under an exchange that was deactivated: it may have been repaired.

    Raises UnsupportedOperation, UpdateCredentials with the way out, InvalidExchange when
    the consent is gone, and what `explained` makes of the partner's other errors.
    """
    if row.exchange_id is None or row.account_external_id is None or row.removed:
        raise UnsupportedOperation(NO_TYPE)
    exchange = await exchanges.find(core, row.app_id, row.exchange_id)
    partner = core.partners.by_key(exchange.partner_key)
    if not partner.has(ReadsBalances):
        raise UnsupportedOperation(NO_PARTNER)
    if exchange.status == "removed":
        raise InvalidExchange
    account_id = row.account_external_id
    with explained(partner):
        try:
            return await exchanges.ask(
                core, exchange, lambda partner, grant: partner.read_balance(grant, account_id)
            )
        except ConsentLost as error:
            about = ("exchanges", exchange.id, "exchange-sessions")
            raise UpdateCredentials(about=about) from error


async def readable(core: Core, app_id: str, rows: Sequence[FundingSourceRow]) -> frozenset[str]:
    """The ids of those among `rows` whose balance can be asked for, if their consent is alive."""
    found = set()
    for row in rows:
        if row.exchange_id is None or row.account_external_id is None or row.removed:
            continue
        exchange = await exchanges.find(core, app_id, row.exchange_id)
        if core.partners.by_key(exchange.partner_key).has(ReadsBalances):
            found.add(row.id)
    return frozenset(found)
