"""Where a partner may send a person back to: checked for form, then against what is registered.

The comparison is byte for byte (threat T6): no normalisation, no prefix, no wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tallystick.errors import FieldError

HREF = "/_links/redirect-url/href"
NOT_REGISTERED = (
    "The provided redirect URL must exactly match one of the configured URLs for the account"
)
URL_CHARS_MAX = 2_048

# Plain HTTP only to a developer's own machine.
_WEB = re.compile(r"(https://|http://(localhost|127\.0\.0\.1)(?=[:/]))[^\s@\\#]+", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)


def is_redirect_url(value: object) -> bool:
    """An https URL, or an Android package name, which is never put into a redirect (threat T6)."""
    if not isinstance(value, str) or len(value) > URL_CHARS_MAX:
        return False
    return bool(_WEB.fullmatch(value) or _PACKAGE.fullmatch(value))


def problems_of(
    value: object, registered: Sequence[str], *, anything_goes: bool, web_only: bool
) -> list[FieldError]:
    """What is wrong with a redirect URL that a client sent.

    `anything_goes` is the sandbox's leniency: an application that has registered nothing may use
    any address of the right form. `web_only`: we send the person there ourselves, where a package
    name would be a path of our own.
    """
    if not is_redirect_url(value) or (web_only and not _WEB.fullmatch(str(value))):
        return [FieldError("Invalid", f"{HREF} is invalid", HREF)]
    if value in registered or (anything_goes and not registered):
        return []
    return [FieldError("Invalid", NOT_REGISTERED, HREF)]
