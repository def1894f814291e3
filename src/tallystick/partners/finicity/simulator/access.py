"""Access keys: the receipts that an integrator has made for a processor, and what they open.

`customerId` and `accountId` of a receipt are stand-ins ("represented as a pseudo identifier"), so a
receipt is of no use to who is not its third party. The gateway's partner answers to its own id and
to Dwolla's, which the integrators' code names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import from_iso, to_iso
from tallystick.ids import base62
from tallystick.partners.finicity.simulator.errors import (
    invalid,
    missing,
    not_consented,
    not_found,
    unknown_account,
    unknown_customer,
)
from tallystick.partners.finicity.simulator.gate import (
    Body,
    Gate,
    read_object,
    read_optional_text,
    read_text,
)
from tallystick.partners.finicity.simulator.state import Document, State

# Dwolla's partner id at Mastercard (contract 5.7 d).
DWOLLA = "2445583946651"

PRODUCTS = frozenset(
    {
        "moneyTransferDetails",
        "availableBalance",
        "availableBalanceLive",
        "accountOwner",
        "paymentIndicator",
    }
)
PRODUCTS_MAX = 100
PSEUDO_DIGITS = 19
_PSEUDO_BELOW = 2**63  # they are whole numbers of 64 bits in other answers

PATH = "/aggregation/v1/partners/accessKey"


class Access:
    def __init__(self, state: State, gate: Gate) -> None:
        self._state = state
        self._shelf = state.shelf
        self._clock = state.kit.clock
        self._gate = gate

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.generate, methods=["POST"]),
            Route(f"{PATH}/{{receipt}}", self.update, methods=["PUT"]),
            Route(f"{PATH}/{{receipt}}", self.revoke, methods=["DELETE"]),
        ]

    # The integrator's side

    async def generate(self, request: Request) -> Response:
        partner = self._gate.partner(request)
        body = await read_object(request)
        asked = self._read(partner, body)
        receipt = {
            "id": f"cr_{base62(self._state.kit.entropy, 30)}",
            "partner": partner,
            "version": 1,
            "pseudo_customer": self._new_pseudo(),
            "pseudo_accounts": {},
            **asked,
        }
        return self._keep(receipt)

    async def update(self, request: Request) -> Response:
        """The same receipt with other products; its version goes up."""
        partner = self._gate.partner(request)
        receipt = self._own(partner, request.path_params["receipt"])
        asked = self._read(partner, await read_object(request))
        if asked["customer_id"] != receipt["customer_id"]:
            raise invalid("Only one customerId per consent receipt")
        return self._keep({**receipt, **asked, "version": receipt["version"] + 1})

    async def revoke(self, request: Request) -> Response:
        partner = self._gate.partner(request)
        receipt = self._own(partner, request.path_params["receipt"])
        self._shelf.drop("receipt", receipt["id"])
        return Response(status_code=204)

    def _own(self, partner: str, receipt_id: str) -> Document:
        found = self._shelf.get("receipt", receipt_id)
        if found is None or found["partner"] != partner:
            raise not_found()
        return found

    def _read(self, partner: str, body: Body) -> Document:
        if read_text(body, "partnerId") != partner:
            raise invalid("partnerId does not belong to this partner")
        customer = self._state.shelf.get("customer", read_text(body, "customerId"))
        if customer is None or customer["partner"] != partner:
            raise invalid("Customer ID does not exist or does not belong to this partner")
        third_party = read_text(body, "thirdPartyPartnerId")
        products = body.get("products")
        if not isinstance(products, list) or not products:
            raise missing("products")
        if len(products) > PRODUCTS_MAX:
            raise invalid('"products" is too long')
        provenance = body.get("provenance")
        if provenance is not None and not isinstance(provenance, dict):
            raise invalid('"provenance" must be an object')
        return {
            "customer_id": customer["id"],
            "third_party": third_party,
            "products": [self._read_product(customer["id"], each) for each in products],
            "provenance": provenance,
            "at": self._clock.now_ms(),
        }

    def _read_product(self, customer_id: str, asked: Any) -> Document:
        if not isinstance(asked, dict):
            raise invalid('"products" must be a list of objects')
        product = read_text(asked, "product")
        if product not in PRODUCTS:
            raise invalid(f'"product" must be one of {", ".join(sorted(PRODUCTS))}')
        account = self._state.shelf.get("account", read_text(asked, "accountId"))
        if account is None or account["customer_id"] != customer_id:
            raise unknown_account()
        most = asked.get("maxCalls")
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
            raise invalid('"maxCalls" must be a positive number')
        period = asked.get("accessPeriod")
        if not isinstance(period, dict):
            raise missing("accessPeriod")
        if read_text(period, "type") != "timeframe":
            raise invalid('"type" must be timeframe')
        start, end = (_read_time(period, name) for name in ("startTime", "endTime"))
        if end <= start:
            raise invalid('"endTime" must be after "startTime"')
        return {
            "product": product,
            "account_id": account["id"],
            "payorId": read_optional_text(asked, "payorId"),
            "maxCalls": most,
            "start": start,
            "end": end,
            "shown": [period["startTime"], period["endTime"]],
            "calls": 0,
        }

    def _new_pseudo(self) -> str:
        while int(pseudo := self._state.new_id(PSEUDO_DIGITS)) >= _PSEUDO_BELOW:
            pass
        return pseudo

    def _keep(self, receipt: Document) -> Response:
        stand_ins = dict(receipt["pseudo_accounts"])
        for product in receipt["products"]:
            account_id = product["account_id"]
            stand_ins[account_id] = stand_ins.get(account_id) or self._new_pseudo()
        receipt = {**receipt, "pseudo_accounts": stand_ins}
        self._shelf.put("receipt", receipt["id"], receipt)
        proof = {
            "signature": base62(self._state.kit.entropy, 86),
            "keyId": "867-530-900",
            "timestamp": to_iso(receipt["at"]),
        }
        return JSONResponse({"data": [{"receipt": show_receipt(receipt), "proof": proof}]})

    # The processor's side

    def open(
        self, partner: str, customer_id: str, account_id: str, product: str
    ) -> tuple[Document, str]:
        """The account that a partner may ask this product of, and the id it is asked by.

        Its own customer's account, or one that a receipt shows it. Raises Refusal.
        """
        customer = self._shelf.get("customer", customer_id)
        if customer is not None and customer["partner"] == partner:
            return self._state.account(customer_id, account_id), account_id
        for receipt in self._receipts(partner, customer_id):
            real = next(
                (own for own, shown in receipt["pseudo_accounts"].items() if shown == account_id),
                None,
            )
            if real is None:
                raise unknown_account()
            self._count(receipt, real, product)
            return self._state.account(receipt["customer_id"], real), account_id
        raise unknown_customer()

    def _receipts(self, partner: str, pseudo_customer: str) -> Iterator[Document]:
        names = {partner, DWOLLA} if partner == self._gate.processor else {partner}
        for receipt in self._shelf.all("receipt", pseudo_customer=pseudo_customer):
            if receipt["third_party"] in names:
                yield receipt

    def _count(self, receipt: Document, account_id: str, name: str) -> None:
        """One more call of a product that the receipt allows now. Raises Refusal (403)."""
        now_ms = self._clock.now_ms()
        for product in receipt["products"]:
            most = product["maxCalls"]
            if (
                (product["product"], product["account_id"]) == (name, account_id)
                and product["start"] <= now_ms < product["end"]
                and (most is None or product["calls"] < most)
            ):
                product["calls"] += 1
                self._shelf.put("receipt", receipt["id"], receipt)
                return
        raise not_consented()


def _read_time(period: Body, name: str) -> int:
    text = period.get(name)
    if text is None:
        raise missing(name)
    try:
        return from_iso(text)
    except (ValueError, TypeError, OverflowError):
        raise invalid(f'"{name}" must be a date-time with a time zone') from None


def show_receipt(receipt: Document) -> Document:
    shown: Document = {
        "profile": 3,
        "version": "1",
        "receiptId": receipt["id"],
        "receiptVersion": receipt["version"],
        "customerId": receipt["pseudo_customer"],
        "partnerId": receipt["third_party"],
        "products": [_show_product(receipt, each) for each in receipt["products"]],
        "timestamp": to_iso(receipt["at"]),
    }
    if receipt["provenance"] is not None:
        shown["provenance"] = receipt["provenance"]
    return shown


def _show_product(receipt: Document, product: Document) -> Document:
    start, end = product["shown"]
    shown = {
        "product": product["product"],
        "accountId": receipt["pseudo_accounts"][product["account_id"]],
        "accessPeriod": {"type": "timeframe", "startTime": start, "endTime": end},
    }
    extra = {name: product[name] for name in ("payorId", "maxCalls") if product[name] is not None}
    return {**shown, **extra}
