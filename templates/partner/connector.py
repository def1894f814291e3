"""Acme, as the services see it.

Calls and meanings: docs/partners/acme.md.

REPLACE: the paths. Leave out the methods of what the partner does not have: a method that is there
is the capability (docs/partners/adding.md says what each is for).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.clock import Clock, SystemClock
from tallystick.partners.acme import messages as acme
from tallystick.partners.acme.inbound import Inbound
from tallystick.partners.acme.proof import AcmeCode
from tallystick.partners.acme.settings import AcmeSettings
from tallystick.partners.acme.wire import AcmeWire
from tallystick.partners.contract import (
    Account,
    Balance,
    Grant,
    Notice,
    Proof,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.errors import GrantRevoked, PartnerUnavailable, ProofRejected
from tallystick.partners.http import PartnerHttp


class Connector:
    """Every method raises a PartnerError and nothing else. None repeats a call."""

    def __init__(
        self, settings: AcmeSettings, http: PartnerHttp, clock: Clock | None = None
    ) -> None:
        self._base_url = settings.base_url
        self._wire = AcmeWire(settings, http)
        self._inbound = Inbound(settings.webhook_secret, clock or SystemClock())

    async def start_session(self, request: SessionRequest) -> SessionStarted:
        return await self._start(request, None)

    async def start_reauth(self, request: SessionRequest) -> SessionStarted:
        """The connection keeps its access token: the page gives no code this time."""
        if request.grant is None:
            raise GrantRevoked("NO_GRANT")
        return await self._start(request, request.grant.external_id)

    async def _start(self, request: SessionRequest, repairs: str | None) -> SessionStarted:
        body = acme.link_request(request, repairs)
        shown = await self._wire.call("POST", "/link-sessions", acme.LinkSession, json=body)
        return acme.session_started(shown, self._base_url)

    async def redeem(self, proof: Proof) -> Grant:
        """Works once, so nothing is awaited after the answer: it holds the only token."""
        if not isinstance(proof, AcmeCode):
            raise ProofRejected("UNKNOWN_KIND_OF_PROOF")
        body = {"code": proof.code}
        return acme.grant_of(await self._wire.call("POST", "/tokens", acme.Exchanged, json=body))

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        shown = await self._wire.call("GET", "/accounts", acme.Accounts, grant=grant)
        if shown.connection_id != grant.external_id:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return acme.accounts_of(shown)

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        path = f"/accounts/{account_external_id}/balance"
        shown = await self._wire.call("GET", path, acme.BalanceShown, grant=grant)
        if shown.account_id != account_external_id:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return acme.balance_of(shown)

    async def revoke(self, grant: Grant) -> None:
        """A connection that is already gone is a success."""
        try:
            await self._wire.call("DELETE", "/connection", acme.Message, grant=grant)
        except GrantRevoked:
            return

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return self._inbound.verify(headers, body)

    def translate(self, body: bytes) -> Sequence[Notice]:
        return self._inbound.translate(body)
