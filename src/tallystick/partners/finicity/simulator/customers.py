"""Customers and institutions, as the integrator's server asks for them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.finicity.simulator.fixtures import Institution, search
from tallystick.partners.finicity.simulator.gate import (
    Gate,
    read_object,
    read_optional_text,
    read_text,
)
from tallystick.partners.finicity.simulator.state import Document, State

_OPTIONAL = ("firstName", "lastName", "applicationId", "phone", "email")
_LIMIT_MAX = 1_000
_LIMIT = 25


class Customers:
    def __init__(self, state: State, gate: Gate) -> None:
        self._state = state
        self._gate = gate

    def routes(self) -> list[Route]:
        one = "/aggregation/v1/customers/{customer}"
        return [
            Route("/aggregation/v2/customers/testing", self.create, methods=["POST"]),
            Route("/aggregation/v2/customers/active", self.create, methods=["POST"]),
            Route("/aggregation/v1/customers", self.list_all, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route("/institution/v2/institutions", self.list_institutions, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        partner = self._gate.partner(request)
        body = await read_object(request)
        fields: Document = {"username": read_text(body, "username")}
        fields |= {name: read_optional_text(body, name) for name in _OPTIONAL}
        kind = request.url.path.rpartition("/")[2]
        customer = self._state.create_customer(partner, kind, fields)
        shown = {
            "id": customer["id"],
            "username": customer["username"],
            "createdDate": customer["created_at"] // 1_000,
        }
        return JSONResponse(shown, 201)

    async def list_all(self, request: Request) -> Response:
        partner = self._gate.partner(request)
        query = request.query_params
        wanted = {name: query[name] for name in ("username", "type") if query.get(name)}
        found = self._state.shelf.all("customer", partner=partner, **wanted)
        page, shown = _page(request, [show_customer(each) for each in found])
        return JSONResponse({**page, "customers": shown})

    async def get(self, request: Request) -> Response:
        return JSONResponse(show_customer(self._find(request)))

    async def delete(self, request: Request) -> Response:
        self._state.delete_customer(self._find(request))
        return Response(status_code=204)

    def _find(self, request: Request) -> Document:
        return self._state.customer(self._gate.partner(request), request.path_params["customer"])

    async def list_institutions(self, request: Request) -> Response:
        self._gate.partner(request)
        found = search(request.query_params.get("search", "").replace("*", ""))
        page, shown = _page(request, [show_institution(each) for each in found])
        page["createdDate"] = self._state.kit.clock.now_ms() // 1_000
        return JSONResponse({**page, "institutions": shown})


def _page(request: Request, entries: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """`start` counts from 1 and `limit` is at most 1000 (Get Customers, Get Institutions)."""
    start = max(_whole(request.query_params.get("start"), 1), 1)
    limit = min(max(_whole(request.query_params.get("limit"), _LIMIT), 1), _LIMIT_MAX)
    shown = entries[start - 1 : start - 1 + limit]
    more = start - 1 + limit < len(entries)
    return {"found": len(entries), "displaying": len(shown), "moreAvailable": more}, shown


def _whole(text: str | None, default: int) -> int:
    fits = text and text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if text and fits else default


def show_customer(customer: Document) -> Document:
    shown = {
        "id": customer["id"],
        "username": customer["username"],
        "type": customer["type"],
        "createdDate": str(customer["created_at"] // 1_000),
    }
    named = ("firstName", "lastName", "phone", "email")
    return shown | {name: customer[name] for name in named if customer[name] is not None}


def show_institution(institution: Institution) -> Document:
    can = ("transAgg", "ach", "stateAgg", "voi", "voa", "aha", "availBalance", "accountOwner")
    return {
        "id": institution.id,
        "name": institution.name,
        **dict.fromkeys(can, True),
        "oauthEnabled": False,
        "currency": "USD",
        "status": "online",
    }
