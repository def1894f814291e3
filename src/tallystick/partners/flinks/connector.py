"""Flinks, as the services see it. Calls and meanings: docs/partners/flinks.md.

It starts no sessions: an integrator links the account under its own contract with Flinks and hands
us the AuthSecret and the AccessToken, with which a partner of the integrator may look at one
account. It does not revoke: all calls that take access away are the integrator's, and deleting the
login would take it from the integrator as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.clock import Clock
from tallystick.partners.contract import Account, Balance, Grant, Notice, Proof
from tallystick.partners.errors import PartnerUnavailable, ProofRejected
from tallystick.partners.flinks import messages as flinks
from tallystick.partners.flinks.inbound import Inbound
from tallystick.partners.flinks.proof import FlinksPair
from tallystick.partners.flinks.settings import FlinksSettings
from tallystick.partners.flinks.wire import FlinksWire
from tallystick.partners.http import PartnerHttp


class Connector:
    """Every method raises a PartnerError and nothing else. None of its calls acts."""

    def __init__(
        self, settings: FlinksSettings, http: PartnerHttp, _clock: Clock | None = None
    ) -> None:
        self._wire = FlinksWire(http)
        self._inbound = Inbound(settings.webhook_secret)

    async def redeem(self, proof: Proof) -> Grant:
        """Look at what the pair opens: the pair itself is the grant, so this only looks.

        A pair that opens no account that ACH can reach is refused here, where the integrator can
        still choose another account.
        """
        if not isinstance(proof, FlinksPair):
            raise ProofRejected("UNKNOWN_KIND_OF_PROOF")
        read = proof.read()
        if read is None:
            raise ProofRejected("MALFORMED_TOKEN")
        pair = flinks.Pair(*read)
        opened = flinks.read_shared(await self._wire.open(pair, redeeming=True))
        if not flinks.us_accounts(opened.detail):
            raise ProofRejected("NO_US_ACCOUNT")
        return flinks.encode_grant(pair, opened)

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        """The US account under a grant."""
        return flinks.us_accounts(await self._open(grant))

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        """What Flinks read at its last refresh; a partner cannot ask for another."""
        return flinks.balance_of(await self._open(grant), account_external_id)

    async def _open(self, grant: Grant) -> flinks.Detail:
        opened = flinks.read_shared(await self._wire.open(flinks.decode_grant(grant)))
        if opened.login_id != grant.external_id:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return opened.detail

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return self._inbound.verify(headers, body)

    def translate(self, body: bytes) -> Sequence[Notice]:
        return self._inbound.translate(body)
