"""Payment sessions, card tokens, payments and stored cards, and every way one of them changes.

The API, the card fields and the headless control all go through these functions, so a state that
one of them reaches is a state that all of them reach.

Kinds on the shelf: `session`, `token`, `payment`, `instrument`, `workflow`. No card number and no
security code is kept, nor anything made from them.
"""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from tallystick.clock import MINUTE_MS, to_iso
from tallystick.ids import base62, uuid4
from tallystick.partners.checkout.simulator.cards import APPROVED, BY_KEY, SandboxCard
from tallystick.partners.checkout.simulator.errors import invalid, not_found
from tallystick.partners.checkout.simulator.notices import Notices
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

# Card tokens live 15 minutes and work once. A session's default is not published.
TOKEN_MS = 15 * MINUTE_MS
SESSION_MS = 60 * MINUTE_MS
# `customer_retry.max_attempts`.
ATTEMPTS_MAX = 5

ENTITY = "ent_sandboxsandboxsandboxsandb"
CHANNEL = "pc_sandboxsandboxsandboxsandb"

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class State:
    """The documents of this simulator and their transitions."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.shelf = kit.shelf
        self.notices = Notices(kit, self.new_id)

    def now_ms(self) -> int:
        return self.kit.clock.now_ms()

    def new_id(self, kind: str) -> str:
        """`pay_` or another kind, and 26 characters."""
        number = int.from_bytes(self.kit.entropy.bytes(17))
        return kind + "_" + "".join(_BASE32[number >> 5 * place & 31] for place in range(26))

    # Payment sessions

    def create_session(self, asked: Document, base_url: str, expires_at: int | None) -> Document:
        """Keep a payment session; `asked` is the checked body of the request."""
        session: Document = {
            "id": "ps_" + base62(self.kit.entropy, 27),
            "payment_session_secret": "pss_" + uuid4(self.kit.entropy),
            "expires_at": expires_at or self.now_ms() + SESSION_MS,
            "asked": asked,
            "attempts": 0,
            "payment_id": None,
        }
        session["payment_session_token"] = self._session_token(session, base_url)
        self.shelf.put("session", session["id"], session)
        return session

    def _session_token(self, session: Document, base_url: str) -> str:
        """What the page's script reads its configuration from; the shape is that of a live one."""
        asked = session["asked"]
        method = {
            "type": "card",
            "card_schemes": ["Visa", "Mastercard"],
            "scheme_choice_enabled": False,
            "store_payment_details": "enabled" if stores(session) else "disabled",
        }
        told = {
            "id": session["id"],
            "entity_id": ENTITY,
            "experiments": {},
            "processing_channel_id": asked.get("processing_channel_id", CHANNEL),
            "amount": asked["amount"],
            "locale": asked.get("locale", "en-GB"),
            "currency": asked["currency"],
            "payment_methods": [method],
            "feature_flags": [],
            "risk": {"enabled": False},
            "merchant_name": asked.get("display_name", "tallystick sandbox"),
            "payment_session_secret": session["payment_session_secret"],
            "payment_type": asked.get("payment_type", "Regular"),
            # The partner's has a bare host here. Ours says where the simulator is.
            "integration_domain": base_url,
        }
        encoded = base64.b64encode(json.dumps(told, separators=(",", ":")).encode())
        return "YmFzZTY0:" + encoded.decode()

    def session(self, session_id: str, secret: str) -> Document:
        """A session that can be paid. Raises Refusal."""
        session = self.shelf.get("session", session_id)
        if session is None:
            raise not_found()
        if not hmac.compare_digest(session["payment_session_secret"].encode(), secret.encode()):
            raise invalid("payment_session_secret_invalid")
        if self.now_ms() >= session["expires_at"]:
            raise invalid("payment_session_expired")
        if session["payment_id"] is not None:
            raise invalid("payment_session_paid")
        if session["attempts"] >= ATTEMPTS_MAX:
            raise invalid("payment_attempts_exceeded")
        return session

    # Card tokens

    def create_token(self, card: SandboxCard, month: int, year: int, name: str | None) -> Document:
        token: Document = {
            "token": self.new_id("tok"),
            "card": card.key,
            "expiry_month": month,
            "expiry_year": year,
            "name": name,
            "expires_at": self.now_ms() + TOKEN_MS,
            "used": False,
        }
        self.shelf.put("token", token["token"], token)
        return token

    def spend_token(self, text: str) -> Document:
        """Raises Refusal for one that is not there, used or too old."""
        token = self.shelf.get("token", text)
        if token is None:
            raise invalid("token_invalid")
        if token["used"]:
            raise invalid("token_used")
        if self.now_ms() >= token["expires_at"]:
            raise invalid("token_expired")
        self.shelf.put("token", text, {**token, "used": True})
        return token

    # Payments and stored cards

    def pay(self, session_id: str, secret: str, token_text: str) -> Document:
        """Pay a session with a card token, once. A refusal by the card is a payment too.

        Raises Refusal. Looking and paying are one transaction: of two calls at once, one pays.
        """
        with self.shelf.together():
            session = self.session(session_id, secret)
            token = self.spend_token(token_text)
            card = BY_KEY[token["card"]]
            amount = session["asked"]["amount"]
            response = "20054" if card.born_expired else card.answer(amount)
            approved = response == APPROVED
            stored = self.store(token) if approved and stores(session) else {}
            payment: Document = {
                "id": self.new_id("pay"),
                "session_id": session["id"],
                "action_id": self.new_id("act"),
                "asked": session["asked"],
                "card": card.key,
                "expiry_month": token["expiry_month"],
                "expiry_year": token["expiry_year"],
                "name": token["name"],
                "instrument_id": stored.get("id"),
                "customer_id": stored.get("customer_id"),
                "approved": approved,
                "status": _status(session["asked"], approved=approved),
                "response_code": response,
                "requested_on": to_iso(self.now_ms()),
            }
            self.shelf.put("payment", payment["id"], payment)
            session["attempts"] += 1
            session["payment_id"] = payment["id"] if approved else None
            self.shelf.put("session", session["id"], session)
        self.notices.tell_payment(payment)
        return payment

    def payment(self, payment_id: str) -> Document:
        """Raises Refusal (404)."""
        payment = self.shelf.get("payment", payment_id)
        if payment is None:
            raise not_found()
        return payment

    def store(self, token: Document, **more: Any) -> Document:
        """A card, stored under a new id each time."""
        instrument: Document = {
            "id": self.new_id("src"),
            "card": token["card"],
            "expiry_month": token["expiry_month"],
            "expiry_year": token["expiry_year"],
            "name": token["name"],
            "account_holder": None,
            "customer_id": self.new_id("cus"),
            **more,
        }
        self.keep_instrument(instrument)
        return instrument

    def instrument(self, instrument_id: str) -> Document:
        """Raises Refusal (404)."""
        instrument = self.shelf.get("instrument", instrument_id)
        if instrument is None:
            raise not_found()
        return instrument

    def keep_instrument(self, instrument: Document) -> None:
        self.shelf.put("instrument", instrument["id"], instrument)


def stores(session: Document) -> bool:
    """Whether a session asks for the card to be stored."""
    configuration = session["asked"].get("payment_method_configuration") or {}
    return (configuration.get("card") or {}).get("store_payment_details") == "enabled"


def _status(asked: Document, *, approved: bool) -> str:
    if not approved:
        return "Declined"
    if asked["amount"] == 0:
        return "Card Verified"
    return "Authorized" if asked.get("capture") is False else "Captured"
