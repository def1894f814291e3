"""Checkout.com, as the services see it. Calls and meanings: docs/partners/checkout.md.

A session is a payment of nothing. The person enters the card into Checkout.com's own fields, which
pay it; the payment's id is the proof, and the card that it stored is the grant. No card number ever
comes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.clock import Clock, SystemClock
from tallystick.ids import SystemEntropy, uuid4
from tallystick.partners.checkout import messages as checkout
from tallystick.partners.checkout.inbound import Inbound
from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.checkout.wire import CheckoutWire, read
from tallystick.partners.contract import (
    Card,
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
        self, settings: CheckoutSettings, http: PartnerHttp, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._entropy = SystemEntropy()
        self._wire = CheckoutWire(settings, http)
        self._inbound = Inbound(settings.webhook_secret)

    async def start_session(self, request: SessionRequest) -> SessionStarted:
        """A payment session of nothing, for half an hour.

        The idempotency key is for whoever stands between: Checkout.com does not list this call
        among those that heed it, and we never send it twice.
        """
        now_ms = self._clock.now_ms()
        answer = await self._wire.call(
            "POST",
            "/payment-sessions",
            json=checkout.session_request(self._settings, request, now_ms),
            idempotency_key=uuid4(self._entropy),
        )
        return checkout.session_started(read(answer, checkout.PaymentSession), now_ms)

    async def redeem(self, proof: Proof) -> Grant:
        """Look at the payment; that it works once is for the service to see to.

        A text that is no payment id is refused without a call, so that a secret pasted into the
        wrong member goes nowhere.
        """
        if not isinstance(proof, CheckoutPayment):
            raise ProofRejected("UNKNOWN_KIND_OF_PROOF")
        if not checkout.is_payment_id(proof.token):
            raise ProofRejected("NOT_A_PAYMENT_ID")
        answer = await self._wire.call("GET", f"/payments/{proof.token}", gone=ProofRejected)
        return checkout.grant(read(answer, checkout.Payment), proof.token)

    async def read_card(self, grant: Grant) -> Card:
        """The card as it is stored now; the issuer's country and the kind are told, not judged."""
        held = checkout.opened(grant)
        path = f"/instruments/{held.instrument_id}"
        answer = await self._wire.call("GET", path, gone=GrantRevoked)
        instrument = read(answer, checkout.Instrument)
        if instrument.id != held.instrument_id:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        if checkout.is_complete(instrument):
            return checkout.card(instrument)
        return checkout.card(instrument, await self._metadata(instrument))

    async def _metadata(self, instrument: checkout.Instrument) -> checkout.CardMetadata:
        """What the network says of the card. A POST that only looks."""
        asked = {"source": {"type": "id", "id": instrument.id}, "format": "basic"}
        answer = await self._wire.call("POST", "/metadata/card", json=asked, gone=GrantRevoked)
        metadata = read(answer, checkout.CardMetadata)
        if metadata.bin[:6] != instrument.bin[:6]:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return metadata

    async def revoke(self, grant: Grant) -> None:
        """Delete the stored card."""
        path = f"/instruments/{checkout.opened(grant).instrument_id}"
        try:
            await self._wire.call("DELETE", path, gone=GrantRevoked)
        except GrantRevoked:
            return

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return self._inbound.verify(headers, body)

    def translate(self, body: bytes) -> Sequence[Notice]:
        return self._inbound.translate(body)
