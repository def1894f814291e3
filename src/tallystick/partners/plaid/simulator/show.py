"""Documents of the shelf as Plaid's answers show them."""

from __future__ import annotations

from typing import Any

from tallystick.clock import to_iso
from tallystick.partners.plaid.simulator.fixtures import (
    OWNER,
    ROUTING,
    WIRE_ROUTING,
    Institution,
    institution,
)
from tallystick.partners.plaid.simulator.state import Document, State, holding_of

# Data scopes that a person consents to with each product (Plaid, Item, consented_data_scopes).
_SCOPES = {
    "auth": "account_routing_number",
    "identity": "contact_info",
    "transactions": "transactions",
}


def show_item(state: State, item: Document) -> Document:
    place = institution(item["institution_id"])
    billed = list(item["products"])
    return {
        "item_id": item["item_id"],
        "institution_id": place.institution_id,
        "institution_name": place.name,
        "webhook": item["webhook"],
        "auth_method": "INSTANT_AUTH" if "auth" in billed else None,
        "error": state.item_error(item),
        "available_products": [one for one in place.products if one not in billed],
        "billed_products": billed,
        "products": billed,
        "consented_products": billed,
        "consent_expiration_time": item["consent_expiration_time"],
        "update_type": "background",
    }


def show_item_fully(state: State, item: Document) -> Document:
    """The Item as /item/get has it."""
    scopes = [scope for product, scope in _SCOPES.items() if product in item["products"]]
    return {
        **show_item(state, item),
        "created_at": to_iso(item["created_at"]),
        "consented_use_cases": ["Verify your account"],
        "consented_data_scopes": ["account_balance_info", *scopes],
    }


def show_account(account: Document) -> Document:
    holding = holding_of(account)
    return {
        "account_id": account["account_id"],
        "balances": {
            "available": holding.available,
            "current": holding.current,
            "limit": holding.limit,
            "iso_currency_code": "USD",
            "unofficial_currency_code": None,
        },
        "holder_category": "personal",
        "mask": holding.mask,
        "name": holding.name,
        "official_name": holding.official_name,
        "type": holding.type,
        "subtype": holding.subtype,
    }


def show_owners(account: Document) -> Document:
    """The account with who owns it: one fictional person, at addresses that are nobody's."""
    owner: dict[str, Any] = {
        "names": [OWNER],
        "emails": [
            {"data": "accountholder0@example.com", "primary": True, "type": "primary"},
        ],
        # 555-0100 to 555-0199 are reserved for fiction.
        "phone_numbers": [{"data": "2025550123", "primary": True, "type": "home"}],
        "addresses": [
            {
                "data": {
                    "street": "2992 Cameron Road",
                    "city": "Malakoff",
                    "region": "NY",
                    "postal_code": "14236",
                    "country": "US",
                },
                "primary": True,
            }
        ],
    }
    return {**show_account(account), "owners": [owner]}


def show_ach(account: Document) -> Document:
    holding = holding_of(account)
    return {
        "account_id": account["account_id"],
        "account": holding.number,
        "routing": ROUTING,
        "wire_routing": WIRE_ROUTING,
        "is_tokenized_account_number": False,
    }


def show_institution(place: Institution, options: Document) -> Document:
    shown: Document = {
        "institution_id": place.institution_id,
        "name": place.name,
        "products": list(place.products),
        "country_codes": [place.country],
        "routing_numbers": [ROUTING],
        "dtc_numbers": [],
        "oauth": place.oauth,
    }
    if options.get("include_optional_metadata"):
        shown |= {"url": place.url, "primary_color": place.colour, "logo": None}
    if options.get("include_auth_metadata"):
        shown["auth_metadata"] = {
            "supported_methods": {
                "instant_auth": True,
                "instant_match": False,
                "automated_micro_deposits": False,
                "instant_micro_deposits": False,
            }
        }
    return shown


def show_link_token(state: State, link: Document) -> Document:
    """/link/token/get. Plaid tells it in full for Hosted Link only; here for every session."""
    sessions = state.shelf.all("session", link_token=link["link_token"])
    return {
        "link_token": link["link_token"],
        "created_at": to_iso(link["created_at"]),
        "expiration": to_iso(link["expires_at"]),
        "link_sessions": [_show_session(session) for session in sessions],
        "metadata": {
            "initial_products": link["products"],
            "webhook": link["webhook"],
            "country_codes": link["country_codes"],
            "language": link["language"],
            "redirect_uri": link["redirect_uri"],
            "client_name": link["client_name"],
            **({"account_filters": link["account_filters"]} if link["account_filters"] else {}),
        },
    }


def _show_session(session: Document) -> Document:
    finished = session["finished_at"]
    shown: Document = {
        "link_session_id": session["link_session_id"],
        "started_at": to_iso(session["started_at"]),
        "finished_at": None if finished is None else to_iso(finished),
        "on_success": None,
        "on_exit": session["exit"],
        "exit": session["exit"],
        "events": [_show_event(event) for event in reversed(session["events"])],
        "results": {
            "item_add_results": [],
            "cra_item_add_results": [],
            "cra_update_results": [],
            "bank_income_results": [],
            "payroll_income_results": [],
            "document_income_results": None,
        },
    }
    success = session["success"]
    if success is not None:
        shown["on_success"] = {"public_token": session["public_token"], "metadata": success}
        result = {
            "public_token": session["public_token"],
            "accounts": success["accounts"],
            "institution": success["institution"],
        }
        shown["results"]["item_add_results"] = [result]
    return shown


def _show_event(event: Document) -> Document:
    return {
        "event_name": event["event_name"],
        "event_id": event["event_id"],
        "timestamp": event["timestamp"],
        "event_metadata": {
            name: value for name, value in event["details"].items() if value is not None
        },
    }
