"""What a user's token reads: accounts, balances, credentials, consents; and the reports."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.visa.simulator.errors import bad_request
from tallystick.partners.visa.simulator.fixtures import BY_NAME, HOLDER
from tallystick.partners.visa.simulator.gate import check_token, check_user, read_object, text
from tallystick.partners.visa.simulator.hooks import describe_error
from tallystick.partners.visa.simulator.state import (
    Document,
    State,
    show_identifiers,
    show_report,
    show_second,
)

_PAGE_SIZE, _PAGE_SIZE_MAX = 50, 200


class Data:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        account, credentials = "/data/v2/accounts/{account}", "/api/v1/credentials/{credentials}"
        report = "/api/v1/account-verification-reports/{report}"
        refresh = "/api/v1/balance-refresh"
        return [
            Route(report, self.report, methods=["GET"]),
            Route("/data/v2/accounts", self.accounts, methods=["GET"]),
            Route(f"{account}/balances", self.balances, methods=["GET"]),
            Route(f"{account}/parties", self.parties, methods=["GET"]),
            Route(refresh, self.start_refresh, methods=["POST"]),
            Route(f"{refresh}/{{refresh}}", self.refresh, methods=["GET"]),
            Route("/api/v1/credentials/list", self.credentials, methods=["GET"]),
            Route("/api/v1/provider-consents", self.consents, methods=["GET"]),
            Route(f"{credentials}/refresh", self.refresh_credentials, methods=["POST"]),
            Route(credentials, self.delete_credentials, methods=["DELETE"]),
        ]

    async def report(self, request: Request) -> Response:
        check_token(self._state, request, "account-verification-reports:read")
        return JSONResponse(show_report(self._state.report(request.path_params["report"])))

    async def accounts(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "accounts:read")
        shown = [
            _show_account(account, credentials)
            for credentials in self._state.shelf.all("credentials", user_id=user_id)
            for account in credentials["accounts"]
        ]
        size = _whole(request.query_params.get("pageSize"), _PAGE_SIZE)
        start = _whole(request.query_params.get("pageToken") or None, 0)
        if not 1 <= size <= _PAGE_SIZE_MAX:
            raise bad_request(f"pageSize is not between 1 and {_PAGE_SIZE_MAX}.")
        rest = start + size < len(shown)
        page = {
            "accounts": shown[start : start + size],
            "nextPageToken": str(start + size) if rest else "",
        }
        return JSONResponse(page)

    async def balances(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "accounts.balances:readonly")
        credentials, account = self._state.account(request.path_params["account"], user_id)
        body = {
            "accountId": account["id"],
            "balances": {
                "booked": _flat(account["current_cents"]),
                "available": _flat(account["available_cents"]),
            },
            "refreshed": show_second(credentials["refreshed_at"]),
        }
        return JSONResponse(body)

    async def parties(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "accounts.parties:readonly")
        self._state.account(request.path_params["account"], user_id)
        return JSONResponse({"parties": [{"name": HOLDER, "role": "HOLDER"}]})

    async def start_refresh(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "balance-refresh")
        body = await read_object(request)
        credentials, _ = self._state.account(text(body, "accountId"), user_id)
        refresh = self._state.start_refresh(credentials, user_id)
        return JSONResponse({"balanceRefreshId": refresh["id"], "credentialId": credentials["id"]})

    async def refresh(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "balance-refresh:readonly")
        status = self._state.look_at_refresh(request.path_params["refresh"], user_id)
        return JSONResponse({"status": status})

    async def credentials(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "credentials:read")
        shown = [
            {
                "id": each["id"],
                "providerName": each["provider"],
                "status": each["status"],
                "statusUpdated": each["status_at"],
                "statusPayload": "",
                "sessionExpiryDate": None,
                "userId": user_id,
            }
            for each in self._state.shelf.all("credentials", user_id=user_id)
        ]
        return JSONResponse({"credentials": shown})

    async def consents(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "provider-consents:read")
        found = self._state.shelf.all("credentials", user_id=user_id)
        return JSONResponse({"providerConsents": [_show_consent(each) for each in found]})

    async def refresh_credentials(self, request: Request) -> Response:
        """A refresh ends as the credentials are: what is broken stays so until the person comes."""
        user_id = check_user(self._state, request, "credentials:refresh")
        found = self._state.credentials(request.path_params["credentials"], user_id)
        self._state.change(found, found["status"])
        return Response(status_code=204)

    async def delete_credentials(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "credentials:write")
        found = self._state.credentials(request.path_params["credentials"], user_id)
        self._state.shelf.drop("credentials", found["id"])
        return Response(status_code=204)


def _show_account(account: Document, credentials: Document) -> Document:
    return {
        "id": account["id"],
        "name": account["name"],
        "type": account["kind"].upper(),
        "balances": {
            "booked": _nested(account["current_cents"]),
            "available": _nested(account["available_cents"]),
        },
        "identifiers": {"us": show_identifiers(account)},
        "financialInstitutionId": credentials["provider"],
        "customerSegment": "PERSONAL",
        "dates": {"lastRefreshed": show_second(credentials["refreshed_at"])},
    }


def _show_consent(credentials: Document) -> Document:
    shown = {
        "credentialsId": credentials["id"],
        "providerName": credentials["provider"],
        "providerDisplayName": BY_NAME[credentials["provider"]].label,
        "status": credentials["status"],
        "statusUpdated": credentials["status_at"],
        "sessionExpiryDate": None,
        "accountIds": [account["id"] for account in credentials["accounts"]],
    }
    error = describe_error(credentials["status"])
    return shown if error is None else {**shown, "detailedError": error}


def _flat(cents: int) -> Document:
    return {"currencyCode": "USD", "scale": 2, "unscaledValue": cents}


def _nested(cents: int) -> Document:
    value = {"scale": "2", "unscaledValue": str(cents)}
    return {"amount": {"value": value, "currencyCode": "USD"}}


def _whole(value: str | None, default: int) -> int:
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise bad_request("That is no whole number.")
    return int(value)
