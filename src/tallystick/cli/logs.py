"""`tallystick logs`: what the API of a running sandbox was asked."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
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
    if status is not None and not _STATUS.fullmatch(status.lower()):
        raise ConfigurationError("--status is a status such as 404, or a kind of them such as 4xx")
    control = Control(url)
    with until_signal():
        for each in _received(control, application, follow=follow):
            if _is_wanted(each, status, method, path):
                show_line(each) if format == "json" else say(*_cells(each))


def tail(
    *,
    status: Annotated[str | None, Parameter(help="Only 404, or all 4xx.")] = None,
    method: Annotated[str | None, Parameter(help="Only this method.")] = None,
    path: Annotated[str | None, Parameter(help="Only paths that begin so.")] = None,
    application: Annotated[str | None, Parameter(help="Only this application's calls.")] = None,
    format: Format = "text",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Show the calls of the API as they come, until Ctrl-C: `logs --follow`.

    Example: tallystick tail --status 4xx
    """
    logs(
        follow=True,
        status=status,
        method=method,
        path=path,
        application=application,
        format=format,
        url=url,
    )


def _received(control: Control, application: str | None, *, follow: bool) -> Iterator[Json]:
    """Calls, oldest first; with `follow` for ever."""
    known: Sequence[Json] = ()
    while True:
        listed = control.get("requests", application=application)["requests"]
        yield from reversed(listed[: count_new(listed, known)])
        if not follow:
            return
        known = listed
        time.sleep(POLL_S)


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


def _is_wanted(call: Json, status: str | None, method: str | None, path: str | None) -> bool:
    answered = str(call["status"] or "")
    return (
        (status is None or re.fullmatch(status.lower().replace("x", "."), answered) is not None)
        and (method is None or method.upper() == call["method"])
        and (path is None or call["path"].startswith(path))
    )


def _cells(call: Json) -> tuple[object, ...]:
    fault = f"fault {call['fault']}" if call["fault"] else ""
    method, status = f"{call['method']:<6}", call["status"] or "---"
    took = f"{call['ms']:.1f} ms"
    return call["at"], status, method, call["path"], took, call["request_id"], fault
