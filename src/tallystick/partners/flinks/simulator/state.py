"""Sessions, logins, accounts and what is shared of them, and every way these change.

The API, Flinks Connect and the headless control all go through these functions. No password and no
answer to a question is kept.

A session is what a RequestId names: `asked` is the question it waits on, `login_id` what it led to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.clock import DAY_MS, MINUTE_MS
from tallystick.ids import base62, uuid4
from tallystick.partners.flinks.simulator.errors import (
    Refusal,
    access_denied,
    invalid_login_id,
    invalid_request,
    no_session,
)
from tallystick.partners.flinks.simulator.fixtures import (
    INSTITUTION,
    MESSAGES,
    PASSWORD,
    PEOPLE,
    WORK_MS,
    Person,
)
from tallystick.sandbox import bank
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

SESSION_MS = 30 * MINUTE_MS
AUTHORIZE_TOKEN_MS = 30 * MINUTE_MS
ACCESS_TOKEN_MS = 30 * DAY_MS
WRONG_ANSWERS_MAX = 3


def refuse(code: str) -> Refusal:
    return Refusal(401, code, MESSAGES[code])


class State:
    """The documents of this simulator and their transitions."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.shelf = kit.shelf

    def new_id(self) -> str:
        return uuid4(self.kit.entropy)

    # Sessions

    def log_in(self, institution: str, username: str, password: str, tag: str | None) -> Document:
        """Try credentials: a session that waits on a question, or one that has a login."""
        if institution != INSTITUTION:
            raise invalid_request("The institution is unknown.")
        person = PEOPLE.get(username.lower())
        if person is None:
            raise refuse("INVALID_USERNAME")
        if password.lower() != PASSWORD.lower():
            raise refuse("INVALID_PASSWORD")
        if person.refused is not None:
            raise refuse(person.refused)
        session = self._new_session(username, tag)
        if person.questions:
            number = bank.pick(session["id"], len(person.questions))
            session["asked"] = person.questions[number].prompt
        else:
            session["login_id"] = self._enrol(username)["id"]
        return self._keep_session(session)

    def answer(self, session: Document, responses: Mapping[str, object]) -> Document:
        """Answer the question a session waits on. Raises Refusal."""
        prompt = session["asked"]
        if prompt is None or set(responses) - {prompt}:
            raise refuse("UNKNOWN_CHALLENGE_KEY")
        given = responses.get(prompt)
        words = [word for word in given if isinstance(word, str)] if isinstance(given, list) else []
        if not words:
            raise refuse("SECURITYRESPONSES_INCOMPLETE")
        right = next(q.answer for q in self._person(session).questions if q.prompt == prompt)
        if words[0].strip().lower() != right.lower():
            session["wrong"] += 1
            if session["wrong"] >= WRONG_ANSWERS_MAX:
                self.shelf.drop("session", session["id"])
                raise refuse("INVALID_SECURITY_RESPONSE_NO_RETRY")
            self._keep_session(session)
            raise refuse("INVALID_SECURITY_RESPONSE")
        with self.shelf.together():
            session["login_id"] = self._enrol(session["username"])["id"]
            session["asked"] = None
            return self._keep_session(session)

    def open(self, login_id: str, tag: str | None, *, cached: bool) -> Document:
        """A session for a login that is there; not `cached` goes to the bank again."""
        login = self.login(login_id)
        if not cached:
            login["refreshed_at"] = self.kit.clock.now_ms()
            self.shelf.put("login", login["id"], login)
        session = self._new_session(login["username"], tag)
        session["login_id"] = login["id"]
        return self._keep_session(session)

    def session(self, request_id: str) -> Document:
        found = self.shelf.get("session", request_id)
        if found is None or self.kit.clock.now_ms() >= found["opened_at"] + SESSION_MS:
            raise no_session()
        return found

    def _new_session(self, username: str, tag: str | None) -> Document:
        return {
            "id": self.new_id(),
            "username": username,
            "asked": None,
            "wrong": 0,
            "login_id": None,
            "tag": tag,
            "opened_at": self.kit.clock.now_ms(),
        }

    def _keep_session(self, session: Document) -> Document:
        self.shelf.put("session", session["id"], session)
        return session

    def _person(self, of: Document) -> Person:
        return PEOPLE[of["username"].lower()]

    # Logins and their accounts

    def login(self, login_id: str) -> Document:
        found = self.shelf.get("login", login_id)
        if found is None:
            raise invalid_login_id()
        return found

    def accounts(self, login_id: str) -> list[Document]:
        return self.shelf.all("account", login_id=login_id)

    def account(self, login_id: str, account_id: str) -> Document:
        found = self.shelf.get("account", account_id)
        if found is None or found["login_id"] != login_id:
            raise invalid_request("The AccountId is not one of this login.")
        return found

    def work_of(self, login: Document) -> str | None:
        """The code that Flinks answers while it still collects this login's data, else None."""
        waiting = self.kit.clock.now_ms() < login["ready_at"]
        return self._person(login).waits if waiting else None

    def delete_login(self, login_id: str) -> None:
        """Everything of a login; what was shared of it opens nothing any more."""
        login = self.login(login_id)
        if self.work_of(login) is not None:
            raise Refusal(400, "CARD_IN_USE", "The login is still being processed.")
        with self.shelf.together():
            for account in self.accounts(login_id):
                self.shelf.drop("account", account["id"])
            for kind in ("access_token", "session"):
                for document in self.shelf.all(kind, login_id=login_id):
                    self.shelf.drop(kind, document["id"])
            self.shelf.drop("login", login_id)

    def _enrol(self, username: str) -> Document:
        """A new login. The numbers depend on the name alone; each login has its own ids."""
        now = self.kit.clock.now_ms()
        login: Document = {
            "id": self.new_id(),
            "username": username,
            "refreshed_at": now,
            "ready_at": now + (WORK_MS if self._person({"username": username}).waits else 0),
        }
        self.shelf.put("login", login["id"], login)
        for holding in self._person(login).holdings:
            drawn = bank.account(
                INSTITUTION,
                username.lower(),
                name=holding.title,
                kind=holding.kind,
                available_cents=holding.available_cents,
                current_cents=holding.current_cents,
            )
            account: Document = {
                "id": self.new_id(),
                "login_id": login["id"],
                "title": holding.title,
                "kind": holding.kind,
                "currency": holding.currency,
                "number": drawn.number,
                "transit": holding.transit,
                "institution": holding.institution,
                "available_cents": drawn.available_cents,
                "current_cents": drawn.current_cents,
            }
            self.shelf.put("account", account["id"], account)
        return login

    # Sharing

    def new_visit(self, tag: str | None) -> str:
        """The token of one opened Connect page."""
        visit = {"id": self.new_id(), "tag": tag, "session": None}
        self.shelf.put("visit", str(visit["id"]), visit)
        return str(visit["id"])

    def new_authorize_token(self) -> str:
        token = self.new_id()
        expires_at = self.kit.clock.now_ms() + AUTHORIZE_TOKEN_MS
        self.shelf.put("authorize_token", token, {"expires_at": expires_at})
        return token

    def use_authorize_token(self, token: str) -> bool:
        """Whether it was good; it works once."""
        found = self.shelf.get("authorize_token", token)
        self.shelf.drop("authorize_token", token)
        return found is not None and self.kit.clock.now_ms() < found["expires_at"]

    def new_partner(self, name: str, customer: str) -> Document:
        """An AuthSecret for one partner; `id` is the PermissionId that takes it back."""
        partner: Document = {
            "id": self.new_id(),
            "secret": base62(self.kit.entropy, 43),
            "name": name,
            "customer": customer,
            "enabled": True,
        }
        self.shelf.put("partner", partner["id"], partner)
        return partner

    def switch_partner(self, permission_id: str, *, enabled: bool) -> None:
        partner = self.shelf.get("partner", permission_id)
        if partner is None:
            raise invalid_request("The PermissionId is unknown.")
        self.shelf.put("partner", permission_id, {**partner, "enabled": enabled})

    def partner_with(self, secret: str) -> Document:
        """Raises Refusal for a secret that is unknown or disabled."""
        found = self.shelf.all("partner", secret=secret, enabled=True)
        if not found:
            raise access_denied()
        return found[0]

    def share(self, login_id: str, account_id: str) -> Document:
        """The AccessToken of an account: a new one, or the same for another thirty days."""
        self.account(self.login(login_id)["id"], account_id)
        known = self.shelf.all("access_token", login_id=login_id, account_id=account_id)
        token: Document = known[0] if known else {"id": self.new_id(), "login_id": login_id}
        now = self.kit.clock.now_ms()
        token |= {"account_id": account_id, "made_at": now, "expires_at": now + ACCESS_TOKEN_MS}
        self.shelf.put("access_token", token["id"], token)
        return token

    def access_token(self, token: str) -> Document:
        """Raises Refusal for one that is unknown or whose time is over."""
        found = self.shelf.get("access_token", token)
        if found is None or self.kit.clock.now_ms() >= found["expires_at"]:
            raise access_denied()
        return found
