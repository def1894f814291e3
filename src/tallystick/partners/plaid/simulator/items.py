"""Items: tokens, state, data, and what a processor reads with its token."""

from __future__ import annotations

from starlette.requests import Request

from tallystick.clock import to_iso
from tallystick.partners.plaid.simulator.errors import Refusal, invalid
from tallystick.partners.plaid.simulator.fields import PROCESSORS
from tallystick.partners.plaid.simulator.gate import Body, read_strings
from tallystick.partners.plaid.simulator.show import (
    show_account,
    show_ach,
    show_item,
    show_item_fully,
    show_owners,
)
from tallystick.partners.plaid.simulator.state import Document, State, holding_of


class Items:
    def __init__(self, state: State) -> None:
        self._state = state

    # Tokens and state

    def exchange(self, body: Body, _request: Request) -> Document:
        item = self._state.exchange_public_token(body["public_token"])
        return {"access_token": item["access_token"], "item_id": item["item_id"]}

    def create_public_token(self, body: Body, _request: Request) -> Document:
        public = self._state.create_public_token(self._state.item_of(body["access_token"]))
        return {
            "public_token": public["public_token"],
            "expiration": to_iso(public["expires_at"]),
        }

    def get(self, body: Body, _request: Request) -> Document:
        item = self._state.item_of(body["access_token"])
        return {
            "item": show_item_fully(self._state, item),
            "status": {"last_webhook": item["last_webhook"]} if item["last_webhook"] else None,
        }

    def remove(self, body: Body, _request: Request) -> Document:
        self._state.remove_item(self._state.item_of(body["access_token"]))
        return {}

    def invalidate(self, body: Body, _request: Request) -> Document:
        item = self._state.item_of(body["access_token"])
        return {"new_access_token": self._state.rotate_access_token(item)["access_token"]}

    def update_webhook(self, body: Body, _request: Request) -> Document:
        item = self._state.item_of(body["access_token"])
        self._state.set_webhook(item, body.get("webhook"))
        return {"item": show_item(self._state, item)}

    # Data

    def accounts(self, body: Body, _request: Request) -> Document:
        item, accounts = self._read(body)
        return {
            "accounts": [show_account(one) for one in accounts],
            "item": show_item(self._state, item),
        }

    def auth(self, body: Body, _request: Request) -> Document:
        item, accounts = self._read(body)
        able = [one for one in accounts if holding_of(one).has_auth]
        if not able:
            raise Refusal("NO_AUTH_ACCOUNTS")
        self._state.bill(item, "auth")
        return {
            "accounts": [show_account(one) for one in able],
            "numbers": {
                "ach": [show_ach(one) for one in able],
                "eft": [],
                "international": [],
                "bacs": [],
            },
            "item": show_item(self._state, item),
        }

    def identity(self, body: Body, _request: Request) -> Document:
        item, accounts = self._read(body)
        self._state.bill(item, "identity")
        return {
            "accounts": [show_owners(one) for one in accounts],
            "item": show_item(self._state, item),
        }

    def _read(self, body: Body) -> tuple[Document, list[Document]]:
        """The Item and those of its accounts that `options.account_ids` names, or all."""
        item = self._state.item_of(body["access_token"])
        self._state.check_login(item)
        wanted = body.get("options", {}).get("account_ids")
        if wanted is None:
            return item, item["accounts"]
        ids = read_strings(wanted, "options.account_ids")
        return item, [self._state.account(item, one) for one in ids]

    # Processors

    def create_processor_token(self, body: Body, _request: Request) -> Document:
        item = self._state.item_of(body["access_token"])
        processor = body["processor"]
        if processor not in PROCESSORS:
            raise invalid("processor is not supported")
        token = self._state.create_processor_token(item, body["account_id"], processor)
        return {"processor_token": token}

    def processor_account(self, body: Body, _request: Request) -> Document:
        item, account = self._processed(body)
        return {"account": show_account(account), "institution_id": item["institution_id"]}

    def processor_auth(self, body: Body, _request: Request) -> Document:
        _item, account = self._processed(body)
        if not holding_of(account).has_auth:
            raise Refusal("NO_AUTH_ACCOUNTS")
        return {
            "account": show_account(account),
            "numbers": {
                "ach": show_ach(account),
                "eft": None,
                "international": None,
                "bacs": None,
            },
        }

    def processor_balance(self, body: Body, _request: Request) -> Document:
        _item, account = self._processed(body)
        return {"account": show_account(account)}

    def processor_identity(self, body: Body, _request: Request) -> Document:
        _item, account = self._processed(body)
        return {"account": show_owners(account)}

    def _processed(self, body: Body) -> tuple[Document, Document]:
        item, account = self._state.account_of(body["processor_token"])
        self._state.check_login(item)
        return item, account
