"""Documents as Checkout.com's JSON. A member that is None is left out, as Checkout.com does."""

from __future__ import annotations

from typing import Any

from tallystick.partners.checkout.simulator.cards import BY_KEY, SUMMARIES, SandboxCard
from tallystick.partners.checkout.simulator.names import inquire

Document = dict[str, Any]

_COUNTRIES = {"US": "United States", "GB": "United Kingdom", "FR": "France", "SG": "Singapore"}


def _dense(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}


def show_session(session: Document, base_url: str) -> Document:
    return {
        "id": session["id"],
        "payment_session_secret": session["payment_session_secret"],
        "payment_session_token": session["payment_session_token"],
        "_links": {"self": {"href": f"{base_url}/payment-sessions/{session['id']}"}},
    }


def _show_card(card: SandboxCard) -> Document:
    """What is known of a card wherever one is shown."""
    return {
        "last4": card.last4,
        "bin": card.bin,
        "card_type": card.card_type,
        "card_category": "CONSUMER",
        "issuer": "SANDBOX BANK",
        "issuer_country": card.country,
        "product_id": "F" if card.scheme == "Visa" else "MDS",
        "product_type": "CLASSIC" if card.scheme == "Visa" else "DEBIT STANDARD",
    }


def show_token(token: Document, expires_on: str) -> Document:
    card = BY_KEY[token["card"]]
    return _dense(
        {
            "type": "card",
            "token": token["token"],
            "expires_on": expires_on,
            "expiry_month": token["expiry_month"],
            "expiry_year": token["expiry_year"],
            "name": token["name"],
            "scheme": card.scheme,
            **_show_card(card),
        }
    )


def _show_source(payment: Document) -> Document:
    card = BY_KEY[payment["card"]]
    return _dense(
        {
            "id": payment["instrument_id"],
            "type": "card",
            "expiry_month": payment["expiry_month"],
            "expiry_year": payment["expiry_year"],
            "name": payment["name"],
            "scheme": card.scheme,
            "fingerprint": card.fingerprint,
            **_show_card(card),
            "avs_check": "S",
            "cvv_check": "N" if payment["response_code"] == "200N7" else "Y",
            "payouts": card.card_type != "CREDIT",
            "fast_funds": _fast_funds(card),
            "billing_address": (payment["asked"].get("billing") or {}).get("address"),
            "account_holder": _show_holder(payment["asked"]),
        }
    )


def _show_holder(asked: Document) -> Document | None:
    configuration = asked.get("payment_method_configuration") or {}
    holder = (configuration.get("card") or {}).get("account_holder")
    return None if holder is None else inquire(holder)


def _fast_funds(card: SandboxCard) -> str:
    if card.card_type == "CREDIT":
        return "u"
    return "d" if card.country == "US" else "c"


def _show_payment(payment: Document) -> Document:
    asked = payment["asked"]
    return {
        "id": payment["id"],
        "amount": asked["amount"],
        "currency": asked["currency"],
        "payment_type": asked.get("payment_type", "Regular"),
        "reference": asked.get("reference"),
        "metadata": asked.get("metadata") or {},
        "processing_channel_id": asked.get("processing_channel_id"),
        "source": _show_source(payment),
        "risk": {"flagged": False},
        "customer": _dense({**(asked.get("customer") or {}), "id": payment["customer_id"]}) or None,
        "balances": _balances(payment),
    }


def show_payment(payment: Document, base_url: str) -> Document:
    """As GET /payments/{id} answers it."""
    own = f"{base_url}/payments/{payment['id']}"
    return _dense(
        {
            **_show_payment(payment),
            "requested_on": payment["requested_on"],
            "approved": payment["approved"],
            "status": payment["status"],
            "scheme_id": "488341541494658",
            "eci": "07",
            "_links": {"self": {"href": own}, "actions": {"href": f"{own}/actions"}},
        }
    )


def show_payment_event(payment: Document) -> Document:
    """As the `data` of a webhook has it."""
    return _dense(
        {
            **_show_payment(payment),
            "action_id": payment["action_id"],
            "processed_on": payment["requested_on"],
            "response_code": payment["response_code"],
            "response_summary": SUMMARIES[payment["response_code"]],
        }
    )


def show_action(payment: Document) -> Document:
    amount = payment["asked"]["amount"]
    return {
        "id": payment["action_id"],
        "type": "Authorization" if amount else "Card Verification",
        "processed_on": payment["requested_on"],
        "amount": amount,
        "approved": payment["approved"],
        "response_code": payment["response_code"],
        "response_summary": SUMMARIES[payment["response_code"]],
    }


def _balances(payment: Document) -> Document:
    amount = payment["asked"]["amount"] if payment["approved"] else 0
    captured = amount if payment["status"] == "Captured" else 0
    return {
        "total_authorized": amount,
        "total_voided": 0,
        "available_to_void": amount - captured,
        "total_captured": captured,
        "available_to_capture": amount - captured,
        "total_refunded": 0,
        "available_to_refund": captured,
    }


def show_instrument(instrument: Document) -> Document:
    card = BY_KEY[instrument["card"]]
    return _dense(
        {
            "id": instrument["id"],
            "type": "card",
            "fingerprint": card.fingerprint,
            "expiry_month": instrument["expiry_month"],
            "expiry_year": instrument["expiry_year"],
            "name": instrument["name"],
            "scheme": card.scheme,
            **_show_card(card),
            "customer": {"id": instrument["customer_id"], "default": True},
            "account_holder": instrument["account_holder"],
        }
    )


def show_metadata(card: SandboxCard, *, payouts: bool) -> Document:
    shown: Document = {
        "scheme": card.scheme.lower(),
        "issuer_country_name": _COUNTRIES[card.country],
        **_show_card(card),
        "is_reloadable_prepaid": True if card.card_type == "PREPAID" else None,
        "card_payouts": _payouts(card) if payouts else None,
    }
    del shown["last4"]
    return _dense(shown)


def _payouts(card: SandboxCard) -> Document:
    """Ours: a debit or prepaid card takes payouts from its own country at once."""
    takes = card.card_type != "CREDIT"
    kinds = ("money_transfer", "non_money_transfer", "gambling")
    domestic = {f"domestic_{kind}": "fast_funds" if takes else "not_supported" for kind in kinds}
    abroad = {f"cross_border_{kind}": "standard" if takes else "not_supported" for kind in kinds}
    return {**domestic, **abroad}
