"""One visit of Tink Link, step by step. The pages and the headless control walk it alike.

Steps: `bank` → `login` → `accounts` → `consent` → `done`. A login without accounts goes to `empty`,
one that fails to `failed`; every step can be cancelled. A renewal has no `bank` and no `accounts`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tallystick.clock import HOUR_MS
from tallystick.partners.visa.simulator.errors import bad_request, not_found
from tallystick.partners.visa.simulator.fixtures import BY_NAME, MARKET, Behaviour, behave
from tallystick.partners.visa.simulator.state import Document, State

VISIT_MS = HOUR_MS

_FAILURES: Mapping[Behaviour, dict[str, str]] = {
    "wrong": {
        "error": "AUTHENTICATION_ERROR",
        "error_reason": "STATIC_CREDENTIALS_INCORRECT",
        "error_type": "USER_LOGIN_ERROR",
        "message": "The username or the password is wrong.",
    },
    "down": {
        "error": "TEMPORARY_ERROR",
        "error_reason": "PROVIDER_UNAVAILABLE",
        "message": "The bank cannot be reached right now. Try again later.",
    },
}
_CANCELLED = {
    "error": "USER_CANCELLED",
    "error_reason": "USER_CANCELLED",
    "message": "You cancelled.",
}


class Journey:
    """`visit` is the document; every move keeps it. A move that does not fit raises Refusal."""

    def __init__(self, state: State, visit: Document) -> None:
        self._state = state
        self.visit = visit

    @classmethod
    def begin(cls, state: State, query: Mapping[str, str], *, renews: bool) -> Self:
        """Open a Link address; its code is used up. Raises Refusal (400)."""
        if query.get("client_id") != state.kit.credentials[0]:
            raise bad_request("There is no app with this client_id.", "INVALID_PARAMETER_CLIENT_ID")
        redirect_uri = check_redirect(query.get("redirect_uri", ""))
        if query.get("market") != MARKET:
            raise bad_request("The market is not open to this app.", "INVALID_PARAMETER_MARKET")
        code = state.use_code(query.get("authorization_code", ""), delegated=True)
        if code is None:
            said = "This link was used before, or its time is over."
            raise bad_request(said, "INVALID_PARAMETER_AUTHORIZATION_CODE")
        visit: Document = {
            "id": state.new_id(),
            "user_id": code["user_id"],
            "credentials_id": None,
            "redirect_uri": redirect_uri,
            "state": query.get("state"),
            "step": "bank",
            "provider": None,
            "username": None,
            "accounts": [],
            "chosen": [],
            "outcome": None,
            "expires_at": state.now_ms() + VISIT_MS,
        }
        if renews:
            renewed = state.credentials(query.get("credentials_id", ""), code["user_id"])
            visit |= {"credentials_id": renewed["id"], "provider": renewed["provider"]}
            visit["step"] = "login"
        elif query.get("input_provider") in BY_NAME:
            visit |= {"provider": query["input_provider"], "step": "login"}
        journey = cls(state, visit)
        journey.move(visit["step"])
        return journey

    @classmethod
    def find(cls, state: State, visit_id: str) -> Self:
        """Raises Refusal (404) for a visit that is not there or no longer."""
        visit = state.shelf.get("visit", visit_id)
        if visit is None or state.now_ms() >= visit["expires_at"]:
            raise not_found("The visit")
        return cls(state, visit)

    @property
    def step(self) -> str:
        return str(self.visit["step"])

    def move(self, step: str) -> None:
        self.visit["step"] = step
        self._state.shelf.put("visit", self.visit["id"], self.visit)

    def _require(self, *steps: str) -> None:
        if self.step not in steps:
            raise bad_request("The page has moved on.")

    def pick_bank(self, provider: str) -> None:
        self._require("bank")
        if provider not in BY_NAME:
            raise bad_request("There is no such bank.")
        self.visit["provider"] = provider
        self.move("login")

    def back(self) -> None:
        """To the list of banks, unless the bank is given."""
        self._require("login", "failed")
        if self.visit["credentials_id"] is not None:
            raise bad_request("The bank is given.")
        self.move("bank")

    def log_in(self, username: str, password: str) -> None:
        self._require("login", "failed")
        behaviour = behave(username, password)
        if self.visit["credentials_id"] is not None and behaviour == "good":
            user_id = self.visit["user_id"]
            renewed = self._state.credentials(self.visit["credentials_id"], user_id)
            if renewed["username"] != username:
                behaviour = "wrong"
        self.visit["username"] = username
        if behaviour in _FAILURES:
            self.visit["outcome"] = _FAILURES[behaviour]
            self.move("failed")
        elif behaviour == "empty":
            self.move("empty")
        elif self.visit["credentials_id"] is not None:
            self.move("consent")
        else:
            self.visit["accounts"] = self._state.offer(self.visit["provider"], username)
            self.move("accounts")

    def try_again(self) -> None:
        self._require("failed")
        self.visit["outcome"] = None
        self.move("login")

    def give_up(self) -> None:
        """Leave with the error that was shown."""
        self._require("failed")
        self.move("done")

    def choose(self, account_id: str) -> None:
        """One account: the account check's dialog takes no more."""
        self._require("accounts")
        chosen = [each for each in self.visit["accounts"] if each["id"] == account_id]
        if not chosen:
            raise bad_request("There is no such account.")
        self.visit["chosen"] = chosen
        self.move("consent")

    def consent(self) -> None:
        """Make the report, or renew the consent."""
        self._require("consent", "empty")
        visit = self.visit
        with self._state.shelf.together():
            if visit["credentials_id"] is not None:
                renewed = self._state.credentials(visit["credentials_id"], visit["user_id"])
                self._state.change(renewed, "UPDATED")
                visit["outcome"] = {"credentials_id": renewed["id"]}
            else:
                credentials = self._state.connect(
                    visit["user_id"], visit["provider"], visit["username"], visit["chosen"]
                )
                report = self._state.create_report(credentials)
                visit["outcome"] = {
                    "account_verification_report_id": report["id"],
                    "credentials_id": credentials["id"],
                }
            self.move("done")

    def cancel(self) -> None:
        if self.step != "done":
            self.visit["outcome"] = _CANCELLED
            self.move("done")

    def return_address(self) -> str:
        """Where the browser goes in the end, with the outcome and the state."""
        self._require("done")
        outcome = dict(self.visit["outcome"])
        if self.visit["state"] is not None:
            outcome["state"] = self.visit["state"]
        return extend(self.visit["redirect_uri"], outcome)


def check_redirect(uri: str) -> str:
    """Every app of the sandbox has all of loopback and all of https registered.

    Raises Refusal (400).
    """
    refusal = bad_request("The redirect_uri is not registered.", "INVALID_PARAMETER_REDIRECT_URI")
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise refusal from None
    known = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not known or not host or parts.username is not None or parts.fragment or not uri.isascii():
        raise refusal
    return uri


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def extend(address: str, query: Mapping[str, str]) -> str:
    """The address with more members in its query; those that it has stay."""
    parts = urlsplit(address)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *query.items()]
    return urlunsplit(parts._replace(query=urlencode(pairs)))
