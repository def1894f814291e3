"""The account name inquiry: who may be asked about, and what the issuer says of whom.

The names are Checkout.com's ("ANI check testing"); that any other name is the holder's is ours.
"""

from __future__ import annotations

from typing import Any

_CHARS_MAX = 35

# First, middle and last name, in small letters.
_ANSWERS = {
    ("john", "", "doe"): "full_match",
    ("john", "joe", "doe"): "full_match",
    ("john", "", "john"): "partial_match",
    ("adam", "o", "doe"): "partial_match",
    ("james", "", "taylor"): "no_match",
    ("carol", "", "anne"): "not_performed",
    ("lisa", "", "rose"): "not_supported",
}
_OTHERS = "full_match"


def problems(holder: Any) -> list[str]:
    """A code for every member of a session's `account_holder` that is missing or wrong."""
    if holder is None:
        return []
    if not isinstance(holder, dict):
        return ["account_holder_invalid"]
    codes = []
    if holder.get("type", "individual") != "individual":
        # Checkout.com also asks about companies; said rather than silently left out.
        codes.append("account_holder_type_not_simulated")
    asks = holder.get("account_name_inquiry")
    if not isinstance(asks, bool | None):
        codes.append("account_name_inquiry_invalid")
    for part in ("first_name", "last_name"):
        name = holder.get(part)
        if name is None and asks:
            codes.append(f"{part}_required")
        elif name is not None and not _is_name(name):
            codes.append(f"{part}_invalid")
    middle = holder.get("middle_name")
    if middle is not None and not (isinstance(middle, str) and len(middle) <= _CHARS_MAX):
        codes.append("middle_name_invalid")
    return codes


def _is_name(name: Any) -> bool:
    """Neither one character nor nothing but digits."""
    return isinstance(name, str) and 1 < len(name) <= _CHARS_MAX and not name.isdigit()


def inquire(holder: dict[str, Any]) -> dict[str, Any]:
    """The holder of a session as its payment shows it, with the issuer's answer if it was asked."""
    shown = {name: value for name, value in holder.items() if name != "account_name_inquiry"}
    if holder.get("account_name_inquiry"):
        parts = ("first_name", "middle_name", "last_name")
        first, middle, last = ((holder.get(part) or "").casefold() for part in parts)
        shown["account_name_inquiry"] = _ANSWERS.get((first, middle, last), _OTHERS)
    return shown
