"""The vendor media type and what we do with Accept and Content-Type (contract 2.1, 2.2, 10.24)."""

from __future__ import annotations

MEDIA_TYPE = "application/vnd.dwolla.v1.hal+json"
RESOURCE_CONTENT_TYPE = f"{MEDIA_TYPE}; charset=UTF-8"
ERROR_CONTENT_TYPE = (
    f'{MEDIA_TYPE}; profile="http://nocarrier.co.uk/profiles/vnd.error/"; charset=UTF-8'
)

_READ = frozenset({MEDIA_TYPE, "application/json"})


def accepts(accept: str | None) -> bool:
    """True if the client can read our media type.

    `application/json` alone and a missing header are refused, as Dwolla documents (406).
    """
    if accept is None:
        return False
    if accept == MEDIA_TYPE:
        return True
    names = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return any(name in (MEDIA_TYPE, "*/*") for name in names)


def reads(content_type: str | None) -> bool:
    """True if a body of this type is one we parse: HAL or plain JSON, with any parameters.

    A missing type counts as JSON: Node's client sends none with an empty body (contract 8.4).
    """
    if content_type is None:
        return True
    return content_type.partition(";")[0].strip().lower() in _READ
