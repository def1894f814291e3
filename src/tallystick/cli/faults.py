"""`tallystick faults`: let calls go wrong, on purpose."""

from __future__ import annotations

import json
from typing import Annotated, Any

from cyclopts import App, Parameter

from tallystick.cli.output import Format, show, show_table
from tallystick.cli.remote import Control, Url
from tallystick.errors import ConfigurationError

app = App(name="faults", help="Rules by which calls go wrong: docs/reference/control.md.")


@app.command(name="list")
def list_faults(*, format: Format = "json", url: Url = None) -> None:  # noqa: A002
    """List the rules in force, oldest first, and how often each fired.

    Example: tallystick faults list --format text
    """
    listed = Control(url).get("faults")["faults"]
    if format == "json":
        show(listed, format)
        return
    show_table([_row(each) for each in listed])


def _row(rule: dict[str, Any]) -> tuple[object, ...]:
    counted = ("id", "seen", "fired")
    given = " ".join(f"{name}={value}" for name, value in rule.items() if name not in counted)
    return rule["id"], f"fired {rule['fired']} of {rule['seen']}", given


@app.command
def add(
    *,
    method: Annotated[str | None, Parameter(help="Only this method.")] = None,
    path: Annotated[str | None, Parameter(help="Only such paths: /customers/*.")] = None,
    application: Annotated[str | None, Parameter(help="Only this application's calls.")] = None,
    partner: Annotated[str | None, Parameter(help="Calls to this partner instead.")] = None,
    topic: Annotated[str | None, Parameter(help="Webhooks of these topics instead, or *.")] = None,
    subscription: Annotated[str | None, Parameter(help="Only this one's webhooks.")] = None,
    nth: Annotated[int | None, Parameter(help="Only the nth call.")] = None,
    probability: Annotated[float | None, Parameter(help="This share of the calls.")] = None,
    seed: Annotated[int | None, Parameter(help="What the share is drawn from.")] = None,
    count: Annotated[int | None, Parameter(help="At most so often.")] = None,
    latency_ms: Annotated[int | None, Parameter(help="Wait so long first.")] = None,
    status: Annotated[int | None, Parameter(help="Answer this status.")] = None,
    code: Annotated[str | None, Parameter(help="Answer this error of the contract.")] = None,
    message: Annotated[str | None, Parameter(help="The error's message.")] = None,
    effect: Annotated[str | None, Parameter(help="reset, hang, answer_lost, …")] = None,
    body: Annotated[str | None, Parameter(help="The partner's answer, as JSON.")] = None,
    byte_ms: Annotated[int | None, Parameter(help="slow_body: pause between bytes.")] = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Put a rule in force: which calls, and what happens to them.

    Example: tallystick faults add --path '/customers/*/exchanges' --code InvalidExchangeToken
    """
    members = {
        name: value for name, value in locals().items() if name not in ("url", "body", "format")
    }
    show(Control(url).post("faults", **members, body=_json(body)), format)


def _json(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError("--body is JSON") from None


@app.command
def clear(
    fault: str | None = None,
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Remove one rule by its id, or all of them.

    Example: tallystick faults clear
    """
    control = Control(url)
    show(control.delete("faults") if fault is None else control.delete("faults", fault), format)
