"""`tallystick clock`: the sandbox's one clock."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from tallystick.cli.output import Format, show
from tallystick.cli.remote import Control, Url

app = App(name="clock", help="The clock of a running sandbox.")


@app.command(name="show")
def show_clock(
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Show what time it is, and whether the clock stands.

    Example: tallystick clock show
    """
    show(Control(url).get("clock"), format)


@app.command
def freeze(
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Stop the clock.

    Example: tallystick clock freeze
    """
    show(Control(url).post("clock", "freeze"), format)


@app.command
def resume(
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Let the clock run on from what it shows.

    Example: tallystick clock resume
    """
    show(Control(url).post("clock", "resume"), format)


@app.command(name="set")
def set_clock(
    to: str,
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Set the clock, forwards or back; answers when all that fell due is done.

    Example: tallystick clock set 2026-01-31T12:00:00Z
    """
    show(Control(url).post("clock", "set", to=to), format)


Step = Annotated[float | None, Parameter(show_default=False)]


@app.command
def advance(
    *,
    days: Step = None,
    hours: Step = None,
    minutes: Step = None,
    seconds: Step = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Move the clock forwards; answers when all that fell due is done, webhooks included.

    Example: tallystick clock advance --days 90
    """
    step = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    show(Control(url).post("clock", "advance", **step), format)
