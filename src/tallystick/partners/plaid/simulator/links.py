"""/link/token/create and /link/token/get."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from tallystick.clock import SECOND_MS, to_iso
from tallystick.partners.plaid.simulator.errors import Refusal, invalid, missing
from tallystick.partners.plaid.simulator.fields import COUNTRIES, LANGUAGES, PRODUCTS
from tallystick.partners.plaid.simulator.fixtures import institution
from tallystick.partners.plaid.simulator.gate import Body, read_strings
from tallystick.partners.plaid.simulator.show import show_link_token
from tallystick.partners.plaid.simulator.state import Document, State

# "Maximum length of 30 characters. If a value longer … is provided, Link will display
# 'This Application' instead" (client_name).
_CLIENT_NAME_MAX = 30

# The account types that an account filter can name.
_FILTERED = frozenset({"depository", "credit", "loan", "investment", "other"})


class Links:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, body: Body, request: Request) -> Document:
        """Plaid, /link/token/create. `products` is left out in update mode (an access token)."""
        item = self._item(body)
        hosted = body.get("hosted_link")
        lives_s = (hosted or {}).get("url_lifetime_seconds")
        if lives_s is not None and (not isinstance(lives_s, int) or lives_s <= 0):
            raise invalid("hosted_link.url_lifetime_seconds must be a positive integer")
        fields = {
            "item_id": item["item_id"] if item else None,
            "products": list(self._products(body)) if item is None else item["products"],
            "hosted": hosted is not None,
            "completion_redirect_uri": (hosted or {}).get("completion_redirect_uri"),
            **_read_client(body),
            **_read_look(body),
        }
        link = self._state.create_link_token(
            fields, lives_ms=None if lives_s is None else lives_s * SECOND_MS
        )
        answer = {"link_token": link["link_token"], "expiration": to_iso(link["expires_at"])}
        if hosted is not None:
            base = self._state.kit.base_url(request)
            answer["hosted_link_url"] = f"{base}/hosted/{link['link_token']}"
        return answer

    def get(self, body: Body, _request: Request) -> Document:
        return show_link_token(self._state, self._state.link(body["link_token"], expired=True))

    def _item(self, body: Body) -> Document | None:
        token = body.get("access_token")
        return None if token is None else self._state.item_of(token)

    def _products(self, body: Body) -> tuple[str, ...]:
        products = read_strings(body.get("products", []), "products", PRODUCTS)
        if "balance" in products:
            # "This product should not be specified during the /link/token/create call."
            raise Refusal(
                "INVALID_PRODUCT",
                'client is not authorized to access the following products: ["balance"]',
            )
        if not products:
            raise invalid("products must be specified unless Link is used in update mode")
        return products


def _read_client(body: Body) -> Document:
    """Who the client is and where it wants to be told. Raises Refusal."""
    if body["language"] not in LANGUAGES:
        raise invalid("language is not supported")
    countries = read_strings(body["country_codes"], "country_codes", COUNTRIES)
    if not countries:
        raise invalid("country_codes must be a non-empty array")
    user = body.get("user")
    if user is not None and not user.get("client_user_id"):
        raise missing("user.client_user_id")
    for name in ("webhook", "redirect_uri"):
        if name in body and not _is_url(body[name]):
            raise invalid(f"{name} must be a valid URL")
    if "?" in body.get("redirect_uri", ""):
        raise invalid("redirect_uri must not have query parameters")
    if body.get("redirect_uri") and body.get("android_package_name"):
        # "Any other platform: android_package_name must be left blank" (android_package_name).
        raise invalid("only one of redirect_uri and android_package_name may be set")
    name = body["client_name"]
    return {
        "client_name": name if len(name) <= _CLIENT_NAME_MAX else "This Application",
        "language": body["language"],
        "country_codes": list(countries),
        "client_user_id": user["client_user_id"] if user else None,
        "webhook": body.get("webhook"),
        "redirect_uri": body.get("redirect_uri"),
        "android_package_name": body.get("android_package_name"),
    }


def _read_look(body: Body) -> Document:
    """What the page shows. Raises Refusal."""
    if "institution_id" in body:
        institution(body["institution_id"])
    appearance = body.get("appearance_mode", "SYSTEM")
    if appearance not in {"LIGHT", "DARK", "SYSTEM"}:
        raise invalid("appearance_mode must be one of LIGHT, DARK, SYSTEM")
    update = body.get("update", {})
    return {
        "institution_id": body.get("institution_id"),
        "appearance": appearance,
        "selects_accounts": update.get("account_selection_enabled") is True,
        "account_filters": _read_filters(body.get("account_filters")),
        # At Plaid, whether one account or several may be chosen is set in the Dashboard, in a Link
        # customization; here by its name.
        "single": body.get("link_customization_name") == "single_account",
    }


def _read_filters(filters: Any) -> Document | None:
    if filters is None:
        return None
    for kind, wanted in filters.items():
        if kind not in _FILTERED or not isinstance(wanted, dict):
            raise invalid("account_filters is not valid")
        read_strings(wanted.get("account_subtypes"), f"account_filters.{kind}.account_subtypes")
    return dict(filters)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
