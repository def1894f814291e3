"""Which webhooks: the options that list them and send them again have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any

from cyclopts import Parameter

from tallystick.cli.catalogue import topics_of
from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, SystemClock, to_iso
from tallystick.errors import ConfigurationError

STATUSES = ("due", "delivered", "exhausted", "stopped", "dead")

Status = Annotated[
    str | None, Parameter(help=f"Only these, separated by commas: {', '.join(STATUSES)} (dead).")
]
Topics = Annotated[str | None, Parameter(help="Only these, separated by commas.")]
Since = Annotated[str | None, Parameter(help="Made at or after then: a time, or 30m, 2h, 7d ago.")]
Until = Annotated[str | None, Parameter(help="Made before then: a time, or 30m, 2h, 7d ago.")]
SubscriptionOption = Annotated[str | None, Parameter(help="Only this one's: its id or address.")]
After = Annotated[str | None, Parameter(help="Go on after there: `next` of an earlier answer.")]

_AGO = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def choice(
    status: str | None,
    topics: str | None,
    since: str | None,
    until: str | None,
    subscription: str | None,
) -> dict[str, Any]:
    """What the gateway is asked; what was not given is not in it. Raises ConfigurationError."""
    given: dict[str, Any] = {
        "status": None if status is None else _statuses(status),
        "topics": None if topics is None else sorted(topics_of(topics)),
        "since": _time(since),
        "until": _time(until),
        "subscription": subscription and subscription.rstrip("/").rpartition("/")[2],
    }
    return {name: value for name, value in given.items() if value is not None}


def _statuses(text: str) -> list[str]:
    named = [each.strip() for each in text.split(",") if each.strip()]
    if not named or set(named) - set(STATUSES):
        raise ConfigurationError(f"--status is of {', '.join(STATUSES)}")
    return named


def _time(text: str | None) -> str | None:
    """A time as it is, for the gateway to judge; `2h` is so long ago by this machine's clock."""
    ago = _AGO.fullmatch(text or "")
    if ago is None:
        return text
    return to_iso(max(SystemClock().now_ms() - int(ago[1]) * _UNITS[ago[2]], 0))
