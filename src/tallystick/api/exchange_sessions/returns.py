"""The browser comes back from a partner's page to us, and we make the exchange (contract 7.9).

The text it brings along names the session and proves that we made it; a session is returned from
once. The person goes on to the address that was registered and that the session was started with,
with `exchange=<id>` or with one of three error codes, and nothing that the partner said.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

import structlog

from tallystick.api.exchange_sessions import store
from tallystick.api.exchange_sessions.store import ExchangeSessionRow
from tallystick.api.exchanges import service as exchanges
from tallystick.clock import MINUTE_MS
from tallystick.core import Core
from tallystick.errors import ApiError, NotFound, StoreFailed
from tallystick.ids import as_uuid
from tallystick.partners.contract import Partner, ReturnCode, Returned, ReturnsByRedirect
from tallystick.partners.errors import PartnerError
from tallystick.secret import Secret

# How long a person may take at the partner after the link to it has expired.
RETURN_MS = 30 * MINUTE_MS
FAILED: ReturnCode = "TEMPORARY_ERROR"
ABSENT = "There is no such session, or somebody came back from it before."

_log = structlog.get_logger("tallystick.sessions")


def state_of(core: Core, session_id: str) -> str:
    """The text that comes back: the session's id, and a keyed hash that only we can make."""
    return f"{session_id}.{core.vault.hash(f'return{session_id}'.encode()).hex()}"


async def come_back(core: Core, partner: Partner, query: Mapping[str, str]) -> str:
    """Finish a session; where the browser goes on to.

    Raises NotFound for a text that is not ours or was used, since then there is nowhere to go.
    """
    if not partner.has(ReturnsByRedirect):
        raise NotFound
    try:
        returned = partner.read_return(query)
    except PartnerError:
        raise NotFound(ABSENT) from None
    row = await _session(core, partner, returned.state)
    now_ms = core.clock.now_ms()
    if not await core.db.transact(lambda tx: store.mark_returned(tx, row.id, now_ms)):
        raise NotFound(ABSENT)
    return _onward(row, await _outcome(core, partner, row, returned))


async def _session(core: Core, partner: Partner, state: str) -> ExchangeSessionRow:
    session_id = as_uuid(state.partition(".")[0]) or ""
    row = None
    if hmac.compare_digest(state_of(core, session_id).encode(), state.encode()):
        row = await store.find_any(core.db, session_id)
    if row is None or row.partner_key != partner.manifest.key or row.redirect_url is None:
        raise NotFound(ABSENT)
    return row


async def _outcome(
    core: Core, partner: Partner, row: ExchangeSessionRow, returned: Returned
) -> dict[str, str]:
    late = core.clock.now_ms() >= row.expires_at + RETURN_MS
    if returned.proof is None or row.customer_id is None or late:
        return {"error": returned.error or FAILED}
    try:
        await core.vault.ready(core.db, row.app_id)
        if row.exchange_id is not None:
            await exchanges.look_again(core, row.app_id, row.exchange_id)
            return {"exchange": row.exchange_id}
        # Only we know whom the session was started for; the query could say anything.
        proof = returned.proof.opened(Secret(row.customer_id))
        made = await exchanges.redeem(core, row.app_id, row.customer_id, partner, proof)
    except ApiError as error:
        _log.warning("return failed", session=row.id, partner=row.partner_key, code=error.code)
        return {"error": "AUTHENTICATION_ERROR" if error.status < 500 else FAILED}
    except StoreFailed as error:
        _log.error("return failed", session=row.id, partner=row.partner_key, error=str(error))
        return {"error": FAILED}
    return {"exchange": (made.path or "").rpartition("/")[2]}


def _onward(row: ExchangeSessionRow, result: Mapping[str, str]) -> str:
    url = row.redirect_url or ""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(result)}"
