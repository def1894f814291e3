"""What Acme knows: link sessions, connections and codes, on the sandbox's shelf.

REPLACE: the partner's own objects and lives, and the test logins that it publishes. Numbers and
balances come from `sandbox.bank`: the same login always has the same accounts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from tallystick.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from tallystick.ids import base62
from tallystick.partners.acme.simulator.errors import Refusal
from tallystick.sandbox.bank import AccountKind, BankAccount, account
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

SESSION_MS = HOUR_MS
CODE_MS = 10 * MINUTE_MS
USER, PASSWORD = "acme_user", "acme_pass"  # the test login


class State:
    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self._shelf = kit.shelf

    def start(self, asked: Document) -> Document:
        """A new link session; with a `connectionId` it repairs that connection."""
        repairs = asked.get("connectionId")
        if repairs is not None:
            self._connection(repairs)
        session = {
            "id": base62(self.kit.entropy, 43),
            "user": asked["user"],
            "redirect_url": asked.get("redirectUrl"),
            "notify_url": asked.get("notifyUrl"),
            "repairs": repairs,
            "connection_id": None,
            "code": None,
            "expires_at": self.kit.clock.now_ms() + SESSION_MS,
        }
        self._shelf.put("session", session["id"], session)
        return session

    def session(self, session_id: str) -> Document:
        """Raises Refusal. One that was finished can still be looked at."""
        session = self._shelf.get("session", session_id)
        if session is None:
            raise Refusal(404, "SESSION_UNKNOWN")
        if session["connection_id"] is None and session["expires_at"] <= self.kit.clock.now_ms():
            raise Refusal(410, "SESSION_EXPIRED")
        return session

    def log_in(self, session: Document, username: str, password: str) -> Document:
        """Finish a session: a new connection and its code, or a repaired connection."""
        if session["connection_id"] is not None:
            raise Refusal(409, "SESSION_FINISHED")
        if (username, password) != (USER, PASSWORD):
            raise Refusal(422, "LOGIN_REFUSED")
        with self._shelf.together():
            if session["repairs"] is None:
                connection = self._connect(session, username)
                session = {**session, "code": base62(self.kit.entropy, 43)}
                until = self.kit.clock.now_ms() + CODE_MS
                code = {"connection_id": connection["id"], "expires_at": until}
                self._shelf.put("code", session["code"], code)
            else:
                connection = self._connection(session["repairs"])
            session = {**session, "connection_id": connection["id"]}
            self._shelf.put("session", session["id"], session)
        if session["repairs"] is not None:
            self.change(connection["id"], "REPAIRED")
        return session

    def _connect(self, session: Document, username: str) -> Document:
        connection = {
            "id": base62(self.kit.entropy, 20),
            "user": session["user"],
            "login": username,
            "notify_url": session["notify_url"],
            "access_token": None,
            "status": "REPAIRED",
        }
        self._shelf.put("connection", connection["id"], connection)
        return connection

    def redeem(self, code: str) -> Document:
        """The connection behind a code, with its access token. A code works once."""
        with self._shelf.together():
            found = self._shelf.get("code", code)
            if found is None:
                raise Refusal(400, "CODE_UNKNOWN")
            if found["expires_at"] <= self.kit.clock.now_ms():
                raise Refusal(400, "CODE_EXPIRED")
            self._shelf.drop("code", code)
            connection = self._connection(found["connection_id"])
            connection["access_token"] = base62(self.kit.entropy, 43)
            self._shelf.put("connection", connection["id"], connection)
        return connection

    def opened(self, access_token: str) -> Document:
        """The connection that a token opens, if it works. Raises Refusal."""
        found = self._shelf.all("connection", access_token=access_token) if access_token else []
        return self._connection(found[0]["id"] if found else "")

    def accounts(self, connection: Document) -> dict[str, BankAccount]:
        """By id. Raises Refusal when the bank wants the person to log in again."""
        if connection["status"] == "LOGIN_REQUIRED":
            raise Refusal(403, "LOGIN_REQUIRED")
        login = ("acme", connection["login"])
        held: tuple[tuple[str, AccountKind, int], ...] = (
            ("Everyday Checking", "checking", 125_050),
            ("Rainy Day Savings", "savings", 900_000),
        )
        return {
            f"{connection['id']}-{kind}": account(
                *login, name=name, kind=kind, available_cents=cents, current_cents=cents
            )
            for name, kind, cents in held
        }

    def change(self, connection_id: str, event: str) -> None:
        """Something happens to a connection, and the client is told with a signed webhook."""
        connection = {**self._connection(connection_id), "status": event}
        self._shelf.put("connection", connection_id, connection)
        if connection["notify_url"] is None:
            return
        body = json.dumps({"event": event, "connectionId": connection_id}).encode()
        at_s = str(self.kit.clock.now_ms() // SECOND_MS)
        key = self.kit.credentials[1].encode()
        mac = hmac.new(key, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature": f"t={at_s},v1={mac}"}
        self.kit.send(connection["notify_url"], body, headers)

    def _connection(self, connection_id: str) -> Document:
        found = self._shelf.get("connection", connection_id)
        if found is None or found["status"] == "REVOKED":
            raise Refusal(410, "CONNECTION_GONE")
        return found
