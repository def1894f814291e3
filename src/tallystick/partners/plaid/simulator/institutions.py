"""/institutions/get, /institutions/search, /institutions/get_by_id."""

from __future__ import annotations

from starlette.requests import Request

from tallystick.clock import Clock, to_iso
from tallystick.partners.plaid.simulator.errors import Refusal, invalid
from tallystick.partners.plaid.simulator.fields import COUNTRIES, PRODUCTS
from tallystick.partners.plaid.simulator.fixtures import Institution, find_institutions, institution
from tallystick.partners.plaid.simulator.gate import Body, read_strings
from tallystick.partners.plaid.simulator.show import show_institution
from tallystick.partners.plaid.simulator.state import Document

# "count: minimum 1, maximum 500" (/institutions/get); /institutions/search gives up to ten.
_COUNT_MAX = 500
_FOUND_MAX = 10


class Institutions:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def get(self, body: Body, _request: Request) -> Document:
        options = body.get("options", {})
        count, offset = body["count"], body["offset"]
        if not 1 <= count <= _COUNT_MAX or offset < 0:
            raise invalid("count must be from 1 to 500 and offset not negative")
        products = read_strings(options.get("products") or [], "options.products", PRODUCTS)
        found = find_institutions("", _countries(body), products)
        if options.get("oauth") is not None:
            found = [one for one in found if one.oauth == options["oauth"]]
        shown = [show_institution(one, options) for one in found[offset : offset + count]]
        return {"institutions": shown, "total": len(found)}

    def search(self, body: Body, _request: Request) -> Document:
        options = body.get("options", {})
        products = read_strings(body.get("products", []), "products", PRODUCTS)
        found = find_institutions(body["query"], _countries(body), products)
        return {"institutions": [show_institution(one, options) for one in found[:_FOUND_MAX]]}

    def get_by_id(self, body: Body, _request: Request) -> Document:
        options = body.get("options", {})
        found = institution(body["institution_id"])
        if found.country not in _countries(body):
            raise Refusal("INVALID_INSTITUTION")
        shown = show_institution(found, options)
        if options.get("include_status"):
            shown["status"] = {"item_logins": self._health(found), "auth": self._health(found)}
        return {"institution": shown}

    def _health(self, place: Institution) -> Document:
        success = {"HEALTHY": 0.98, "DEGRADED": 0.55}.get(place.health, 0.0)
        return {
            "status": "DOWN" if place.health == "UNSUPPORTED" else place.health,
            "last_status_change": to_iso(self._clock.now_ms()),
            "breakdown": {
                "success": success,
                "error_plaid": 0.0,
                "error_institution": round(1 - success, 2),
            },
        }


def _countries(body: Body) -> tuple[str, ...]:
    return read_strings(body["country_codes"], "country_codes", COUNTRIES)
