"""Users, codes, tokens, credentials and reports, and every way one of them changes.

The API, the pages and the control all go through these functions, so a state that one of them
reaches is a state that all of them reach.

Kinds on the shelf: `user`, `code`, `token`, `credentials`, `report`, `refresh`, `visit`
(journey.py), `hook` (hooks.py). No password is kept.
"""

from __future__ import annotations

from typing import Any

from tallystick.clock import HOUR_MS, MINUTE_MS, to_iso
from tallystick.partners.visa.simulator.errors import Refusal, bad_request, not_found, unauthorized
from tallystick.partners.visa.simulator.fixtures import BY_NAME, HOLDER, holdings_of
from tallystick.partners.visa.simulator.hooks import Hooks
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

TOKEN_MS = 30 * MINUTE_MS  # `expires_in` 1800
CODE_MS = 10 * MINUTE_MS
REPORT_MS = HOUR_MS

# A balance refresh is finished when it is looked at for the second time.
LOOKS_TO_FINISH = 2

STATUSES = (
    "UPDATED",
    "UPDATING",
    "AUTHENTICATION_ERROR",
    "SESSION_EXPIRED",
    "TEMPORARY_ERROR",
    "DELETED",
)


class State:
    """The documents of this simulator and their transitions."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.shelf = kit.shelf
        self.hooks = Hooks(kit)

    def now_ms(self) -> int:
        return self.kit.clock.now_ms()

    def new_id(self) -> str:
        return self.kit.entropy.bytes(16).hex()

    # Users

    def create_user(self, external_id: str | None, market: str, locale: str) -> Document:
        """Raises Refusal (409) when there is a user of that external id."""
        if external_id is not None and self.shelf.all("user", external_id=external_id):
            code = "oauth.user_already_exists"
            raise Refusal(409, code, "There is a user with this external_user_id.")
        user: Document = {
            "id": self.new_id(),
            "external_id": external_id,
            "market": market,
            "locale": locale,
        }
        self.shelf.put("user", user["id"], user)
        return user

    def user(self, user_id: str | None, external_id: str | None) -> Document:
        """By one of its two names. Raises Refusal: 400 for both or none, 404."""
        if (user_id is None) == (external_id is None):
            raise bad_request("Send either user_id or external_user_id.")
        if user_id is not None:
            found = self.shelf.get("user", user_id)
        else:
            found = next(iter(self.shelf.all("user", external_id=external_id)), None)
        if found is None:
            raise not_found("The user")
        return found

    def delete_user(self, user: Document) -> None:
        with self.shelf.together():
            for kind in ("credentials", "report", "code", "token"):
                for document in self.shelf.all(kind, user_id=user["id"]):
                    self.shelf.drop(kind, document["id"])
            self.shelf.drop("user", user["id"])

    # Codes and tokens

    def create_code(self, user: Document, scope: str, *, delegated: bool) -> Document:
        """A code for our own token, or (`delegated`) one for Tink Link."""
        code = {
            "id": self.new_id(),
            "user_id": user["id"],
            "scope": scope,
            "delegated": delegated,
            "expires_at": self.now_ms() + CODE_MS,
        }
        self.shelf.put("code", code["id"], code)
        return code

    def use_code(self, code_id: str, *, delegated: bool) -> Document | None:
        """The code, which is gone afterwards; None if it cannot be used."""
        code = self.shelf.get("code", code_id)
        if code is None or code["delegated"] is not delegated:
            return None
        self.shelf.drop("code", code_id)
        return code if self.now_ms() < code["expires_at"] else None

    def create_token(self, scope: str, user_id: str | None) -> Document:
        token: Document = {
            "id": self.new_id(),
            "scope": scope,
            "user_id": user_id,
            "expires_at": self.now_ms() + TOKEN_MS,
        }
        self.shelf.put("token", token["id"], token)
        return token

    def token(self, token_id: str) -> Document:
        """Raises Refusal (401)."""
        token = self.shelf.get("token", token_id)
        if token is None or self.now_ms() >= token["expires_at"]:
            raise unauthorized()
        return token

    # Credentials and their accounts

    def offer(self, provider: str, username: str) -> list[Document]:
        """The accounts behind a login, not yet shared. Their ids are new for each visit."""
        return [
            {
                "id": self.new_id(),
                "name": each.name,
                "kind": each.kind,
                "number": each.number,
                "routing": each.routing,
                "available_cents": each.available_cents,
                "current_cents": each.current_cents,
            }
            for each in holdings_of(provider, username)
        ]

    def connect(
        self, user_id: str, provider: str, username: str, accounts: list[Document]
    ) -> Document:
        """Keep what a person shares; tells the webhooks."""
        credentials = {
            "id": self.new_id(),
            "user_id": user_id,
            "provider": provider,
            "username": username,
            "status": "UPDATED",
            "status_at": self.now_ms(),
            "refreshed_at": self.now_ms(),
            "accounts": accounts,
        }
        return self.change(credentials, "UPDATED")

    def credentials(self, credentials_id: str, user_id: str) -> Document:
        """Raises Refusal (404), for another person's as well."""
        found = self.shelf.get("credentials", credentials_id)
        if found is None or found["user_id"] != user_id:
            raise not_found("The credentials")
        return found

    def change(self, credentials: Document, status: str) -> Document:
        """The end of a refresh, good or bad; tells the webhooks. Raises Refusal (400)."""
        if status not in STATUSES:
            raise bad_request(f"status is none of {', '.join(STATUSES)}.")
        now = self.now_ms()
        credentials |= {"status": status, "status_at": now}
        if status == "UPDATED":
            credentials["refreshed_at"] = now
        self.shelf.put("credentials", credentials["id"], credentials)
        user = self.shelf.get("user", credentials["user_id"])
        self.hooks.tell_refreshed(credentials, user or {})
        return credentials

    def account(self, account_id: str, user_id: str) -> tuple[Document, Document]:
        """The credentials and the account. Raises Refusal (404)."""
        for credentials in self.shelf.all("credentials", user_id=user_id):
            for account in credentials["accounts"]:
                if account["id"] == account_id:
                    return credentials, account
        raise not_found("The account")

    # Balance refreshes

    def start_refresh(self, credentials: Document, user_id: str) -> Document:
        refresh = {
            "id": self.new_id(),
            "user_id": user_id,
            "credentials_id": credentials["id"],
            "looks": 0,
        }
        self.shelf.put("refresh", refresh["id"], refresh)
        return refresh

    def look_at_refresh(self, refresh_id: str, user_id: str) -> str:
        """How a balance refresh goes: `refreshing`, `finished` or `failed`. Raises Refusal."""
        refresh = self.shelf.get("refresh", refresh_id)
        if refresh is None or refresh["user_id"] != user_id:
            raise not_found("The balance refresh")
        refresh["looks"] += 1
        self.shelf.put("refresh", refresh_id, refresh)
        if refresh["looks"] < LOOKS_TO_FINISH:
            return "refreshing"
        credentials = self.credentials(refresh["credentials_id"], user_id)
        if credentials["status"] != "UPDATED":
            return "failed"
        if refresh["looks"] == LOOKS_TO_FINISH:
            credentials["refreshed_at"] = self.now_ms()
            self.shelf.put("credentials", credentials["id"], credentials)
        return "finished"

    # Reports

    def create_report(self, credentials: Document) -> Document:
        report = {
            "id": self.new_id(),
            "user_id": credentials["user_id"],
            "created_at": self.now_ms(),
            "provider": credentials["provider"],
            "accounts": credentials["accounts"],
        }
        self.shelf.put("report", report["id"], report)
        return report

    def report(self, report_id: str) -> Document:
        """Raises Refusal (404), an hour after it was made as well."""
        report = self.shelf.get("report", report_id)
        if report is None or self.now_ms() >= report["created_at"] + REPORT_MS:
            raise not_found("The report")
        return report


