"""What Plaid does not have: finish Link without a browser, post any notice, start over."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.plaid.simulator.errors import Refusal, invalid
from tallystick.partners.plaid.simulator.fixtures import PASSWORD, USER
from tallystick.partners.plaid.simulator.gate import Body, read_object, read_strings
from tallystick.partners.plaid.simulator.journey import Journey
from tallystick.partners.plaid.simulator.state import State
from tallystick.sandbox.kit import strange_member

_FIRST_INSTITUTION = "ins_109508"
_MEMBERS = ("handle", "user", "password", "institution", "accounts", "mfa", "consent")


class Control:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/notice", self.notice, methods=["POST"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
        ]

    async def complete(self, request: Request) -> Response:
        """Walk Link as a person would, to its end or to where it would have stopped.

        `handle` is the link token; `user`, `password`, `institution`, `accounts` (names), `mfa`
        (an answer for each question, in order) and `consent` (at an OAuth bank) are optional.
        Raises Refusal with the error that Link would have shown.
        """
        body = await read_object(request)
        if said := strange_member(body, *_MEMBERS):
            raise invalid(said)
        journey = Journey.begin(self._state, _text(body, "handle"))
        try:
            _walk(journey, body)
        except Refusal:
            journey.exit()
            raise
        if journey.updates:
            return JSONResponse({"repaired": True})
        token = journey.session["public_token"]
        return JSONResponse({"publicToken": token, "proof": {"plaid": {"publicToken": token}}})

    async def notice(self, request: Request) -> Response:
        """Post any ITEM webhook, also what /sandbox/item/fire_webhook has not.

        Members: `item_id`, `webhook_code`.
        """
        body = await read_object(request)
        item = self._state.item(_text(body, "item_id"))
        if not self._state.notices.tell_item(item, _text(body, "webhook_code")):
            raise Refusal("SANDBOX_WEBHOOK_INVALID")
        return JSONResponse({"webhook_fired": True})

    async def reset(self, _request: Request) -> Response:
        self._state.reset()
        return Response(status_code=204)


def _walk(journey: Journey, body: Body) -> None:
    if journey.session["step"] == "consent":
        journey.agree()
    if journey.session["step"] == "institution":
        journey.select(_text(body, "institution", _FIRST_INSTITUTION))
    if journey.session["step"] == "oauth":
        journey.authorize(allowed=body.get("consent", True) is True)
    else:
        journey.log_in(_text(body, "user", USER), _text(body, "password", PASSWORD))
    answers = list(read_strings(body.get("mfa") or [], "mfa"))
    while journey.session["step"] == "mfa":
        journey.answer(_take(journey.mfa(), answers))
    if journey.session["step"] == "accounts":
        offered = [holding.name for holding in journey.offered()]
        wanted = body.get("accounts")
        names = offered if wanted is None else list(read_strings(wanted, "accounts"))
        journey.choose(names[:1] if wanted is None and journey.link["single"] else names)


def _take(asked: dict[str, Any], answers: list[str]) -> list[str]:
    """The next answers, one for each question. A way to get the code need not be named."""
    if asked["type"] == "device" and (
        not answers or answers[0] not in asked["prompts"][0]["options"]
    ):
        return [asked["prompts"][0]["options"][0]]
    taken = answers[: len(asked["prompts"])]
    del answers[: len(asked["prompts"])]
    return taken


def _text(body: Body, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    return value
