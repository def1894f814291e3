"""`tallystick logs`: what the API of a running sandbox was asked."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from tallystick.cli.outcome import until_signal
from tallystick.cli.output import Format, say, show_line
from tallystick.cli.remote import Control, Url
from tallystick.errors import ConfigurationError

Json = dict[str, Any]

POLL_S = 0.5
_STATUS = re.compile(r"[1-5]([0-9]{2}|xx)")


def logs(
    *,
    follow: Annotated[bool, Parameter(help="Go on until Ctrl-C.")] = False,
    status: Annotated[str | None, Parameter(help="Only 404, or all 4xx.")] = None,
    method: Annotated[str | None, Parameter(help="Only this method.")] = None,
    path: Annotated[str | None, Parameter(help="Only paths that begin so.")] = None,
    application: Annotated[str | None, Parameter(help="Only this application's calls.")] = None,
    format: Format = "text",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Show the last 1,000 calls of the API, oldest first; in JSON one document a line.

    Example: tallystick logs --follow --status 4xx
    """
    wanted = _Wanted(status, method, path, application)
    control = Control(url)
    with until_signal():
        listed = _listed(control, application)
        wanted.show(listed, format)
        if follow:
            _go_on(control, listed, wanted, format)


def tail(
    *,
    status: Annotated[str | None, Parameter(help="Only 404, or all 4xx.")] = None,
    method: Annotated[str | None, Parameter(help="Only this method.")] = None,
    path: Annotated[str | None, Parameter(help="Only paths that begin so.")] = None,
    application: Annotated[str | None, Parameter(help="Only this application's calls.")] = None,
    format: Format = "text",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Show the calls of the API as they come, until Ctrl-C: `logs --follow`, from now on.

    Example: tallystick tail --status 4xx
    """
    wanted = _Wanted(status, method, path, application)
    control = Control(url)
    with until_signal():
        listed = _listed(control, application)
        print(f"calls of {control.url}; Ctrl-C ends", file=sys.stderr, flush=True)
        _go_on(control, listed, wanted, format)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which calls; raises ConfigurationError."""

    status: str | None
    method: str | None
    path: str | None
    application: str | None

    def __post_init__(self) -> None:
        if self.status is not None and not _STATUS.fullmatch(self.status.lower()):
            raise ConfigurationError(
                "--status is a status such as 404, or a kind of them such as 4xx"
            )

    def show(self, newest_first: Sequence[Json], format: Format) -> None:  # noqa: A002
        for each in reversed(newest_first):
            if self._has(each):
                show_line(each) if format == "json" else say(*_cells(each))

    def _has(self, call: Json) -> bool:
        answered = str(call["status"] or "")
        return (
            (
                self.status is None
                or re.fullmatch(self.status.lower().replace("x", "."), answered) is not None
            )
            and (self.method is None or self.method.upper() == call["method"])
            and (self.path is None or call["path"].startswith(self.path))
        )


def _listed(control: Control, application: str | None) -> list[Json]:
    """The calls on record, newest first."""
    listed: list[Json] = control.get("requests", application=application)["requests"]
    return listed


def _go_on(control: Control, known: Sequence[Json], wanted: _Wanted, format: Format) -> None:  # noqa: A002
    """Show what comes after `known`, for ever."""
    while True:
        time.sleep(POLL_S)
        listed = _listed(control, wanted.application)
        wanted.show(listed[: count_new(listed, known)], format)
        known = listed


def count_new(listed: Sequence[Json], known: Sequence[Json]) -> int:
    """How many at the head of `listed`, newest first, were not in the list before it.

    Entries have no number, so the lists are laid over each other; the old end of `known` may be
    gone. All are new after a reset.
    """
    for count in range(len(listed)):
        rest = len(listed) - count
        if rest <= len(known) and list(listed[count:]) == list(known[:rest]):
            return count
    return len(listed)


def _cells(call: Json) -> tuple[object, ...]:
    fault = f"fault {call['fault']}" if call["fault"] else ""
    method, status = f"{call['method']:<6}", call["status"] or "---"
    took = f"{call['ms']:.1f} ms"
    return call["at"], status, method, call["path"], took, call["request_id"], fault
