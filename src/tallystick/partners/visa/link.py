"""The two ends of Tink Link: the address that opens it, and the query that comes back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from tallystick.partners.contract import ReturnCode, Returned, SessionRequest
from tallystick.partners.errors import PartnerRefused, PartnerUnavailable
from tallystick.partners.visa.proof import VisaRepaired, VisaReport
from tallystick.partners.visa.settings import VisaSettings
from tallystick.secret import Secret

MARKET, LOCALE = "US", "en_US"

_CONNECT = "/1.0/account-check/connect"
_UPDATE = "/1.0/account-check/update-consent"

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_STATE_CHARS_MAX = 4096

# The categories that mean one of Dwolla's three codes; every other is trouble that may pass.
_ERRORS: Mapping[str, ReturnCode] = {
    "USER_CANCELLED": "USER_CANCELLED",
    "AUTHENTICATION_ERROR": "AUTHENTICATION_ERROR",
}


def connect_address(settings: VisaSettings, request: SessionRequest, code: str) -> Secret[str]:
    return _address(settings, _CONNECT, request, code, {"locale": LOCALE})


def update_address(
    settings: VisaSettings, request: SessionRequest, code: str, credentials_id: str
) -> Secret[str]:
    return _address(settings, _UPDATE, request, code, {"credentials_id": credentials_id})


def _address(
    settings: VisaSettings, path: str, request: SessionRequest, code: str, more: Mapping[str, str]
) -> Secret[str]:
    """Secret, because the code in it acts for the person."""
    return_url, state = require_return(request)
    query = {
        "client_id": settings.client_id,
        "redirect_uri": return_url,
        "authorization_code": code,
        "market": MARKET,
        **more,
        "state": state,
    }
    return Secret(f"{settings.link_base()}{path}?{urlencode(query)}")


def require_return(request: SessionRequest) -> tuple[str, str]:
    """Where the browser comes back to, and with what. Raises PartnerRefused without them."""
    if not request.return_url or not request.state:
        raise PartnerRefused("NO_RETURN_URL")
    return request.return_url, request.state


def read_return(query: Mapping[str, str]) -> Returned:
    """What the browser brought. Every member is hostile: anybody can open our return address.

    Raises PartnerUnavailable when it is not readable.
    """
    state = query.get("state", "")
    if not state or len(state) > _STATE_CHARS_MAX:
        raise PartnerUnavailable("RETURN_WITHOUT_STATE")
    error = query.get("error")
    if error is not None:
        return Returned(state, error=_ERRORS.get(error, "TEMPORARY_ERROR"))
    report = _id(query, "account_verification_report_id")
    credentials = _id(query, "credentials_id")
    if report is not None:
        return Returned(state, VisaReport(report, credentials))
    if credentials is not None:
        return Returned(state, VisaRepaired(credentials))
    raise PartnerUnavailable("RETURN_WITHOUT_RESULT")


def _id(query: Mapping[str, str], name: str) -> str | None:
    value = query.get(name)
    if value is not None and not _ID.fullmatch(value):
        raise PartnerUnavailable("UNREADABLE_RETURN")
    return value
