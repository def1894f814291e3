"""Users, members and accounts, and every way a member's connection changes.

The API, the Connect page and the headless control all go through these functions, so a state that
one of them reaches is a state that all of them reach.

A member keeps no password. What its login leads to is kept instead, in `plan`, so that a later
aggregation meets the same bank as the first one did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tallystick.ids import uuid4
from tallystick.partners.mx.simulator.errors import conflict, not_found, unprocessable
from tallystick.partners.mx.simulator.fixtures import (
    BY_CODE,
    HOLDINGS,
    STATUS_NUMBERS,
    TEST_USER,
    WAITS_FOR_ANSWER,
    ChallengeKind,
    Institution,
    Outcome,
    judge_answer,
    judge_login,
)
from tallystick.sandbox import bank
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

# "The end user's entered credentials have failed to connect three times in a row" (Nexus API).
REFUSALS_BEFORE_PREVENTED = 3

# What falls with a member, and what falls with a user.
_OF_MEMBER = ("account", "code", "access", "oauth")
_OF_USER = ("widget", "page")


class State:
    """The documents of this simulator and their transitions."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.shelf = kit.shelf

    def new_guid(self, prefix: str) -> str:
        return f"{prefix}-{uuid4(self.kit.entropy)}"

    # Users

    def create_user(self, fields: Mapping[str, Any]) -> Document:
        user = {
            "guid": self.new_guid("USR"),
            "id": None,
            "email": None,
            "is_disabled": False,
            "metadata": None,
            **fields,
        }
        self._claim_user_id(user)
        self.shelf.put("user", user["guid"], user)
        return user

    def update_user(self, user: Document, fields: Mapping[str, Any]) -> Document:
        changed = {**user, **fields}
        self._claim_user_id(changed)
        self.shelf.put("user", user["guid"], changed)
        return changed

    def user(self, identifier: str, *, by_id: bool = False) -> Document:
        """The user with this guid, or with `by_id` this id of the client's own. Raises Refusal."""
        found = self.shelf.get("user", identifier)
        if found is None and by_id:
            found = next(iter(self.shelf.all("user", id=identifier)), None)
        if found is None:
            raise not_found("The user")
        return found

    def delete_user(self, user: Document) -> None:
        with self.shelf.together():
            for member in self.members(user["guid"]):
                self._drop_member(member["guid"])
            for kind in _OF_USER:
                for document in self.shelf.all(kind, user_guid=user["guid"]):
                    self.shelf.drop(kind, document["key"])
            self.shelf.drop("user", user["guid"])

    def _claim_user_id(self, user: Document) -> None:
        twins = self.shelf.all("user", id=user["id"]) if user["id"] is not None else []
        if any(twin["guid"] != user["guid"] for twin in twins):
            raise conflict("A user with this id already exists.")

    # Members

    def members(self, user_guid: str) -> list[Document]:
        return self.shelf.all("member", user_guid=user_guid)

    def member(self, user_guid: str, identifier: str, *, by_id: bool = False) -> Document:
        """A member of this user, by guid or with `by_id` by the client's id. Raises Refusal."""
        found = self.shelf.get("member", identifier)
        if found is None and by_id:
            found = next(iter(self.shelf.all("member", id=identifier)), None)
        if found is None or found["user_guid"] != user_guid:
            raise not_found("The member")
        return found

    def institution(self, member: Document) -> Institution:
        return BY_CODE[member["institution_code"]]

    def enrol(
        self, user_guid: str, institution: Institution, fields: Mapping[str, Any] | None = None
    ) -> Document:
        """A new member, CREATED, or PENDING where the person has yet to go to the bank's site."""
        now = self.kit.clock.now_ms()
        member = {
            "guid": self.new_guid("MBR"),
            "user_guid": user_guid,
            "institution_code": institution.code,
            "id": None,
            "metadata": None,
            "background_aggregation_is_disabled": False,
            "use_cases": [],
            "username": None,
            "connection_status": "PENDING" if institution.oauth else "CREATED",
            "plan": None,
            "refusals": 0,
            "challenge": None,
            "created_at": now,
            "aggregated_at": None,
            "successfully_aggregated_at": None,
            "verified": False,
            "identified": False,
            **(fields or {}),
        }
        if member["id"] is not None and self.shelf.all("member", id=member["id"]):
            raise conflict("A member with this id already exists.")
        self._keep(member)
        return member

    def update_member(self, member: Document, fields: Mapping[str, Any]) -> Document:
        changed = {**member, **fields}
        self._keep(changed)
        return changed

    def delete_member(self, member: Document) -> None:
        with self.shelf.together():
            self._drop_member(member["guid"])

    def find_login(
        self, user_guid: str, institution: Institution, username: str
    ) -> Document | None:
        """The member this user already has for this login, if any."""
        same = self.shelf.all(
            "member", user_guid=user_guid, institution_code=institution.code, username=username
        )
        return same[0] if same else None

    # Transitions

    def prepare(self, member: Document, username: str, password: str) -> Document:
        """Keep what these credentials will lead to, without going to the bank yet."""
        outcome = judge_login(username, password)
        plan = {"status": outcome.status, "challenge": outcome.challenge}
        return self.update_member(member, {"username": username, "plan": plan})

    def log_in(self, member: Document, username: str, password: str) -> Document:
        """Try these credentials at the bank."""
        changed = {**member, "username": username, "challenge": None}
        return self._land(changed, judge_login(username, password))

    def answer(self, member: Document, value: str) -> Document:
        """Answer the challenge the member waits on. Raises Refusal where it waits on none."""
        if member["connection_status"] not in WAITS_FOR_ANSWER or member["challenge"] is None:
            raise unprocessable("The member has no challenge to answer.")
        return self._land(member, judge_answer(value))

    def aggregate(self, member: Document) -> Document:
        """Go to the bank again with what it already knows; new credentials it does not have."""
        if member["plan"] is None:
            return member
        return self._land(member, Outcome(**member["plan"]))

    def consent(self, member: Document, kinds: Iterable[str]) -> Document:
        """The person agreed on the bank's own page to share these kinds of account."""
        changed = {**member, "username": TEST_USER, "shared": sorted(set(kinds))}
        return self._land(changed, Outcome("CONNECTED"))

    def refuse_consent(self, member: Document) -> Document:
        """The person turned back on the bank's own page; a working connection stays as it was."""
        if member["connection_status"] == "PENDING":
            return self._land(member, Outcome("DENIED"))
        return member

    def verify(self, member: Document, account_guids: Iterable[str] | None = None) -> Document:
        """Make account numbers available: of these accounts, or of all.

        An account the person once chose stays chosen when the connection is repaired.
        """
        accounts = self.accounts(member["guid"])
        wanted = {a["guid"] for a in accounts} if account_guids is None else set(account_guids)
        if unknown := wanted - {a["guid"] for a in accounts}:
            raise not_found(f"The account {min(unknown)}")
        with self.shelf.together():
            for account in accounts:
                if account["guid"] in wanted:
                    self.shelf.put("account", account["guid"], {**account, "has_numbers": True})
            return self.update_member(member, {"verified": True})

    def degrade(self, member: Document, status: str) -> Document:
        """Break (or with CONNECTED mend) a connection from outside. Raises Refusal."""
        if status not in STATUS_NUMBERS:
            raise unprocessable(f"{status} is not a connection status.")
        challenge: ChallengeKind | None = "TEXT" if status in WAITS_FOR_ANSWER else None
        return self._land({**member, "challenge": None}, Outcome(status, challenge))

    def _land(self, member: Document, outcome: Outcome) -> Document:
        """Put a member where the bank's answer leaves it."""
        now = self.kit.clock.now_ms()
        status = outcome.status
        refusals = member["refusals"] + 1 if status == "DENIED" else 0
        if refusals >= REFUSALS_BEFORE_PREVENTED:
            status = "PREVENTED"
        changed = {
            **member,
            "connection_status": status,
            "refusals": refusals,
            "aggregated_at": now,
            "plan": {"status": outcome.status, "challenge": outcome.challenge},
        }
        changed["challenge"] = self._next_challenge(member, outcome)
        with self.shelf.together():
            if status == "CONNECTED":
                changed["successfully_aggregated_at"] = now
                self._fill_accounts(changed)
            elif status == "REJECTED" and member["plan"] is not None:
                changed["plan"] = member["plan"]  # the bank asks again at the next aggregation
            self._keep(changed)
        return changed

    def _next_challenge(self, member: Document, outcome: Outcome) -> Document | None:
        if outcome.challenge is not None:
            return {"guid": self.new_guid("CRD"), "kind": outcome.challenge}
        if outcome.status == "REJECTED" and member["challenge"] is not None:
            return {"guid": self.new_guid("CRD"), "kind": member["challenge"]["kind"]}
        return None

    # Accounts

    def accounts(self, member_guid: str) -> list[Document]:
        return self.shelf.all("account", member_guid=member_guid)

    def account(self, user_guid: str, guid: str) -> Document:
        found = self.shelf.get("account", guid)
        if found is None or found["user_guid"] != user_guid:
            raise not_found("The account")
        return found

    def _fill_accounts(self, member: Document) -> None:
        """The accounts the bank shows; those already known keep their guids.

        Known ones that this login no longer shows are closed: MX knows nothing new of them. Another
        login may have been given in a repair, or other accounts chosen at the bank.
        """
        known = {a["number"]: a for a in self.accounts(member["guid"])}
        shown = set()
        for holding in HOLDINGS:
            if "shared" in member and holding.kind not in member["shared"]:
                continue
            drawn = bank.account(
                member["institution_code"],
                member["user_guid"],
                member["username"],
                name=holding.name,
                kind=holding.kind,
                available_cents=holding.available_cents,
                current_cents=holding.current_cents,
            )
            shown.add(drawn.number)
            if drawn.number in known:
                continue
            guid = self.new_guid("ACT")
            document = {
                "guid": guid,
                "user_guid": member["user_guid"],
                "member_guid": member["guid"],
                "institution_code": member["institution_code"],
                "numbers_guid": self.new_guid("ACN"),
                "owner_guid": self.new_guid("ACO"),
                "name": drawn.name,
                "kind": drawn.kind,
                "number": drawn.number,
                "routing": drawn.routing,
                "available_cents": drawn.available_cents,
                "current_cents": drawn.current_cents,
                "created_at": self.kit.clock.now_ms(),
                "has_numbers": False,
                "closed": False,
            }
            self.shelf.put("account", guid, document)
        for number, account in known.items():
            self.shelf.put("account", account["guid"], {**account, "closed": number not in shown})

    def _keep(self, member: Document) -> None:
        self.shelf.put("member", member["guid"], member)

    def _drop_member(self, guid: str) -> None:
        for kind in _OF_MEMBER:
            for document in self.shelf.all(kind, member_guid=guid):
                self.shelf.drop(kind, document.get("key") or document["guid"])
        self.shelf.drop("member", guid)
