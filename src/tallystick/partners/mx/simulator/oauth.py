"""The bank's own consent page, for the institution that uses OAuth.

A member is PENDING until the person has decided there. An `oauth_window_uri` works once. The page
that follows tells its opener `oauthComplete/success` or `oauthComplete/error` (MX, "OAuth in
Browsers"); in an app (`referral_source` APP) it sends the person on, with `status`, `member_guid`
and `error_reason` in the query ("OAuth in Mobile Apps").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tallystick.ids import base62
from tallystick.partners.mx.simulator.errors import bad_request
from tallystick.partners.mx.simulator.fixtures import HOLDINGS
from tallystick.partners.mx.simulator.state import Document, State
from tallystick.partners.mx.simulator.widgets import is_safe_redirect

PAGES = Path(__file__).parent / "pages"

_FORM_BYTES_MAX = 4_096


class Consents:
    def __init__(self, state: State) -> None:
        self._state = state
        self._shelf = state.shelf

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/authorize", self.show, methods=["GET"]),
            Route("/oauth/authorize", self.decide, methods=["POST"]),
            Route("/oauth/complete", self.show_complete, methods=["GET"]),
        ]

    def invite(self, member: Document, settings: Mapping[str, Any]) -> Document:
        """Give the member a fresh address at the bank; an earlier one stops working."""
        if member.get("oauth_state"):
            self._shelf.drop("oauth", member["oauth_state"])
        key = base62(self._state.kit.entropy, 43)
        invitation = {
            "key": key,
            "user_guid": member["user_guid"],
            "member_guid": member["guid"],
            "redirect": _choose_redirect(settings),
            "decided": None,
        }
        self._shelf.put("oauth", key, invitation)
        return self._state.update_member(member, {"oauth_state": key})

    def show_uri(self, member: Document, base_url: str, *, always: bool = False) -> str | None:
        """The address for the person, while the member waits for it."""
        if not member.get("oauth_state") or not (
            always or member["connection_status"] == "PENDING"
        ):
            return None
        return f"{base_url}/oauth/authorize?state={member['oauth_state']}"

    async def show(self, request: Request) -> Response:
        invitation = self._shelf.get("oauth", request.query_params.get("state", ""))
        if invitation is None or invitation["decided"] is not None:
            return self._state.kit.page(PAGES, "expired.html", 410, what="This address")
        return self._state.kit.page(PAGES, "oauth.html", holdings=HOLDINGS, state=invitation["key"])

    async def decide(self, request: Request) -> Response:
        form = await _read_form(request)
        key = form.get("state", [""])[0]
        invitation = self._shelf.get("oauth", key)
        if invitation is None or invitation["decided"] is not None:
            return self._state.kit.page(PAGES, "expired.html", 410, what="This address")
        member = self._state.member(invitation["user_guid"], invitation["member_guid"])
        if form.get("decision") == ["allow"]:
            known = {holding.kind for holding in HOLDINGS}
            self._state.consent(member, known & set(form.get("account", [])))
            decided = "success"
        else:
            self._state.refuse_consent(member)
            decided = "error"
        self._shelf.put("oauth", key, {**invitation, "decided": decided})
        prefix = self._state.kit.prefix
        return RedirectResponse(f"{prefix}/oauth/complete?state={key}", 303)

    async def show_complete(self, request: Request) -> Response:
        invitation = self._shelf.get("oauth", request.query_params.get("state", ""))
        if invitation is None or invitation["decided"] is None:
            return self._state.kit.page(PAGES, "expired.html", 410, what="This address")
        result = {"status": invitation["decided"], "member_guid": invitation["member_guid"]}
        if invitation["decided"] == "error":
            result["error_reason"] = "CANCELLED"
        redirect = invitation["redirect"]
        if redirect is not None:
            redirect += ("&" if "?" in redirect else "?") + urlencode(result)
        return self._state.kit.page(PAGES, "oauth_complete.html", result=result, redirect=redirect)

    def is_refused(self, member: Document) -> bool:
        """Whether the person turned back at the bank the last time they were sent there."""
        invitation = self._shelf.get("oauth", member.get("oauth_state") or "")
        return invitation is not None and invitation["decided"] == "error"

    def is_decided(self, member: Document) -> bool:
        invitation = self._shelf.get("oauth", member.get("oauth_state") or "")
        return invitation is not None and invitation["decided"] is not None


def _choose_redirect(settings: Mapping[str, Any]) -> str | None:
    """Where an app wants the person back; in browsers nowhere: they close the tab."""
    in_app = settings.get("is_mobile_webview") is True
    source = settings.get("referral_source") or settings.get("oauth_referral_source")
    if (source or ("APP" if in_app else "BROWSER")) != "APP":
        return None
    scheme = settings.get("ui_message_webview_url_scheme") or "mx"
    redirect = settings.get("client_redirect_url") or f"{scheme}://oauth_complete"
    if not is_safe_redirect(redirect):
        raise bad_request("client_redirect_url is not an address to send a person to.")
    return str(redirect)


async def _read_form(request: Request) -> dict[str, list[str]]:
    """A plain form, without a library for forms. Raises Refusal (400) when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            raise bad_request("The form is too large.")
    return parse_qs(body.decode("ascii", "replace"))
