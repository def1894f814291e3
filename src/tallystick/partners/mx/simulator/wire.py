"""Documents as MX's JSON, and lists by the page."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from tallystick.clock import to_iso
from tallystick.partners.mx.simulator.errors import Refusal
from tallystick.partners.mx.simulator.fixtures import (
    BY_CODE,
    CHALLENGES,
    NEEDS_CREDENTIALS,
    Institution,
    describe,
)
from tallystick.partners.mx.simulator.state import Document

OLD, NEW = "v20111101", "v20250224"

_PER_PAGE = 25
_PER_PAGE_MIN, _PER_PAGE_MAX = 10, 1_000


def read_version(request: Request) -> str:
    """Which API version the caller speaks. Raises Refusal (406) for one there is not.

    The old version is named in `Accept`; the new one in `Accept-Version` beside plain JSON. The
    official Python client sends no `Accept` on deletions, so its absence means the old one.
    """
    asked = request.headers.get("accept-version", OLD)
    accept = request.headers.get("accept", "*/*")
    spoken = ("application/vnd.mx.api.v1+json", "application/json", "application/*", "*/*")
    if asked not in {OLD, NEW} or not any(media in accept for media in spoken):
        raise Refusal(406, "The request did not specify a valid API version.")
    return asked


def paginate(request: Request, name: str, entries: list[Any]) -> dict[str, Any]:
    """One page of `entries` under `name`, with MX's `pagination`.

    `records_per_page` outside 10 to 1000 counts as the default 25; the document says so for values
    above, and we read values below the same way.
    """
    per_page = _whole(request.query_params.get("records_per_page"), _PER_PAGE)
    if not _PER_PAGE_MIN <= per_page <= _PER_PAGE_MAX:
        per_page = _PER_PAGE
    page = max(_whole(request.query_params.get("page"), 1), 1)
    start = (page - 1) * per_page
    return {
        name: entries[start : start + per_page],
        "pagination": {
            "current_page": page,
            "per_page": per_page,
            "total_entries": len(entries),
            "total_pages": max(-(-len(entries) // per_page), 1),
        },
    }


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default


def show_user(user: Document, version: str) -> dict[str, Any]:
    shown = {name: user[name] for name in ("email", "guid", "id", "is_disabled", "metadata")}
    if version == NEW:  # there `email` may be absent but not null
        return {name: value for name, value in shown.items() if value is not None}
    return shown


def show_institution(institution: Institution, version: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "code": institution.code,
        "forgot_password_url": None,
        "forgot_username_url": None,
        "instructional_text": None,
        "instructional_text_steps": [],
        "is_disabled_by_client": False,
        "iso_country_code": "US",
        "medium_logo_url": None,
        "name": institution.name,
        "small_logo_url": None,
        "supports_oauth": institution.oauth,
        "supports_tax_document": False,
        "trouble_signing_in_url": None,
        "url": institution.url,
    }
    if version == NEW:
        products = ["account_verification", "identity_verification"]
        return {**shown, "guid": institution.guid, "supported_products": products}
    return {
        **shown,
        "supports_account_identification": True,
        "supports_account_statement": False,
        "supports_account_verification": True,
        "supports_transaction_history": False,
    }


def show_fields(institution: Institution) -> list[dict[str, Any]]:
    return [
        {
            "display_order": order,
            "field_name": field.name,
            "field_type": field.kind,
            "guid": field.guid,
            "label": field.label,
            "type": field.kind,
        }
        for order, field in enumerate(institution.fields, start=1)
    ]


def show_member(member: Document, user: Document, oauth_window_uri: str | None) -> dict[str, Any]:
    institution = BY_CODE[member["institution_code"]]
    status = member["connection_status"]
    return {
        "aggregated_at": _iso(member["aggregated_at"]),
        "background_aggregation_is_disabled": member["background_aggregation_is_disabled"],
        "connection_status": status,
        "connection_status_message": describe(status, institution.name),
        "guid": member["guid"],
        "id": member["id"],
        "institution_code": institution.code,
        "institution_guid": institution.guid,
        "is_being_aggregated": False,
        "is_managed_by_user": False,
        "is_manual": False,
        "is_oauth": institution.oauth,
        "metadata": member["metadata"],
        "most_recent_job_detail_code": None,
        "most_recent_job_detail_text": None,
        "most_recent_job_guid": None,
        "name": institution.name,
        "needs_updated_credentials": status in NEEDS_CREDENTIALS,
        "oauth_window_uri": oauth_window_uri,
        "successfully_aggregated_at": _iso(member["successfully_aggregated_at"]),
        "use_cases": member["use_cases"],
        "user_guid": user["guid"],
        "user_id": user["id"],
    }


def show_status(member: Document, accounts: list[Document]) -> dict[str, Any]:
    connected = member["successfully_aggregated_at"] is not None
    return {
        "aggregated_at": _iso(member["aggregated_at"]),
        "challenges": show_challenges(member),
        "connection_status": member["connection_status"],
        "guid": member["guid"],
        "has_processed_account_numbers": any(a["has_numbers"] for a in accounts),
        "has_processed_accounts": connected,
        "has_processed_transactions": False,
        "is_authenticated": member["connection_status"] == "CONNECTED",
        "is_being_aggregated": False,
        "successfully_aggregated_at": _iso(member["successfully_aggregated_at"]),
    }


def show_challenges(member: Document) -> list[dict[str, Any]]:
    """The challenge a member waits on, as a list of one or none."""
    challenge = member["challenge"]
    if challenge is None:
        return []
    text = CHALLENGES[challenge["kind"]]
    shown: dict[str, Any] = {
        "field_name": challenge["kind"].lower(),
        "guid": challenge["guid"],
        "label": text.label,
        "type": challenge["kind"],
    }
    if text.options:
        shown["options"] = [
            {"guid": f"{challenge['guid']}-{order}", "label": option, "value": option}
            for order, option in enumerate(text.options, start=1)
        ]
    if text.image:
        shown["image_data"] = text.image
    return [shown]


def show_account(account: Document, member: Document, user: Document, version: str) -> Document:
    institution = BY_CODE[account["institution_code"]]
    shown = {
        "account_number": account["number"][-4:],
        "account_ownership": "INDIVIDUAL",
        "available_balance": account["available_cents"] / 100,
        "balance": account["current_cents"] / 100,
        "created_at": to_iso(account["created_at"]),
        "currency_code": "USD",
        "guid": account["guid"],
        "id": None,
        "imported_at": _iso(member["successfully_aggregated_at"]),
        "institution_code": institution.code,
        "is_closed": account["closed"],
        "is_hidden": False,
        "is_manual": False,
        "member_guid": member["guid"],
        "member_id": member["id"],
        "member_is_managed_by_user": False,
        "metadata": None,
        "name": f"{institution.name} {account['name']}",
        "nickname": None,
        "routing_number": account["routing"] if account["has_numbers"] else None,
        "subtype": None,
        "type": account["kind"].upper(),
        "updated_at": _iso(member["successfully_aggregated_at"]),
        "user_guid": user["guid"],
        "user_id": user["id"],
    }
    return shown if version == NEW else {**shown, "institution_guid": institution.guid}


def show_numbers(account: Document) -> dict[str, Any]:
    return {
        "account_guid": account["guid"],
        "account_number": account["number"],
        "guid": account["numbers_guid"],
        "institution_number": None,
        "loan_guarantor": None,
        "loan_reference_number": None,
        "member_guid": account["member_guid"],
        "passed_validation": True,
        "routing_number": account["routing"],
        "sequence_number": None,
        "transit_number": None,
        "user_guid": account["user_guid"],
    }


def show_owner(account: Document) -> dict[str, Any]:
    return {
        "account_guid": account["guid"],
        "address": "1 Tally Lane",
        "city": "Des Moines",
        "country": "US",
        "email": "mx.user@example.com",
        "first_name": "Mx",
        "guid": account["owner_guid"],
        "last_name": "User",
        "member_guid": account["member_guid"],
        "owner_name": "Mx User",
        "phone": "515-555-0100",
        "postal_code": "50309",
        "state": "IA",
        "user_guid": account["user_guid"],
    }


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else to_iso(at_ms)
