"""What Checkout.com does not have: finish the card fields without a browser, start over."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import to_iso
from tallystick.partners.checkout.simulator.cards import FIRST_NUMBER
from tallystick.partners.checkout.simulator.errors import invalid, not_found
from tallystick.partners.checkout.simulator.gate import read_object, text_of
from tallystick.partners.checkout.simulator.payments import Payments
from tallystick.partners.checkout.simulator.state import State
from tallystick.sandbox.kit import strange_member

_MEMBERS = ("handle", "card", "expiry_month", "expiry_year", "cvv", "name")


class Control:
    def __init__(self, state: State, payments: Payments) -> None:
        self._state = state
        self._payments = payments

    def routes(self) -> list[Route]:
        return [
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
        ]

    async def complete(self, request: Request) -> Response:
        """Enter a card as a person would and pay; answers with the proof, `{"token": "pay_…"}`.

        `handle` is the session's id; `card` (a test card's number), `expiry_month`, `expiry_year`,
        `cvv` and `name` are optional. Raises Refusal with what the page would have said.
        """
        body = await read_object(request)
        if said := strange_member(body, *_MEMBERS):
            raise invalid(said)
        session = self._state.shelf.get("session", text_of(body, "handle"))
        if session is None:
            raise not_found()
        this_year = int(to_iso(self._state.now_ms())[:4])
        card = {
            "type": "card",
            "number": body.get("card", FIRST_NUMBER),
            "expiry_month": body.get("expiry_month", 12),
            "expiry_year": body.get("expiry_year", this_year + 3),
            "cvv": body.get("cvv", "100"),
            "name": body.get("name"),
        }
        token = self._payments.create_token(card)["token"]
        secret = session["payment_session_secret"]
        paid = self._payments.pay(session["id"], {"payment_session_secret": secret, "token": token})
        if paid["status"] != "Approved":
            raise invalid("payment_declined", paid["decline_reason"])
        return JSONResponse({"token": paid["id"], "proof": {"token": paid["id"]}})

    async def reset(self, _request: Request) -> Response:
        self._state.shelf.clear()
        return Response(status_code=204)
