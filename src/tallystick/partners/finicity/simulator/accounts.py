"""Accounts and what can be asked of one: numbers, balances, owner.

Those four are also what a processor may ask, with the ids that its receipt shows (`access`).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.finicity.simulator.access import Access
from tallystick.partners.finicity.simulator.errors import bad_request, bank_says
from tallystick.partners.finicity.simulator.gate import Gate
from tallystick.partners.finicity.simulator.state import Document, State

OWNER = "PAT TALLY"
ADDRESS = "1 TALLY LANE DES MOINES IA 50309"


class Accounts:
    def __init__(self, state: State, gate: Gate, access: Access) -> None:
        self._state = state
        self._gate = gate
        self._access = access

    def routes(self) -> list[Route]:
        customer = "/aggregation/v1/customers/{customer}"
        login = f"{customer}/institutionLogins/{{login}}"
        one = f"{customer}/accounts/{{account}}"
        three = "/aggregation/v3/customers/{customer}/accounts/{account}"
        balance = f"{one}/availableBalance"
        return [
            Route(f"{customer}/accounts", self.list_all, methods=["GET"]),
            Route(f"{customer}/accounts", self.refresh, methods=["POST"]),
            Route(f"{login}/accounts", self.list_of_login, methods=["GET"]),
            Route(f"{login}/accounts", self.refresh_login, methods=["POST"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(one.replace("/v1/", "/v2/"), self.get, methods=["GET"]),
            Route(f"{one}/details", self.read_details, methods=["GET"]),
            Route(f"{three}/details", self.read_instructions, methods=["GET"]),
            Route(f"{one}/owner", self.read_owner, methods=["GET"]),
            Route(balance, self.read_balance, methods=["GET"]),
            Route(f"{balance}/live", self.read_live_balance, methods=["GET"]),
        ]

    # The integrator's side

    def _customer(self, request: Request) -> Document:
        return self._state.customer(self._gate.partner(request), request.path_params["customer"])

    def _own(self, request: Request) -> Document:
        customer = self._customer(request)
        return self._state.account(customer["id"], request.path_params["account"])

    def _login(self, request: Request) -> Document:
        return self._state.login(self._customer(request)["id"], request.path_params["login"])

    async def list_all(self, request: Request) -> Response:
        wanted = {}
        if request.query_params.get("type"):
            wanted["type"] = request.query_params["type"]
        return self._list(self._state.accounts(self._customer(request)["id"], **wanted))

    async def refresh(self, request: Request) -> Response:
        customer = self._customer(request)
        self._state.refresh(self._state.shelf.all("login", customer_id=customer["id"]))
        return self._list(self._state.accounts(customer["id"]))

    async def list_of_login(self, request: Request) -> Response:
        return self._list_login(self._login(request))

    async def refresh_login(self, request: Request) -> Response:
        login = self._login(request)
        self._state.refresh([login])
        return self._list_login(login)

    def _list_login(self, login: Document) -> Response:
        return self._list(self._state.accounts(login["customer_id"], login_id=login["id"]))

    def _list(self, accounts: list[Document]) -> Response:
        shown = [show_account(each, self._state.login_of(each)) for each in accounts]
        return JSONResponse({"accounts": shown})

    async def get(self, request: Request) -> Response:
        account = self._own(request)
        return JSONResponse(show_account(account, self._state.login_of(account)))

    async def delete(self, request: Request) -> Response:
        self._state.delete_account(self._own(request))
        return Response(status_code=204)

    # Both sides

    def _open(self, request: Request, product: str) -> tuple[Document, str]:
        partner = self._gate.partner(request)
        path = request.path_params
        return self._access.open(partner, path["customer"], path["account"], product)

    def _numbers(self, request: Request) -> Document:
        account, _ = self._open(request, "moneyTransferDetails")
        if account["type"] not in ("checking", "savings"):
            raise bad_request("Account type not supported")
        return account

    async def read_details(self, request: Request) -> Response:
        account = self._numbers(request)
        return JSONResponse(
            {"routingNumber": account["routing"], "realAccountNumber": account["number"]}
        )

    async def read_instructions(self, request: Request) -> Response:
        account = self._numbers(request)
        ach = {
            "type": "ach",
            "accountNumber": account["number"],
            "tanEnabled": False,
            "descriptors": [{"type": "routingNumber", "value": account["routing"]}],
        }
        return JSONResponse({"paymentInstruction": [ach]})

    async def read_owner(self, request: Request) -> Response:
        account, _ = self._open(request, "accountOwner")
        as_of = self._state.login_of(account)["succeeded_at"] // 1_000
        return JSONResponse({"ownerName": OWNER, "ownerAddress": ADDRESS, "asOfDate": as_of})

    async def read_balance(self, request: Request) -> Response:
        """What was heard last, with the status of the last attempt beside it."""
        account, shown_as = self._open(request, "availableBalance")
        return JSONResponse(self._show_balance(account, shown_as))

    async def read_live_balance(self, request: Request) -> Response:
        """Asks the bank; what the bank would have answered is an error of its own."""
        account, shown_as = self._open(request, "availableBalanceLive")
        login = self._state.login_of(account)
        if login["status_code"] != 0:
            raise bank_says(login["status_code"])
        self._state.refresh([login])
        return JSONResponse(self._show_balance(account, shown_as))

    def _show_balance(self, account: Document, shown_as: str) -> Document:
        login = self._state.login_of(account)
        as_of = login["succeeded_at"] // 1_000
        return {
            "id": int(shown_as),
            "realAccountNumberLast4": account["number"][-4:],
            "availableBalance": account["available_cents"] / 100,
            "availableBalanceDate": as_of,
            "clearedBalance": account["current_cents"] / 100,
            "clearedBalanceDate": as_of,
            "aggregationStatusCode": login["status_code"],
            "currency": "USD",
        }


def show_account(account: Document, login: Document) -> Document:
    mask = account["number"][-4:]
    return {
        "id": account["id"],
        "number": f"xxxxxx{mask}",
        "accountNumberDisplay": mask,
        "realAccountNumberLast4": mask,
        "name": account["name"],
        "accountNickname": account["name"],
        "balance": account["current_cents"] / 100,
        "type": account["type"],
        "aggregationStatusCode": login["status_code"],
        "status": "active",
        "customerId": account["customer_id"],
        "institutionId": str(account["institution_id"]),
        "balanceDate": login["succeeded_at"] // 1_000,
        "aggregationSuccessDate": login["succeeded_at"] // 1_000,
        "aggregationAttemptDate": login["aggregated_at"] // 1_000,
        "createdDate": account["created_at"] // 1_000,
        "lastUpdatedDate": login["succeeded_at"] // 1_000,
        "currency": "USD",
        "institutionLoginId": int(login["id"]),
    }
