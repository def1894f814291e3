"""Customers, their sign-ins at banks and their accounts, and every way these change.

The API, the Connect page and the headless control all go through these functions. A sign-in keeps
no password.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tallystick.partners.finicity.simulator.errors import (
    Refusal,
    invalid,
    not_found,
    unknown_account,
    unknown_customer,
)
from tallystick.partners.finicity.simulator.fixtures import Institution, holdings_of
from tallystick.sandbox import bank
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

USERNAME_CHARS = range(6, 256)
ID_DIGITS = 10
ACCOUNTS_MAX = 20  # "up to 20 accounts per testing customer" (Test the APIs)


class State:
    """The documents of this simulator and their transitions."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.shelf = kit.shelf

    def new_id(self, digits: int = ID_DIGITS) -> str:
        """A number without a leading zero, as all of Mastercard's ids are."""
        least = 10 ** (digits - 1)
        return str(least + int.from_bytes(self.kit.entropy.bytes(16)) % (9 * least))

    # Customers

    def create_customer(self, partner: str, kind: str, fields: Document) -> Document:
        """Raises Refusal: usernames have 6 to 255 characters and are unique."""
        username = fields["username"]
        if len(username) not in USERNAME_CHARS:
            raise invalid('"username" must have 6 to 255 characters')
        if self.shelf.all("customer", username=username):
            raise Refusal(409, "110002", "Username is not available.")
        customer = {
            "id": self.new_id(),
            "partner": partner,
            "type": kind,
            "created_at": self.kit.clock.now_ms(),
            **fields,
        }
        self.shelf.put("customer", customer["id"], customer)
        return customer

    def customer(self, partner: str, customer_id: str) -> Document:
        """A customer of this partner. Raises Refusal (404)."""
        found = self.shelf.get("customer", customer_id)
        if found is None or found["partner"] != partner:
            raise unknown_customer()
        return found

    def delete_customer(self, customer: Document) -> None:
        """The customer with all that hangs on it; receipts for it open nothing any more."""
        with self.shelf.together():
            for kind in ("account", "login", "session", "receipt"):
                for document in self.shelf.all(kind, customer_id=customer["id"]):
                    self.shelf.drop(kind, document["id"])
            self.shelf.drop("customer", customer["id"])

    # Sign-ins

    def login(self, customer_id: str, login_id: str) -> Document:
        found = self.shelf.get("login", login_id)
        if found is None or found["customer_id"] != customer_id:
            raise not_found()
        return found

    def keep_login(
        self, customer_id: str, institution: Institution, username: str, login_id: str | None
    ) -> Document:
        """A sign-in that worked: a new one, the one that had this username, or one in repair."""
        found: Document | None
        if login_id is not None:
            found = self.login(customer_id, login_id)
        else:
            same = {"institution_id": institution.id, "username": username}
            found = next(iter(self.shelf.all("login", customer_id=customer_id, **same)), None)
        now_ms = self.kit.clock.now_ms()
        login: Document = found or {
            "id": self.new_id(),
            "customer_id": customer_id,
            "institution_id": institution.id,
        }
        login = {**login, "username": username, "status_code": 0, "aggregated_at": now_ms}
        login["succeeded_at"] = now_ms
        self.shelf.put("login", login["id"], login)
        return login

    def set_status(self, login: Document, code: int) -> Document:
        """How the last aggregation ended; it is tried now."""
        now_ms = self.kit.clock.now_ms()
        changed = {**login, "status_code": code, "aggregated_at": now_ms}
        if code == 0:
            changed["succeeded_at"] = now_ms
        self.shelf.put("login", login["id"], changed)
        return changed

    def refresh(self, logins: Iterable[Document]) -> None:
        for login in logins:
            self.set_status(login, login["status_code"])

    # Accounts

    def accounts(self, customer_id: str, **equal: object) -> list[Document]:
        return self.shelf.all("account", customer_id=customer_id, **equal)

    def account(self, customer_id: str, account_id: str) -> Document:
        found = self.shelf.get("account", account_id)
        if found is None or found["customer_id"] != customer_id:
            raise unknown_account()
        return found

    def offered(self, customer_id: str, institution_id: int, username: str) -> list[Document]:
        """The accounts that the bank shows after a sign-in, whether they were added or not."""
        shown = []
        for holding in holdings_of(username):
            drawn = bank.account(
                str(institution_id),
                customer_id,
                username,
                name=holding.name,
                # The bank's draw knows two kinds; a card only needs a number.
                kind="savings" if holding.type == "savings" else "checking",
                available_cents=holding.available_cents,
                current_cents=holding.current_cents,
            )
            shown.append(
                {
                    "name": holding.name,
                    "type": holding.type,
                    "number": drawn.number,
                    "routing": drawn.routing,
                    "available_cents": drawn.available_cents,
                    "current_cents": drawn.current_cents,
                }
            )
        return shown

    def add_accounts(self, login: Document, names: Iterable[str]) -> list[Document]:
        """The accounts of a sign-in that the person chose; known ones keep their ids."""
        wanted = set(names)
        customer_id = login["customer_id"]
        known = {each["number"]: each for each in self.accounts(customer_id)}
        added = []
        with self.shelf.together():
            for shown in self.offered(customer_id, login["institution_id"], login["username"]):
                if shown["name"] not in wanted:
                    continue
                if shown["number"] not in known and len(known) >= ACCOUNTS_MAX:
                    raise invalid("A customer has at most 20 accounts")
                account = known.get(shown["number"]) or {
                    **shown,
                    "id": self.new_id(),
                    "customer_id": customer_id,
                    "institution_id": login["institution_id"],
                    "created_at": self.kit.clock.now_ms(),
                }
                account = {**account, "login_id": login["id"]}
                self.shelf.put("account", account["id"], account)
                known[account["number"]] = account
                added.append(account)
        return added

    def login_of(self, account: Document) -> Document:
        found = self.shelf.get("login", account["login_id"])
        if found is None:
            raise unknown_account()
        return found

    def delete_account(self, account: Document) -> None:
        self.shelf.drop("account", account["id"])
