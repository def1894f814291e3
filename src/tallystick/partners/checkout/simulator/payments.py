"""Card tokens and payments: what the card fields call, and what is read of it afterwards."""

from __future__ import annotations

from typing import Any

from tallystick.clock import to_iso
from tallystick.partners.checkout.simulator.cards import BY_NUMBER, SandboxCard
from tallystick.partners.checkout.simulator.errors import invalid
from tallystick.partners.checkout.simulator.gate import Body, text_of
from tallystick.partners.checkout.simulator.show import show_action, show_payment, show_token
from tallystick.partners.checkout.simulator.state import Document, State

_NAME_CHARS_MAX = 255


class Payments:
    def __init__(self, state: State) -> None:
        self._state = state

    def create_token(self, body: Body) -> Document:
        """POST /tokens. The number and the code are looked at and forgotten."""
        if text_of(body, "type") != "card":
            raise invalid("type_invalid")
        card = find_card(text_of(body, "number"))
        month, year = read_expiry(body)
        if is_past(month, year, self._state.now_ms()):
            raise invalid("card_expired")
        check_code(body.get("cvv"))
        token = self._state.create_token(card, month, year, read_name(body.get("name")))
        return show_token(token, to_iso(token["expires_at"]))

    def pay(self, session_id: str, body: Body) -> Document:
        """The call of the card fields; ours, as Checkout.com's is not published."""
        payment = self._state.pay(
            session_id, text_of(body, "payment_session_secret"), text_of(body, "token")
        )
        answer = {"id": payment["id"], "status": "Approved", "type": "card"}
        if not payment["approved"]:
            reason = decline_reason(payment["response_code"])
            answer |= {"status": "Declined", "decline_reason": reason}
        return answer

    def show(self, payment_id: str, base_url: str) -> Document:
        return show_payment(self._state.payment(payment_id), base_url)

    def show_actions(self, payment_id: str) -> list[Document]:
        return [show_action(self._state.payment(payment_id))]


def find_card(number: str) -> SandboxCard:
    """A published test card. Raises Refusal for any other number, without saying it again."""
    card = BY_NUMBER.get(number.replace(" ", ""))
    if card is None:
        raise invalid("card_number_invalid")
    return card


def read_expiry(body: Body) -> tuple[int, int]:
    """Raises Refusal."""
    month, year = body.get("expiry_month"), body.get("expiry_year")
    if type(month) is not int or not 1 <= month <= 12:
        raise invalid("expiry_month_invalid")
    if type(year) is not int or not 2000 <= year <= 9999:
        raise invalid("expiry_year_invalid")
    return month, year


def is_past(month: int, year: int, now_ms: int) -> bool:
    """A card is good to the last day of its month."""
    return f"{year:04}-{month:02}" < to_iso(now_ms)[:7]


def check_code(code: Any) -> None:
    """Any three digits do (Checkout.com, test cards). Raises Refusal."""
    if code is None:
        return
    if not isinstance(code, str) or len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise invalid("cvv_invalid")


def read_name(name: Any) -> str | None:
    """Raises Refusal."""
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > _NAME_CHARS_MAX:
        raise invalid("name_invalid")
    return name


def decline_reason(response_code: str) -> str:
    """One of the documented `requestErrorCodes` of Flow; which one for which is our reading."""
    if response_code == "20051":
        return "not_enough_funds"
    if response_code in {"20014", "20054", "200N7"}:
        return "invalid_customer_data"
    return "try_again"
