"""Authorization codes, and what a payment processor does with one.

The client asks for a code and hands it to the processor; the processor makes an access token of it
(`POST /token`, MX "How-to Guide for Processors"; an older edition of that page says
`/payment_processor_token`) and reads the one account with it. A code works once, a token 60 days.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import DAY_MS, to_iso
from tallystick.ids import base62
from tallystick.partners.mx.simulator.errors import bad_request, unauthorized, unprocessable
from tallystick.partners.mx.simulator.gate import check_basic, read_bearer, read_object, say
from tallystick.partners.mx.simulator.state import Document, State
from tallystick.partners.mx.simulator.wire import paginate, show_member, show_numbers, show_owner

TOKEN_LIFE_MS = 60 * DAY_MS

_SUBJECTS = ("user", "member", "account")
_FEATURE = re.compile(r"[a-z]+(?:-[a-z]+)*", re.ASCII)

# One processor is all there is here.
_PROCESSOR_GUID = "PPR-4d7c0a92-86e1-4f35-b0c9-1a2e57d3f846"


class Processor:
    def __init__(self, state: State) -> None:
        self._state = state
        self._shelf = state.shelf

    def routes(self) -> list[Route]:
        get, post = ["GET"], ["POST"]
        return [
            Route("/authorization_code", self.authorize, methods=post),
            Route("/payment_processor_authorization_code", self.authorize_account, methods=post),
            Route("/token", self.redeem, methods=post),
            Route("/payment_processor_token", self.redeem, methods=post),
            Route("/tokens", self.list_tokens, methods=get),
            Route("/account/account_numbers", self.read_numbers, methods=get),
            Route("/account/check_balance", self.check_balance, methods=post),
            Route("/account/account_owners", self.read_owners, methods=get),
            # The OpenAPI document gives the owners this path, surely by mistake; both answer.
            Route("/account/transactions", self.read_owners, methods=get),
            Route("/payment_account", self.read_payment_account, methods=get),
        ]

    # The client's side

    async def authorize(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        asked = await read_object(request, "authorization_code")
        scope = asked.get("scope")
        if not isinstance(scope, str):
            raise bad_request("scope is missing.")
        code = self._issue(read_scope(scope), scope)
        return say(request, {"authorization_code": {"code": code}})

    async def authorize_account(self, request: Request) -> Response:
        """The deprecated form of the same."""
        check_basic(self._state.kit, request)
        name = "payment_processor_authorization_code"
        asked = await read_object(request, name)
        subjects = {subject: asked.get(f"{subject}_guid") for subject in _SUBJECTS}
        if not all(isinstance(guid, str) for guid in subjects.values()):
            raise bad_request("user_guid, member_guid and account_guid are required.")
        named = {subject: str(guid) for subject, guid in subjects.items()}
        scope = " ".join(f"{subject}-guid:{guid}" for subject, guid in named.items())
        code = self._issue(named, f"{scope} read-protected")
        return say(request, {name: {"authorization_code": code}})

    def _issue(self, subjects: dict[str, str], scope: str) -> str:
        user = self._state.user(subjects["user"])
        member = self._state.member(user["guid"], subjects["member"])
        account = self._state.account(user["guid"], subjects["account"])
        if account["member_guid"] != member["guid"]:
            raise unprocessable("The account is not one of the member's.")
        if not account["has_numbers"]:
            raise unprocessable("The member has not been verified.")
        code = base62(self._state.kit.entropy, 43)
        document = {
            "key": code,
            "user_guid": user["guid"],
            "member_guid": member["guid"],
            "account_guid": account["guid"],
            "scope": scope,
            "created_at": self._state.kit.clock.now_ms(),
        }
        self._shelf.put("code", code, document)
        return code

    async def list_tokens(self, request: Request) -> Response:
        """The tokens of a user, member or account, named in the body of a GET as MX has it.

        MX's own Python client sends no body with a GET; it is shown all tokens.
        """
        check_basic(self._state.kit, request)
        length = request.headers.get("content-length", "0")
        asked = await read_object(request, "scope") if length != "0" else {}
        wanted = {f"{s}_guid": asked[f"{s}_guid"] for s in _SUBJECTS if f"{s}_guid" in asked}
        now = self._state.kit.clock.now_ms()
        shown = [
            {
                "payment_processor_guid": _PROCESSOR_GUID,
                "expires_at": to_iso(token["expires_at"]),
                "access_token": token["key"][:5] + "...",
                "active": now < token["expires_at"],
            }
            for token in self._shelf.all("access", **wanted)
        ]
        return say(request, {"tokens": shown})

    # The processor's side

    async def redeem(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        if request.query_params.get("grant_type") != "authorization_code":
            raise bad_request("grant_type is not authorization_code.")
        code = self._shelf.get("code", request.query_params.get("code", ""))
        if code is None:
            raise unauthorized("The authorization code is unknown or has been used.")
        now = self._state.kit.clock.now_ms()
        token = base62(self._state.kit.entropy, 43)
        document = {**code, "key": token, "created_at": now, "expires_at": now + TOKEN_LIFE_MS}
        with self._shelf.together():
            self._shelf.drop("code", code["key"])
            self._shelf.put("access", token, document)
        body = {
            "access_token": token,
            "expires_at": None,
            "scope": code["scope"],
            "token_type": "Bearer",
        }
        return say(request, body)

    def _enter(self, request: Request) -> tuple[Document, Document, Document]:
        """The user, member and account that the caller's token opens. Raises Refusal (401)."""
        token = self._shelf.get("access", read_bearer(request))
        if token is None or self._state.kit.clock.now_ms() >= token["expires_at"]:
            raise unauthorized("The access token is unknown or has expired.")
        user = self._state.user(token["user_guid"])
        member = self._state.member(user["guid"], token["member_guid"])
        return user, member, self._state.account(user["guid"], token["account_guid"])

    async def read_numbers(self, request: Request) -> Response:
        _, _, account = self._enter(request)
        numbers = show_numbers(account)
        # Whole numbers here, text on the client's side: so the OpenAPI document.
        for name in ("account_number", "routing_number"):
            numbers[name] = int(numbers[name])
        return JSONResponse({"account_numbers": [numbers]})

    async def check_balance(self, request: Request) -> Response:
        user, member, _ = self._enter(request)
        member = self._state.aggregate(member)
        return JSONResponse({"member": show_member(member, user, None)})

    async def read_owners(self, request: Request) -> Response:
        _, member, account = self._enter(request)
        owners: list[Any] = [show_owner(account)] if member["identified"] else []
        return JSONResponse(paginate(request, "account_owners", owners))

    async def read_payment_account(self, request: Request) -> Response:
        user, member, account = self._enter(request)
        shown = {
            "account_guid": account["guid"],
            "account_name": account["name"],
            "account_number": account["number"],
            "account_type": account["kind"].upper(),
            "available_balance": account["available_cents"] / 100,
            "balance": account["current_cents"] / 100,
            "created_at": to_iso(account["created_at"]),
            "member_guid": member["guid"],
            "routing_number": account["routing"],
            "transit_number": None,
            "updated_at": to_iso(member["successfully_aggregated_at"]),
            "user_guid": user["guid"],
        }
        return JSONResponse({"payment_account": shown})


def read_scope(scope: str) -> dict[str, str]:
    """The guids in `user-guid:USR-… member-guid:MBR-… account-guid:ACT-… read-protected`.

    Features follow the guids; which ones exist is not documented, so any word is taken. Raises
    Refusal (400).
    """
    subjects: dict[str, str] = {}
    for part in scope.split():
        name, colon, guid = part.partition(":")
        subject = name.removesuffix("-guid")
        if colon and name.endswith("-guid") and subject in _SUBJECTS and subject not in subjects:
            subjects[subject] = guid
        elif colon or not _FEATURE.fullmatch(part):
            raise bad_request(f"{part!r} does not belong in a scope.")
    if missing := set(_SUBJECTS) - subjects.keys():
        raise bad_request(f"scope lacks {min(missing)}-guid.")
    return subjects
