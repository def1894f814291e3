"""Speaks to Finicity as the processor of a consent receipt. Calls: docs/partners/finicity.md.

The accounts, the person and Connect belong to the integrator's own contract with Mastercard; we
see of them what the receipt opens. Hence what this connector does not do: it starts no session and
repairs none (Connect and Connect Fix are the integrator's), it is told nothing (`inbound`), and it
gives nothing back: only the integrator, who made the receipt, may delete it ("Clients use the
following APIs to manage consent receipts for processors").
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.clock import Clock, SystemClock
from tallystick.partners.contract import Account, Balance, Grant, Proof
from tallystick.partners.errors import GrantRevoked, PartnerError, PartnerRefused, ProofRejected
from tallystick.partners.finicity import messages as finicity
from tallystick.partners.finicity.proof import FinicityReceipt
from tallystick.partners.finicity.settings import FinicitySettings
from tallystick.partners.finicity.wire import FinicityWire, read, refusal
from tallystick.partners.http import PartnerHttp


class Connector:
    """Every method raises a PartnerError and nothing else. None of its calls acts at Finicity.

    An answer cannot be held against the ids that were asked for: it names none, or those of the
    integrator, for which the receipt only has stand-ins.
    """

    def __init__(
        self, settings: FinicitySettings, http: PartnerHttp, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._wire = FinicityWire(settings, http, self._clock)

    async def redeem(self, proof: Proof) -> Grant:
        """Check a receipt by using it: the account's numbers can be read, or it is refused.

        It only looks, so it may be repeated, but counts against the receipt's `maxCalls`.
        """
        if not isinstance(proof, FinicityReceipt):
            raise ProofRejected("UNKNOWN_KIND_OF_PROOF")
        held = finicity.read_receipt(proof, self._clock.now_ms())
        # All ids in the request come from the receipt, so that any complaint is about it.
        if not await self._accounts(held, gone=ProofRejected, wrong=ProofRejected):
            raise ProofRejected("NO_ACCOUNT_NUMBERS")
        return finicity.encode_grant(held)

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        """The account of the receipt, as a checking and as a savings account (`accounts_of`)."""
        return await self._accounts(finicity.decode_grant(grant))

    async def _accounts(
        self,
        held: finicity.Held,
        *,
        gone: type[PartnerError] = GrantRevoked,
        wrong: type[PartnerError] = PartnerRefused,
    ) -> Sequence[Account]:
        product = finicity.require_product(held, (finicity.MONEY_TRANSFER,), self._clock.now_ms())
        answer = await self._wire.get(_path(held, product))
        if not answer.ok:
            raise refusal(answer, gone, wrong)
        return finicity.accounts_of(held, read(answer, finicity.AchDetails))

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        """From the institution if the receipt allows it, else what Finicity last heard."""
        held = finicity.decode_grant(grant)
        if held.account_id != account_external_id:
            raise GrantRevoked("ACCOUNT_NOT_SHARED")
        wanted = (finicity.BALANCE_LIVE, finicity.BALANCE)
        product = finicity.require_product(held, wanted, self._clock.now_ms())
        answer = await self._wire.get(_path(held, product))
        if not answer.ok:
            raise refusal(answer, GrantRevoked)
        return finicity.balance_of(read(answer, finicity.AvailableBalance))


# Which call each product of a receipt opens.
_CALLS = {
    finicity.MONEY_TRANSFER: "details",
    finicity.BALANCE: "availableBalance",
    finicity.BALANCE_LIVE: "availableBalance/live",
}


def _path(held: finicity.Held, product: str) -> str:
    """What a processor calls with a receipt.

    Documented: it makes its own calls, with its own key and token, to the APIs whose products the
    receipt names ("Processor Steps"). Our reading: the receipt's `customerId` and `accountId`,
    which are stand-ins, go where the ids go, and nothing else of the receipt is sent.
    """
    base = f"/aggregation/v1/customers/{held.customer_id}/accounts/{held.account_id}"
    return f"{base}/{_CALLS[product]}"
