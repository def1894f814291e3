"""Link tokens, Items and their tokens, and every way one of them changes.

The API, the Link page and the headless control all go through these functions, so a state that one
of them reaches is a state that all of them reach.

Kinds on the shelf: `link` (link tokens), `session` (journey.py), `item`, `public`, `access`,
`processor`, `signing_key` (sign.py). No password is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tallystick.ids import base62, uuid4
from tallystick.partners.plaid.simulator.errors import Refusal, describe
from tallystick.partners.plaid.simulator.fixtures import BY_NAME, Holding, Institution
from tallystick.partners.plaid.simulator.notices import ENVIRONMENT, Notices
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

LINK_TOKEN_MS = 4 * HOUR_MS
UPDATE_LINK_TOKEN_MS = 30 * MINUTE_MS
PUBLIC_TOKEN_MS = 30 * MINUTE_MS

# "In the Sandbox, Items will transition to an ITEM_LOGIN_REQUIRED error state automatically after
# 30 days" (Plaid, /sandbox/item/reset_login). No webhook goes out when that happens here.
LOGIN_MS = 30 * DAY_MS

BUSINESS_KINDS = ("link", "session", "item", "public", "access", "processor")

_ID_LENGTH = 37
_REQUEST_ID_LENGTH = 15
_PUBLIC_TOKEN = re.compile(r"public-[a-z]+-[0-9a-f-]+", re.ASCII)


class State:
    """The documents of this simulator and their transitions."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.shelf = kit.shelf
        self.notices = Notices(kit)

    def now_ms(self) -> int:
        return self.kit.clock.now_ms()

    def new_id(self) -> str:
        return base62(self.kit.entropy, _ID_LENGTH)

    def new_request_id(self) -> str:
        return base62(self.kit.entropy, _REQUEST_ID_LENGTH)

    def new_token(self, kind: str) -> str:
        return f"{kind}-{ENVIRONMENT}-{uuid4(self.kit.entropy)}"

    # Link tokens

    def create_link_token(self, fields: Document, *, lives_ms: int | None = None) -> Document:
        """Keep a link token; `fields` is what Link needs to know, see links.py."""
        now = self.now_ms()
        usual = LINK_TOKEN_MS if fields["item_id"] is None else UPDATE_LINK_TOKEN_MS
        link = {
            **fields,
            "link_token": self.new_token("link"),
            "created_at": now,
            "expires_at": now + (lives_ms or usual),
        }
        self.shelf.put("link", link["link_token"], link)
        return link

    def link(self, token: str, *, expired: bool = False) -> Document:
        """A link token that can open Link; with `expired` also one that no longer can.

        Raises Refusal (INVALID_LINK_TOKEN).
        """
        link = self.shelf.get("link", token)
        if link is None or (not expired and self.now_ms() >= link["expires_at"]):
            raise Refusal("INVALID_LINK_TOKEN")
        return link

    # Items

    def create_item(
        self,
        institution: Institution,
        username: str,
        holdings: Iterable[Holding],
        *,
        products: Iterable[str],
        webhook: str | None = None,
        client_user_id: str | None = None,
    ) -> Document:
        now = self.now_ms()
        item = {
            "item_id": self.new_id(),
            "institution_id": institution.institution_id,
            "username": username,
            "products": list(products),
            "webhook": webhook,
            "client_user_id": client_user_id,
            "accounts": [{"account_id": self.new_id(), "name": one.name} for one in holdings],
            "taken_away": [],
            "access_token": None,
            "login_required": False,
            "login_at": now,
            "consent_expiration_time": None,
            "last_webhook": None,
            "created_at": now,
        }
        self._keep(item)
        return item

    def item(self, item_id: str) -> Document:
        """Raises Refusal (ITEM_NOT_FOUND)."""
        item = self.shelf.get("item", item_id)
        if item is None:
            raise Refusal("ITEM_NOT_FOUND")
        return item

    def item_error(self, item: Document) -> Document | None:
        stale = self.now_ms() >= item["login_at"] + LOGIN_MS
        return describe("ITEM_LOGIN_REQUIRED") if item["login_required"] or stale else None

    def check_login(self, item: Document) -> None:
        """Data comes only from an Item in a good state. Raises Refusal (ITEM_LOGIN_REQUIRED)."""
        if self.item_error(item) is not None:
            raise Refusal("ITEM_LOGIN_REQUIRED")

    def remove_item(self, item: Document) -> None:
        """The Item and all that opens it; its access token still says that it was removed."""
        with self.shelf.together():
            for kind, key in (("public", "public_token"), ("processor", "processor_token")):
                for document in self.shelf.all(kind, item_id=item["item_id"]):
                    self.shelf.drop(kind, document[key])
            self.shelf.drop("item", item["item_id"])

    def require_login(self, item: Document) -> None:
        item["login_required"] = True
        self._keep(item)
        self.notices.tell_item(item, "ERROR")

    def repair_item(self, item: Document, holdings: list[Holding] | None) -> None:
        """Update mode is done: the login works again; `holdings` are the accounts newly chosen.

        An account that was shared before has its old id, also when it was taken away in between:
        what Plaid does then is not documented. Nothing is posted: Plaid has LOGIN_REPAIRED for a
        repair made outside of the client's own update mode.
        """
        item["login_required"] = False
        item["login_at"] = self.now_ms()
        if holdings is not None:
            known = {one["name"]: one for one in (*item["taken_away"], *item["accounts"])}
            item["accounts"] = [
                known.pop(one.name, None) or {"account_id": self.new_id(), "name": one.name}
                for one in holdings
            ]
            item["taken_away"] = list(known.values())
        self._keep(item)

    def set_webhook(self, item: Document, webhook: str | None) -> None:
        item["webhook"] = webhook
        self._keep(item)

    def bill(self, item: Document, product: str) -> None:
        """A product is added to an Item by the first call to it (Plaid, initializing products)."""
        if product not in item["products"]:
            item["products"].append(product)
            self._keep(item)

    # Public and access tokens

    def create_public_token(self, item: Document) -> Document:
        now = self.now_ms()
        public = {
            "public_token": self.new_token("public"),
            "item_id": item["item_id"],
            "expires_at": now + PUBLIC_TOKEN_MS,
            "used": False,
        }
        self.shelf.put("public", public["public_token"], public)
        return public

    def exchange_public_token(self, token: str) -> Document:
        """The Item, with its access token. The public token is spent. Raises Refusal.

        Reading and spending are one transaction: of two calls at once, one gets the Item.
        """
        if _PUBLIC_TOKEN.fullmatch(token) is None:
            raise Refusal(
                "INVALID_PUBLIC_TOKEN",
                "provided public token is in an invalid format. expected format: "
                "public-<environment>-<identifier>",
            )
        with self.shelf.together():
            public = self.shelf.get("public", token)
            if public is None or public["used"]:
                raise Refusal("INVALID_PUBLIC_TOKEN")
            if self.now_ms() >= public["expires_at"]:
                raise Refusal(
                    "INVALID_PUBLIC_TOKEN",
                    "provided public token is expired. Public tokens expire 30 minutes after "
                    "creation at which point they can no longer be exchanged",
                )
            self.shelf.put("public", token, {**public, "used": True})
            item = self.item(public["item_id"])
            return item if item["access_token"] else self._give_access(item)

    def item_of(self, access_token: str) -> Document:
        """Raises Refusal: INVALID_ACCESS_TOKEN, or ITEM_NOT_FOUND after /item/remove."""
        access = self.shelf.get("access", access_token)
        if access is None:
            raise Refusal("INVALID_ACCESS_TOKEN")
        return self.item(access["item_id"])

    def rotate_access_token(self, item: Document) -> Document:
        with self.shelf.together():
            self.shelf.drop("access", item["access_token"])
            return self._give_access(item)

    def _give_access(self, item: Document) -> Document:
        token = self.new_token("access")
        self.shelf.put("access", token, {"access_token": token, "item_id": item["item_id"]})
        item["access_token"] = token
        self._keep(item)
        return item

    # Processor tokens

    def create_processor_token(self, item: Document, account_id: str, processor: str) -> str:
        """Raises Refusal (INVALID_ACCOUNT_ID)."""
        self.account(item, account_id)
        token = self.new_token("processor")
        document = {
            "processor_token": token,
            "item_id": item["item_id"],
            "account_id": account_id,
            "processor": processor,
        }
        self.shelf.put("processor", token, document)
        return token

    def account_of(self, processor_token: str) -> tuple[Document, Document]:
        """The Item and the account that a processor may read. Raises Refusal."""
        found = self.shelf.get("processor", processor_token)
        if found is None:
            raise Refusal("INVALID_PROCESSOR_TOKEN")
        item = self.item(found["item_id"])
        return item, self.account(item, found["account_id"])

    # Accounts

    def account(self, item: Document, account_id: str) -> Document:
        for account in item["accounts"]:
            if account["account_id"] == account_id:
                return dict(account)
        raise Refusal("INVALID_ACCOUNT_ID")

    def reset(self) -> None:
        """Forget everything but the signing key, which a receiver may have cached."""
        for kind in BUSINESS_KINDS:
            for document in self.shelf.all(kind):
                self.shelf.drop(kind, document[_KEY[kind]])

    def _keep(self, item: Document) -> None:
        self.shelf.put("item", item["item_id"], item)


_KEY = {
    "link": "link_token",
    "session": "link_session_id",
    "item": "item_id",
    "public": "public_token",
    "access": "access_token",
    "processor": "processor_token",
}


def holding_of(account: Document) -> Holding:
    return BY_NAME[account["name"]]
