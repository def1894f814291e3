"""One session of Link: what the person did, where it led, and what the page shows next.

The page (link.py) and the headless control (control.py) both walk a Journey; each step is checked
here and nowhere else. The session is kept after every step, with the events that Link reports.
Names of views, events and exit statuses: Plaid, Link web, onEvent and onExit.
"""

from __future__ import annotations

from typing import Any

from tallystick.ids import uuid4
from tallystick.partners.plaid.simulator.errors import Refusal
from tallystick.partners.plaid.simulator.events import EVENTS_MAX, brief, build_event, show_event
from tallystick.partners.plaid.simulator.fixtures import (
    HOLDINGS,
    USER,
    Holding,
    Institution,
    find_institutions,
    institution,
    judge_login,
    rounds,
)
from tallystick.partners.plaid.simulator.state import Document, State, holding_of

# What each step of ours is called in TRANSITION_VIEW.
_VIEWS = {
    "consent": "CONSENT",
    "institution": "SELECT_INSTITUTION",
    "credentials": "CREDENTIAL",
    "oauth": "OAUTH",
    "mfa": "MFA",
    "accounts": "SELECT_ACCOUNT",
    "success": "CONNECTED",
}

# "The point at which the user exited the Link flow" (onExit, metadata.status).
_EXIT_STATUS = {
    "consent": "requires_credentials",
    "institution": "requires_credentials",
    "credentials": "requires_credentials",
    "oauth": "requires_oauth",
    "accounts": "requires_account_selection",
}
_MFA_EXIT_STATUS = {
    "consent": "requires_credentials",
    "device": "choose_device",
    "code": "requires_code",
    "questions": "requires_questions",
    "selections": "requires_selections",
}

# Errors after which another bank has to be chosen; the others let the person try again.
_BANK_ERRORS = {
    "INSTITUTION_DOWN": "SELECT_DOWN_INSTITUTION",
    "INSTITUTION_NO_LONGER_SUPPORTED": "SELECT_FILTERED_INSTITUTION",
}


