"""Stored cards, and what the networks know of a card."""

from __future__ import annotations

import re
from collections.abc import Callable

from tallystick.partners.checkout.simulator.cards import BY_KEY, SandboxCard
from tallystick.partners.checkout.simulator.errors import invalid, not_found
from tallystick.partners.checkout.simulator.gate import Body, text_of
from tallystick.partners.checkout.simulator.payments import read_expiry, read_name
from tallystick.partners.checkout.simulator.show import show_instrument, show_metadata
from tallystick.partners.checkout.simulator.state import Document, State

_BIN = re.compile(r"[0-9]{6}|[0-9]{8}|[0-9]{11}", re.ASCII)
_FORMATS = frozenset({"basic", "card_payouts"})


class Instruments:
    def __init__(self, state: State) -> None:
        self._state = state
        self._sources: dict[str, Callable[[Body], SandboxCard]] = {
            "bin": self._by_bin,
            "token": self._by_token,
            "id": self._by_id,
        }

    def create(self, body: Body) -> Document:
        """POST /instruments from a card token."""
        if text_of(body, "type") != "token":
            raise invalid("type_invalid")
        holder = _read_holder(body)
        token = self._state.spend_token(text_of(body, "token"))
        return show_instrument(self._state.store(token, account_holder=holder))

    def show(self, instrument_id: str) -> Document:
        return show_instrument(self._state.instrument(instrument_id))

    def change(self, instrument_id: str, body: Body) -> Document:
        instrument = self._state.instrument(instrument_id)
        if body.get("type", "card") != "card":
            raise invalid("type_invalid")
        if {"expiry_month", "expiry_year"} & set(body):
            month, year = read_expiry({**instrument, **body})
            instrument |= {"expiry_month": month, "expiry_year": year}
        if "name" in body:
            instrument["name"] = read_name(body["name"])
        if "account_holder" in body:
            instrument["account_holder"] = _read_holder(body)
        self._state.keep_instrument(instrument)
        fingerprint = BY_KEY[instrument["card"]].fingerprint
        return {"type": "card", "fingerprint": fingerprint}

    def delete(self, instrument_id: str) -> None:
        if not self._state.shelf.drop("instrument", instrument_id):
            raise not_found()

    def describe(self, body: Body) -> Document:
        """POST /metadata/card. Raises Refusal."""
        wanted = body.get("format") or "basic"
        source = body.get("source")
        if not isinstance(wanted, str) or wanted not in _FORMATS:
            raise invalid("format_invalid")
        if not isinstance(source, dict):
            raise invalid("source_required" if source is None else "source_invalid")
        find = self._sources.get(text_of(source, "type"))
        if find is None:
            # Also `card`, which takes a full number: only for who may see one.
            raise invalid("source_type_invalid")
        return show_metadata(find(source), payouts=wanted == "card_payouts")

    def _by_bin(self, source: Body) -> SandboxCard:
        digits = text_of(source, "bin")
        if not _BIN.fullmatch(digits):
            raise invalid("bin_invalid")
        for card in BY_KEY.values():
            if card.bin.startswith(digits[:8]):
                return card
        raise not_found()

    def _by_token(self, source: Body) -> SandboxCard:
        token = self._state.shelf.get("token", text_of(source, "token"))
        if token is None:
            raise invalid("token_invalid")
        return BY_KEY[token["card"]]

    def _by_id(self, source: Body) -> SandboxCard:
        return BY_KEY[self._state.instrument(text_of(source, "id"))["card"]]


def _read_holder(body: Body) -> Document | None:
    holder = body.get("account_holder")
    if holder is not None and not isinstance(holder, dict):
        raise invalid("account_holder_invalid")
    return holder
