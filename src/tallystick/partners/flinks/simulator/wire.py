"""Documents as Flinks shows them: Pascal case, amounts as numbers, times in UTC without a zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick.clock import DAY_MS, to_iso
from tallystick.partners.flinks.simulator.fixtures import INSTITUTION, MESSAGES
from tallystick.partners.flinks.simulator.state import Document

_TYPES = {"checking": "Chequing", "savings": "Savings"}

# What a statement begins with: days ago, what for, cents.
_MOVEMENTS = ((12, "PAYROLL DEPOSIT", 180_000), (5, "GROCERY STORE", -8_422), (1, "CAFE", -650))


@dataclass(frozen=True, slots=True)
class Parts:
    """Which parts of an account are asked for."""

    balance: bool = True
    identity: bool = True
    holder: bool = True
    transactions: bool = False


def show_account(account: Document, parts: Parts, now_ms: int) -> dict[str, Any]:
    shown = {
        "Id": account["id"],
        "Title": account["title"],
        "LastFourDigits": account["number"][-4:],
        "Category": "Operations",
        "Type": _TYPES[account["kind"]],
        "Currency": account["currency"],
        "EftEligibleRatio": 1.0,
        "ETransferEligibleRatio": 1.0,
        "AccountType": "Personal",
    }
    if parts.identity:
        shown["AccountNumber"] = account["number"]
        shown["TransitNumber"] = account["transit"]
        if account["institution"] is not None:
            shown["InstitutionNumber"] = account["institution"]
    if parts.balance:
        shown["Balance"] = {
            "Available": account["available_cents"] / 100,
            "Current": account["current_cents"] / 100,
        }
    if parts.holder:
        shown["Holder"] = _holder(account["currency"], account["institution"])
    if parts.transactions:
        shown["Transactions"] = _transactions(account["current_cents"], now_ms)
    return shown


def _holder(currency: str, institution: str | None) -> dict[str, Any]:
    american = currency == "USD" and institution is None
    city = {
        "CivicAddress": "1 Test Street",
        "City": "Des Moines" if american else "Montreal",
        "Province": "IA" if american else "QC",
        "PostalCode": "50309" if american else "H2X 1Y4",
        "Country": "US" if american else "CA",
    }
    return {
        "Name": "Jane Doe" if american else "John Doe",
        "Address": city,
        "Email": "jane.doe@example.com" if american else "john.doe@example.com",
        "PhoneNumber": "(515) 555-0100" if american else "(514) 555-0100",
    }


def _transactions(current_cents: int, now_ms: int) -> list[dict[str, Any]]:
    """Newest first, ending at the balance of today."""
    rows, balance = [], current_cents
    for days, description, cents in reversed(_MOVEMENTS):
        rows.append(
            {
                "Date": to_iso(now_ms - days * DAY_MS)[:10],
                "Description": description,
                "Debit": -cents / 100 if cents < 0 else None,
                "Credit": cents / 100 if cents > 0 else None,
                "Balance": balance / 100,
            }
        )
        balance -= cents
    return rows


def show_login(login: Document) -> dict[str, Any]:
    return {
        "Username": login["username"],
        "IsScheduledRefresh": False,
        "LastRefresh": to_iso(login["refreshed_at"]).removesuffix("Z"),
        "Type": "Personal",
        "Id": login["id"],
    }


def show_authorized(session: Document, login: Document) -> dict[str, Any]:
    links = ("AccountsDetail", "AccountsSummary")
    return {
        "HttpStatusCode": 200,
        "Links": [{"rel": name, "href": f"/Get{name}", "method": "POST"} for name in links],
        "Login": show_login(login),
        "Institution": INSTITUTION,
        "RequestId": session["id"],
        **({"Tag": session["tag"]} if session["tag"] else {}),
    }


def show_challenge(session: Document) -> dict[str, Any]:
    challenge = {"Type": "QuestionAndAnswer", "Prompt": session["asked"], "Iterables": []}
    return {
        "HttpStatusCode": 203,
        "SecurityChallenges": [challenge],
        "Institution": INSTITUTION,
        "RequestId": session["id"],
    }


def show_accounts(session: Document, login: Document, shown: list[Any]) -> dict[str, Any]:
    return {
        "HttpStatusCode": 200,
        "Accounts": shown,
        "Login": show_login(login),
        "Institution": INSTITUTION,
        "InstitutionName": INSTITUTION,
        "RequestId": session["id"],
        **({"Tag": session["tag"]} if session["tag"] else {}),
    }


def show_work(request_id: str, code: str) -> dict[str, Any]:
    return {
        "HttpStatusCode": 202,
        "FlinksCode": code,
        "Message": MESSAGES[code],
        "RequestId": request_id,
    }