class Journey:
    """`fresh` are the events of the steps taken through this object, as onEvent gets them."""

    def __init__(self, state: State, link: Document, session: Document) -> None:
        self._state = state
        self.link = link
        self.session = session
        self.fresh: list[Document] = []

    @classmethod
    def begin(cls, state: State, link_token: str) -> Journey:
        """Open Link. Raises Refusal (INVALID_LINK_TOKEN, ITEM_NOT_FOUND)."""
        link = state.link(link_token)
        session = {
            "link_session_id": uuid4(state.kit.entropy),
            "link_token": link_token,
            "started_at": state.now_ms(),
            "finished_at": None,
            "step": "consent",
            "institution_id": None,
            "username": None,
            "plan": None,
            "round": 0,
            "found_none": False,
            "error": None,
            "exit": None,
            "public_token": None,
            "success": None,
            "request_id": state.new_request_id(),
            "events": [],
        }
        journey = cls(state, link, session)
        journey._event("OPEN")
        if journey.updates:
            journey.session["step"] = "institution"
            journey.select(journey._item()["institution_id"])
        else:
            journey._go("consent")
        return journey

    @classmethod
    def resume(cls, state: State, link_token: str, link_session_id: str) -> Journey:
        """Raises Refusal (INVALID_LINK_TOKEN)."""
        session = state.shelf.get("session", link_session_id)
        if session is None or session["link_token"] != link_token:
            raise Refusal("INVALID_LINK_TOKEN")
        # A link token outlives its expiry for the session that it opened; the choice is ours.
        session["request_id"] = state.new_request_id()
        return cls(state, state.link(link_token, expired=True), session)

    @property
    def updates(self) -> bool:
        return self.link["item_id"] is not None

    @property
    def institution(self) -> Institution | None:
        chosen = self.session["institution_id"]
        return institution(chosen) if chosen else None

    # Steps

    def agree(self) -> None:
        """On from what Link told the person; to the bank that the client named, if any."""
        self._at("consent")
        self._go("institution")
        if self.link["institution_id"]:
            self.select(self.link["institution_id"])

    def search(self, query: str) -> list[Institution]:
        found = self._institutions(query)
        self.session["found_none"] = not found
        if query:
            self._event("SEARCH_INSTITUTION", institution_search_query=query)
        self._keep()
        return found

    def select(self, institution_id: str) -> None:
        """Raises Refusal: unknown, down or no longer supported."""
        self._at("institution", "credentials", "oauth")
        chosen = institution(institution_id)
        self.session.update(institution_id=institution_id, found_none=False, plan=None)
        code = {"DOWN": "INSTITUTION_DOWN", "UNSUPPORTED": "INSTITUTION_NO_LONGER_SUPPORTED"}.get(
            chosen.health
        )
        if code is not None:
            raise self._fail(Refusal(code))
        self._event("SELECT_INSTITUTION")
        self._go("oauth" if chosen.oauth else "credentials")

    def back(self) -> None:
        """To the list of institutions; in update mode there is none."""
        self._at("institution", "credentials", "oauth", "mfa", "accounts")
        if not self.updates:
            self.session["institution_id"] = None
            self._go("institution")

    def log_in(self, username: str, password: str) -> None:
        """Raises Refusal with the login's error."""
        self._at("credentials")
        self._event("SUBMIT_CREDENTIALS")
        try:
            self._check_username(username)
            plan = judge_login(username, password)
        except Refusal as refusal:
            raise self._fail(refusal) from None
        self.session.update(username=username, plan=plan, round=0, error=None)
        if plan is None:
            self._enter()
        else:
            self._go("mfa", mfa_type=self.mfa()["type"])

    def answer(self, answers: list[str]) -> None:
        """The answers of one round; a wrong one may be corrected. Raises Refusal (INVALID_MFA)."""
        self._at("mfa")
        prompts = self.mfa()["prompts"]
        self._event("SUBMIT_MFA", mfa_type=self.mfa()["type"])
        right = len(answers) == len(prompts) and all(
            answer.strip() in prompt["answers"]
            for answer, prompt in zip(answers, prompts, strict=False)
        )
        if not right:
            raise self._fail(Refusal("INVALID_MFA"))
        self.session.update(round=self.session["round"] + 1, error=None)
        if self.session["round"] < len(rounds(self.session["plan"])):
            self._go("mfa", mfa_type=self.mfa()["type"])
        else:
            self._enter()

    def authorize(self, *, allowed: bool) -> None:
        """What the person decided on the bank's own page. Raises Refusal when they refused."""
        self._at("oauth")
        self._event("OPEN_OAUTH")
        if not allowed:
            self._event("CLOSE_OAUTH")
            raise self._fail(Refusal("INSUFFICIENT_CREDENTIALS"))
        self.session.update(username=USER, error=None)
        self._enter()

    def choose(self, names: list[str]) -> None:
        """The accounts to share, by name. Raises Refusal (INVALID_ACCOUNT_ID, NO_ACCOUNTS)."""
        self._at("accounts")
        offered = {holding.name: holding for holding in self.offered()}
        if not names or (self.link["single"] and len(names) > 1):
            raise Refusal("NO_ACCOUNTS")
        if not set(names) <= set(offered):
            raise Refusal("INVALID_ACCOUNT_ID")
        self._finish([holding for name, holding in offered.items() if name in names])

    def exit(self) -> Document:
        """The person leaves. What onExit gets: `error` and `metadata`."""
        session = self.session
        if session["finished_at"] is None:
            told = session["error"]
            session["exit"] = {
                "error": told,
                "metadata": {
                    "institution": self._metadata_institution(),
                    "status": self._exit_status(),
                    "link_session_id": session["link_session_id"],
                    "request_id": session["request_id"],
                },
            }
            session["finished_at"] = self._state.now_ms()
            self._event("EXIT", exit_status=session["exit"]["metadata"]["status"], **brief(told))
            self._keep()
            self._state.notices.tell_session_finished(self.link, session)
        return dict(session["exit"] or {})

    # What the page shows

    def mfa(self) -> Document:
        return rounds(self.session["plan"])[self.session["round"]]

    def offered(self) -> list[Holding]:
        """The accounts that fit the products and filters of the link token."""
        filters = self.link["account_filters"]
        needs_auth = "auth" in self.link["products"]
        offered = []
        for holding in HOLDINGS:
            if needs_auth and not holding.has_auth:
                continue
            wanted = filters.get(holding.type, {}).get("account_subtypes", []) if filters else None
            if wanted is None or "all" in wanted or holding.subtype in wanted:
                offered.append(holding)
        return offered

    def shared(self) -> list[str]:
        """In update mode, the accounts that are shared already."""
        return [one["name"] for one in self._item()["accounts"]] if self.updates else []

    # Within

    def _institutions(self, query: str) -> list[Institution]:
        countries = tuple(self.link["country_codes"])
        return find_institutions(query, countries)

    def _item(self) -> Document:
        return self._state.item(self.link["item_id"])

    def _check_username(self, username: str) -> None:
        if self.updates and username != self._item()["username"]:
            raise Refusal("INVALID_UPDATED_USERNAME")

    def _at(self, *steps: str) -> None:
        """Raises Refusal when the session is over or elsewhere: a page of an earlier visit."""
        if self.session["finished_at"] is not None or self.session["step"] not in steps:
            raise Refusal("INVALID_LINK_TOKEN")

    def _enter(self) -> None:
        """The login is done: on to the accounts, or in update mode straight to the end."""
        if self.updates and not self._selects_accounts():
            self._finish(None)
        elif self.offered():
            self._go("accounts")
        else:
            code = "NO_AUTH_ACCOUNTS" if "auth" in self.link["products"] else "NO_ACCOUNTS"
            raise self._fail(Refusal(code))

    def _selects_accounts(self) -> bool:
        """In update mode: where it was asked for, and always at a bank with its own OAuth page.

        "… will always be enabled, regardless of the value of this field"
        (Plaid, account_selection_enabled)
        """
        chosen = self.institution
        return bool(self.link["selects_accounts"] or (chosen and chosen.oauth))

    def _finish(self, holdings: list[Holding] | None) -> None:
        session, link, state = self.session, self.link, self._state
        if self.updates:
            item = self._item()
            state.repair_item(item, holdings)
        else:
            item = state.create_item(
                institution(session["institution_id"]),
                session["username"],
                holdings or [],
                products=link["products"],
                webhook=link["webhook"],
                client_user_id=link["client_user_id"],
            )
        session["public_token"] = state.create_public_token(item)["public_token"]
        session["success"] = {
            "institution": self._metadata_institution(),
            "accounts": [_metadata_account(account) for account in item["accounts"]],
            "link_session_id": session["link_session_id"],
            "transfer_status": None,
        }
        session["finished_at"] = state.now_ms()
        self._go("success")
        self._event("HANDOFF")
        self._keep()
        state.notices.tell_session_finished(link, session)

    def _fail(self, refusal: Refusal) -> Refusal:
        """Remember the error for onExit and report it; the step stays where it was."""
        self.session["error"] = {
            name: value
            for name, value in refusal.body(self.session["request_id"]).items()
            if name in {"error_type", "error_code", "error_message", "display_message"}
        }
        if refusal.code in _BANK_ERRORS:
            self._event(_BANK_ERRORS[refusal.code])
        self._event("ERROR", **brief(self.session["error"]))
        self._keep()
        return refusal

    def _go(self, step: str, **details: Any) -> None:
        self.session["step"] = step
        self._event("TRANSITION_VIEW", view_name=_VIEWS[step], **details)
        self._keep()

    def _exit_status(self) -> str:
        step = self.session["step"]
        if step == "mfa":
            return _MFA_EXIT_STATUS[self.mfa()["type"]]
        if step == "institution":
            if self.session["found_none"]:
                return "institution_not_found"
            code = (self.session["error"] or {}).get("error_code")
            if code == "INSTITUTION_NO_LONGER_SUPPORTED":
                return "institution_not_supported"
        return _EXIT_STATUS[step]

    def _metadata_institution(self) -> Document | None:
        chosen = self.institution
        return {"name": chosen.name, "institution_id": chosen.institution_id} if chosen else None

    def _event(self, name: str, **details: Any) -> None:
        """Plaid, Link web, onEvent: every key is there, null where it says nothing."""
        chosen = self.institution
        details = {
            "institution_id": chosen.institution_id if chosen else None,
            "institution_name": chosen.name if chosen else None,
            "request_id": self.session["request_id"],
            **details,
        }
        told = build_event(self._state, name, details)
        self.session["events"] = [*self.session["events"], told][-EVENTS_MAX:]
        self.fresh.append(show_event(told, self.session["link_session_id"], update=self.updates))

    def _keep(self) -> None:
        self._state.shelf.put("session", self.session["link_session_id"], self.session)


def _metadata_account(account: Document) -> Document:
    holding = holding_of(account)
    return {
        "id": account["account_id"],
        "name": holding.name,
        "mask": holding.mask,
        "type": holding.type,
        "subtype": holding.subtype,
        "verification_status": None,
        "class_type": None,
    }
