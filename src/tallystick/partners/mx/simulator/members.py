"""`/users/{guid}/members`, their jobs, and the accounts behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallystick.partners.mx.simulator.errors import bad_request, conflict, not_found, unprocessable
from tallystick.partners.mx.simulator.fixtures import BY_CODE, Institution
from tallystick.partners.mx.simulator.gate import check_basic, pick, read_object, say
from tallystick.partners.mx.simulator.oauth import Consents
from tallystick.partners.mx.simulator.state import Document, State
from tallystick.partners.mx.simulator.wire import (
    NEW,
    paginate,
    read_version,
    show_account,
    show_challenges,
    show_fields,
    show_member,
    show_numbers,
    show_owner,
    show_status,
)

_MEMBER_FIELDS: dict[str, type] = {
    "id": str,
    "metadata": str,
    "background_aggregation_is_disabled": bool,
    "use_cases": list,
}


class Members:
    def __init__(self, state: State, consents: Consents) -> None:
        self._state = state
        self._consents = consents

    def routes(self) -> list[Route]:
        members, accounts = "/users/{user}/members", "/users/{user}/accounts"
        member, account = f"{members}/{{member}}", f"{accounts}/{{account}}"
        get, put, post = ["GET"], ["PUT"], ["POST"]
        return [
            Route(members, self.list_members, methods=get),
            Route(members, self.create, methods=post),
            Route(member, self.read, methods=get),
            Route(member, self.update, methods=put),
            Route(member, self.delete, methods=["DELETE"]),
            Route(f"{member}/status", self.read_status, methods=get),
            Route(f"{member}/credentials", self.list_fields, methods=get),
            Route(f"{member}/challenges", self.list_challenges, methods=get),
            Route(f"{member}/resume", self.resume, methods=put),
            Route(f"{member}/aggregate", self.aggregate, methods=post),
            Route(f"{member}/check_balance", self.aggregate, methods=post),
            Route(f"{member}/verify", self.verify, methods=post),
            Route(f"{member}/identify", self.identify, methods=post),
            Route(f"{member}/oauth_window_uri", self.read_oauth_uri, methods=get),
            Route(f"{member}/account_numbers", self.list_numbers, methods=get),
            Route(f"{member}/account_owners", self.list_owners, methods=get),
            Route(f"{member}/accounts", self.list_accounts, methods=get),
            Route(f"{member}/accounts/{{account}}", self.read_account, methods=get),
            Route(accounts, self.list_accounts, methods=get),
            Route(account, self.read_account, methods=get),
            Route(f"{account}/account_numbers", self.list_numbers, methods=get),
        ]

    def _enter_user(self, request: Request) -> Document:
        check_basic(self._state.kit, request)
        by_id = read_version(request) == NEW
        return self._state.user(request.path_params["user"], by_id=by_id)

    def _enter(self, request: Request) -> tuple[Document, Document]:
        user = self._enter_user(request)
        by_id = read_version(request) == NEW
        return user, self._state.member(user["guid"], request.path_params["member"], by_id=by_id)

    def _say(self, request: Request, user: Document, member: Document, status: int) -> Response:
        uri = self._consents.show_uri(member, self._state.kit.base_url(request))
        return say(request, {"member": show_member(member, user, uri)}, status)

    # Members

    async def list_members(self, request: Request) -> Response:
        user = self._enter_user(request)
        base_url = self._state.kit.base_url(request)
        shown = [
            show_member(member, user, self._consents.show_uri(member, base_url))
            for member in self._state.members(user["guid"])
        ]
        return say(request, paginate(request, "members", shown))

    async def create(self, request: Request) -> Response:
        user = self._enter_user(request)
        body = await read_object(request)
        asked = body.get("member")
        if not isinstance(asked, dict):
            raise bad_request("member is missing.")
        institution = BY_CODE.get(str(asked.get("institution_code")))
        if institution is None:
            raise not_found("The institution")
        fields = pick(asked, _MEMBER_FIELDS)
        if institution.oauth or asked.get("is_oauth"):
            return self._create_oauth(request, user, institution, fields, body)
        login = read_login(institution, asked.get("credentials"))
        twin = self._state.find_login(user["guid"], institution, login[0])
        if twin is not None and twin["connection_status"] == "CONNECTED":
            raise conflict("The user already has a member for this login.")
        member = self._state.enrol(user["guid"], institution, fields)
        if asked.get("skip_aggregation"):
            return self._say(request, user, self._state.prepare(member, *login), 200)
        return self._say(request, user, self._state.log_in(member, *login), 202)

    def _create_oauth(
        self,
        request: Request,
        user: Document,
        institution: Institution,
        fields: dict[str, Any],
        body: dict[str, Any],
    ) -> Response:
        if not institution.oauth:
            raise bad_request("The institution does not support OAuth.")
        member = self._state.enrol(user["guid"], institution, fields)
        member = self._consents.invite(member, body)
        return self._say(request, user, member, 202)

    async def read(self, request: Request) -> Response:
        return self._say(request, *self._enter(request), 200)

    async def update(self, request: Request) -> Response:
        user, member = self._enter(request)
        asked = await read_object(request, "member")
        member = self._state.update_member(member, pick(asked, _MEMBER_FIELDS))
        if "credentials" in asked:
            login = read_login(self._state.institution(member), asked["credentials"])
            if asked.get("skip_aggregation"):
                member = self._state.prepare(member, *login)
            else:
                member = self._state.log_in(member, *login)
        return self._say(request, user, member, 200)

    async def delete(self, request: Request) -> Response:
        self._state.delete_member(self._enter(request)[1])
        return Response(status_code=204)

    async def read_status(self, request: Request) -> Response:
        _, member = self._enter(request)
        accounts = self._state.accounts(member["guid"])
        return say(request, {"member": show_status(member, accounts)})

    async def list_fields(self, request: Request) -> Response:
        _, member = self._enter(request)
        fields = show_fields(self._state.institution(member))
        return say(request, paginate(request, "credentials", fields))

    async def list_challenges(self, request: Request) -> Response:
        _, member = self._enter(request)
        return say(request, paginate(request, "challenges", show_challenges(member)))

    async def read_oauth_uri(self, request: Request) -> Response:
        _, member = self._enter(request)
        if not self._state.institution(member).oauth:
            raise unprocessable("The member's institution does not use OAuth.")
        member = self._consents.invite(member, dict(request.query_params))
        uri = self._consents.show_uri(member, self._state.kit.base_url(request), always=True)
        return say(request, {"member": {"guid": member["guid"], "oauth_window_uri": uri}})

    # Jobs

    async def resume(self, request: Request) -> Response:
        user, member = self._enter(request)
        asked = await read_object(request, "member")
        value = read_answer(member, asked.get("challenges"))
        return self._say(request, user, self._state.answer(member, value), 202)

    async def aggregate(self, request: Request) -> Response:
        """Aggregation, and a check of balances: here both come to the same."""
        return await self._run(request, lambda member: member, 202)

    async def verify(self, request: Request) -> Response:
        return await self._run(request, self._state.verify, 200)

    async def identify(self, request: Request) -> Response:
        def identify(member: Document) -> Document:
            return self._state.update_member(member, {"identified": True})

        return await self._run(request, identify, 202)

    async def _run(
        self, request: Request, then: Callable[[Document], Document], status: int
    ) -> Response:
        user, member = self._enter(request)
        member = self._state.aggregate(member)
        if member["connection_status"] == "CONNECTED":
            member = then(member)
        return self._say(request, user, member, status)

    # Accounts

    def _reach(self, request: Request) -> tuple[Document, list[Document]]:
        """The user, and the accounts that the path names: of a member, of the user, or one."""
        user = self._enter_user(request)
        by_id = read_version(request) == NEW
        accounts = self._state.shelf.all("account", user_guid=user["guid"])
        if (identifier := request.path_params.get("member")) is not None:
            member = self._state.member(user["guid"], identifier, by_id=by_id)
            accounts = [a for a in accounts if a["member_guid"] == member["guid"]]
        if (guid := request.path_params.get("account")) is not None:
            accounts = [a for a in accounts if a["guid"] == guid]
            if not accounts:
                raise not_found("The account")
        return user, accounts

    def _show(self, request: Request, user: Document, account: Document) -> Document:
        member = self._state.member(user["guid"], account["member_guid"])
        return show_account(account, member, user, read_version(request))

    async def list_accounts(self, request: Request) -> Response:
        user, accounts = self._reach(request)
        shown = [self._show(request, user, account) for account in accounts]
        return say(request, paginate(request, "accounts", shown))

    async def read_account(self, request: Request) -> Response:
        user, [account] = self._reach(request)
        return say(request, {"account": self._show(request, user, account)})

    async def list_numbers(self, request: Request) -> Response:
        _, accounts = self._reach(request)
        shown = [show_numbers(account) for account in accounts if account["has_numbers"]]
        return say(request, paginate(request, "account_numbers", shown))

    async def list_owners(self, request: Request) -> Response:
        _, accounts = self._reach(request)
        _, member = self._enter(request)
        shown = [show_owner(account) for account in accounts if member["identified"]]
        return say(request, paginate(request, "account_owners", shown))


def read_login(institution: Institution, credentials: object) -> tuple[str, str]:
    """The username and password among `[{guid, value}]`. Raises Refusal (400)."""
    values = _read_values(credentials)
    names = {field.guid: field.name for field in institution.fields}
    if unknown := values.keys() - names.keys():
        raise bad_request(f"{min(unknown)} is not a credential of {institution.name}.")
    given = {names[guid]: value for guid, value in values.items()}
    if missing := {"LOGIN", "PASSWORD"} - given.keys():
        raise bad_request(f"The credential {min(missing)} is missing.")
    return given["LOGIN"], given["PASSWORD"]


def read_answer(member: Document, challenges: object) -> str:
    """The answer among `[{guid, value}]`; an option may be named by its guid. Raises Refusal."""
    values = _read_values(challenges)
    waiting = show_challenges(member)
    if not waiting:
        raise unprocessable("The member has no challenge to answer.")
    if waiting[0]["guid"] not in values:
        raise bad_request("The challenge is not the one the member waits on.")
    value = values[waiting[0]["guid"]]
    options = {option["guid"]: option["value"] for option in waiting[0].get("options", [])}
    return str(options.get(value, value))


def _read_values(entries: object) -> dict[str, str]:
    if not isinstance(entries, list) or not entries:
        raise bad_request("The list of guid and value is missing.")
    values = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise bad_request("An entry is not an object.")
        guid, value = entry.get("guid"), entry.get("value")
        if not isinstance(guid, str) or not isinstance(value, str):
            raise bad_request("An entry lacks its guid or value.")
        values[guid] = value
    return values
