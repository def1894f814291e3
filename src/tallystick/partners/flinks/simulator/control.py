"""What Flinks does not have: finish Connect without a browser, read a bank again, start over."""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.flinks.simulator.connect import show_progress
from tallystick.partners.flinks.simulator.errors import Refusal, invalid_request
from tallystick.partners.flinks.simulator.fixtures import INSTITUTION, PASSWORD
from tallystick.partners.flinks.simulator.gate import read_object, text
from tallystick.partners.flinks.simulator.state import State
from tallystick.sandbox.kit import strange_member

# The only one with accounts that ACH can reach, and so the one to start with here.
DEFAULT_USER = "jane_doe_2_accounts"
_MEMBERS = ("handle", "user", "password", "institution", "accounts", "mfa")


class Control:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
        ]

    async def complete(self, request: Request) -> Response:
        """Walk Connect as a person would, to its end or to where it would have stopped.

        `institution`, `user`, `password`, `mfa` (a list of answers) and `accounts` (ids, kinds,
        titles or last digits) are all optional. Flinks has no session of ours, so that `handle`,
        which the gateway would send, is not looked at.
        """
        given = await read_object(request)
        if said := strange_member(given, *_MEMBERS):
            raise Refusal(422, "INVALID_REQUEST", said)
        asked = {
            "institution": INSTITUTION,
            "user": DEFAULT_USER,
            "password": PASSWORD,
            **given,
        }
        session = self._state.log_in(
            text(asked, "institution"), text(asked, "user"), text(asked, "password"), None
        )
        answers = asked.get("mfa") or []
        if not isinstance(answers, list):
            raise invalid_request("mfa is not a list.")
        for answer in answers:
            if session["asked"] is not None:
                session = self._state.answer(session, {session["asked"]: [answer]})
        if session["login_id"] is None:
            raise Refusal(422, "SECURITYRESPONSES_INCOMPLETE", str(session["asked"]))
        done = show_progress(self._state, session)
        chosen = _choose(done["accounts"], asked.get("accounts"))
        body = {
            "loginId": done["loginId"],
            "institution": INSTITUTION,
            "accountIds": chosen,
            "proof": {"token": self._pair(done["loginId"], chosen[0])},
        }
        return JSONResponse(body)

    def _pair(self, login_id: str, account_id: str) -> str:
        """What an integrator of Dwolla's makes of it: base64 of `AuthSecret:AccessToken`."""
        secret = self._state.new_partner("dwolla", "control")["secret"]
        token = self._state.share(login_id, account_id)["id"]
        return base64.b64encode(f"{secret}:{token}".encode()).decode()

    async def reset(self, _request: Request) -> Response:
        self._state.shelf.clear()
        return Response(status_code=204)


def _choose(accounts: list[dict[str, Any]], wanted: object) -> list[str]:
    """The accounts that `wanted` names; all if it is absent."""
    if wanted is None:
        return [account["id"] for account in accounts]
    if not isinstance(wanted, list) or not wanted:
        raise invalid_request("accounts is not a list of accounts.")
    chosen = []
    for name in wanted:
        found = [
            account["id"]
            for account in accounts
            if name in (account["id"], account["kind"], account["title"], account["mask"])
        ]
        if not found:
            raise Refusal(422, "INVALID_REQUEST", "There is no such account to choose.")
        chosen += found
    return chosen