def show_report(report: Document) -> Document:
    """The US members of an account are our reading; see docs/partners/visa.md."""
    accounts = [
        {
            "id": account["id"],
            "name": account["name"],
            "accountNumber": account["number"],
            "displayAccountNumber": f"****{account['number'][-4:]}",
            "accountType": account["kind"].upper(),
            "currencyCode": "USD",
            "holderName": HOLDER,
            "customerSegment": "PERSONAL",
            "accountIdentifiers": {"us": show_identifiers(account)},
            "parties": [{"role": "HOLDER", "identity": {"name": HOLDER}}],
        }
        for account in report["accounts"]
    ]
    provider = {
        "providerName": report["provider"],
        "financialInstitutionName": BY_NAME[report["provider"]].label,
        "updated": report["created_at"],
        "identity": {"name": HOLDER, "dateOfBirth": "1990-01-01", "ssn": None},
        "accounts": accounts,
    }
    return {
        "id": report["id"],
        "created": report["created_at"],
        "userDataByProvider": [provider],
    }


def show_identifiers(account: Document) -> Document:
    return {"routingNumber": account["routing"], "accountNumber": account["number"]}


def show_second(at_ms: int) -> str:
    """`2022-09-27T15:01:40Z`: balances have no milliseconds."""
    return f"{to_iso(at_ms)[:-5]}Z"
