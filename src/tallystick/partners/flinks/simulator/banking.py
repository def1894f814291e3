"""`/v3/{customer}/BankingServices`: open a session, read accounts, forget a login."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import SECOND_MS
from tallystick.partners.flinks.simulator.errors import access_denied, invalid_request, no_session
from tallystick.partners.flinks.simulator.gate import (
    check_customer,
    check_secret,
    flag,
    read_object,
    text,
)
from tallystick.partners.flinks.simulator.state import AUTHORIZE_TOKEN_MS, Document, State
from tallystick.partners.flinks.simulator.wire import (
    Parts,
    show_account,
    show_accounts,
    show_authorized,
    show_challenge,
    show_work,
)

_AT = "/v3/{customer}/BankingServices"


class Banking:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        post, get = ["POST"], ["GET"]
        return [
            Route(f"{_AT}/GenerateAuthorizeToken", self.generate_token, methods=post),
            Route(f"{_AT}/Authorize", self.authorize, methods=post),
            Route(f"{_AT}/GetAccountsSummary", self.read_summary, methods=post),
            Route(f"{_AT}/GetAccountsSummaryAsync/{{request_id}}", self.poll_summary, methods=get),
            Route(f"{_AT}/GetAccountsDetail", self.read_detail, methods=post),
            Route(f"{_AT}/GetAccountsDetailAsync/{{request_id}}", self.poll_detail, methods=get),
            Route(f"{_AT}/DeleteCard/{{login_id}}", self.delete_card, methods=["DELETE"]),
        ]

    async def generate_token(self, request: Request) -> Response:
        """A token that opens one session or one Connect page. The secret is in the header, as the
        reference has it, or in the body, as the OpenAPI document has it.
        """
        check_customer(self._state.kit, request)
        secret = request.headers.get("flinks-auth-key")
        check_secret(self._state.kit, secret or text(await read_object(request), "secret"))
        token = self._state.new_authorize_token()
        return JSONResponse(
            {
                "HttpStatusCode": 200,
                "Token": token,
                "AuthorizeToken": token,
                "ExpiresIn": AUTHORIZE_TOKEN_MS // SECOND_MS,
            }
        )

    async def authorize(self, request: Request) -> Response:
        """A LoginId, an answer to a question, or credentials. The token is for who has one: it is
        mandatory at Flinks only for integrations made since October 2024.
        """
        check_customer(self._state.kit, request)
        body = await read_object(request)
        token = request.headers.get("flinks-auth-key")
        answering = "SecurityResponses" in body
        if token is not None and not answering and not self._state.use_authorize_token(token):
            raise access_denied()
        tag = text(body, "Tag") if body.get("Tag") else None
        if answering:
            session = self._answer(body)
        elif "LoginId" in body:
            cached = flag(body, "MostRecentCached", default=True)
            session = self._state.open(text(body, "LoginId"), tag, cached=cached)
        else:
            institution, username = text(body, "Institution"), text(body, "Username")
            session = self._state.log_in(institution, username, text(body, "Password"), tag)
        if session["login_id"] is None:
            return JSONResponse(show_challenge(session), 203)
        return JSONResponse(show_authorized(session, self._state.login(session["login_id"])))

    def _answer(self, body: dict[str, Any]) -> Document:
        responses = body["SecurityResponses"]
        if not isinstance(responses, dict):
            raise invalid_request("SecurityResponses is not an object.")
        return self._state.answer(self._state.session(text(body, "RequestId")), responses)

    async def read_summary(self, request: Request) -> Response:
        check_customer(self._state.kit, request)
        body = await read_object(request)
        parts = Parts(balance=flag(body, "WithBalance", default=True), holder=True)
        return self._read(text(body, "RequestId"), parts)

    async def poll_summary(self, request: Request) -> Response:
        check_customer(self._state.kit, request)
        return self._read(request.path_params["request_id"], Parts())

    async def read_detail(self, request: Request) -> Response:
        check_customer(self._state.kit, request)
        body = await read_object(request)
        parts = Parts(
            identity=flag(body, "WithAccountIdentity", default=True),
            holder=flag(body, "WithKYC", default=True),
            transactions=flag(body, "WithTransactions", default=True),
        )
        return self._read(text(body, "RequestId"), parts, _filter(body))

    async def poll_detail(self, request: Request) -> Response:
        check_customer(self._state.kit, request)
        return self._read(request.path_params["request_id"], Parts(transactions=True))

    def _read(self, request_id: str, parts: Parts, wanted: list[str] | None = None) -> Response:
        session = self._state.session(request_id)
        if session["login_id"] is None:
            raise no_session()  # a question is still open
        login = self._state.login(session["login_id"])
        work = self._state.work_of(login)
        if work is not None:
            return JSONResponse(show_work(request_id, work), 202)
        now_ms = self._state.kit.clock.now_ms()
        shown = [
            show_account(account, parts, now_ms)
            for account in self._state.accounts(login["id"])
            if not wanted or account["id"] in wanted
        ]
        return JSONResponse(show_accounts(session, login, shown))

    async def delete_card(self, request: Request) -> Response:
        check_customer(self._state.kit, request)
        self._state.delete_login(request.path_params["login_id"])
        return JSONResponse({"HttpStatusCode": 200, "Message": "The login has been deleted."})


def _filter(body: dict[str, Any]) -> list[str] | None:
    wanted = body.get("AccountsFilter")
    if wanted is None:
        return None
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        raise invalid_request("AccountsFilter is not a list of account ids.")
    return wanted
