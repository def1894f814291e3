"""`tallystick reset`, `seed` and `snapshot`: what a running sandbox holds, as a whole."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from tallystick.cli.output import Format, show, show_table
from tallystick.cli.remote import Control, Url
from tallystick.errors import ConfigurationError

snapshots = App(name="snapshot", help="Keep all that a sandbox holds, and bring it back.")


def seed(
    number: int | None = None,
    *,
    random: Annotated[bool, Parameter(help="Back to real randomness.")] = False,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Draw ids and tokens from the beginning of a seed; without a number, show the one in use.

    Example: tallystick seed 7
    """
    if random and number is not None:
        raise ConfigurationError("give a number or --random, not both")
    control = Control(url)
    if number is None and not random:
        show(control.get("seed"), format)
    else:
        show(control.post_all("seed", body={"seed": number}), format)


def reset(
    *,
    application: Annotated[str | None, Parameter(help="Only what this one made.")] = None,
    seed: Annotated[int | None, Parameter(help="Draw ids and tokens from it.")] = None,
    now: Annotated[str | None, Parameter(help="Freeze the clock at this time.")] = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Begin anew, as if started on an empty database.

    Example: tallystick reset --seed 7 --now 2026-01-31T12:00:00Z
    """
    show(Control(url).post("reset", application=application, seed=seed, now=now), format)


@snapshots.command(name="list")
def list_snapshots(*, format: Format = "json", url: Url = None) -> None:  # noqa: A002
    """List the snapshots.

    Example: tallystick snapshot list
    """
    listed = Control(url).get("snapshots")["snapshots"]
    if format == "json":
        show(listed, format)
    else:
        show_table([(each["name"], each.get("saved_at"), each["bytes"]) for each in listed])


@snapshots.command
def save(
    name: str,
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Keep everything under a name, in place of what had it.

    Example: tallystick snapshot save linked
    """
    show(Control(url).post("snapshots", name=name), format)


@snapshots.command
def restore(
    name: str,
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Replace everything by a snapshot.

    Example: tallystick snapshot restore linked
    """
    show(Control(url).post("snapshots", name, "restore"), format)


@snapshots.command
def delete(
    name: str,
    *,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Delete a snapshot.

    Example: tallystick snapshot delete linked
    """
    show(Control(url).delete("snapshots", name), format)
