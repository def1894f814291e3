"""The commands. Each imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from tallystick.cli import (
    audit,
    clock,
    completion,
    doctor,
    env,
    events,
    exec,  # noqa: A004  # the command's name
    faults,
    listen,
    logs,
    partners,
    sessions,
    state,
    trigger,
    webhooks,
)
from tallystick.cli.outcome import FAILED, WRONG_USAGE, CommandFailed
from tallystick.cli.output import Format, readable, show
from tallystick.errors import TallystickError


def _default(value: object) -> str | None:
    """What help shows of an option's default: nothing where the option is a switch or a list."""
    return str(value) if value else None


app = App(
    name="tallystick",
    help="A self-hostable, Dwolla-compatible bank-link gateway with simulators of its partners.",
    version_flags=["--version"],
    default_parameter=Parameter(negative="", show_default=_default),
)
applications = App(name="app", help="The applications (OAuth clients) of this gateway.")
keys = App(name="keys", help="The keys that seal what must not be read.")
exchanges = App(name="exchange", help="Exchanges, and how well they are.")
orphans = App(
    name="orphans", help="Grants that a partner may have given while its answer was lost."
)
app.command(applications)
app.command(keys)
app.command(exchanges)
app.command(orphans)
app.command(env.show, name="env")
app.command(exec.execute, name="exec")
app.command(clock.app)
app.command(faults.app)
app.command(state.seed)
app.command(state.reset)
app.command(state.snapshots)
app.command(logs.logs)
app.command(logs.tail)
app.command(listen.listen)
app.command(trigger.trigger)
app.command(events.app)
app.command(events.resend)
app.command(webhooks.app)
app.command(sessions.app)
app.command(partners.app)
app.command(audit.audit)
app.command(doctor.doctor)
app.command(completion.completion)


Host = Annotated[str | None, Parameter(help="Address to listen on (127.0.0.1).")]
Port = Annotated[int | None, Parameter(help="Port to listen on (7420).")]
DatabaseUrl = Annotated[str | None, Parameter(help="sqlite:///PATH or postgresql://…")]
Mode = Annotated[str | None, Parameter(help="sandbox or live.")]
Workers = Annotated[int | None, Parameter(help="Processes that serve (1).")]
Seed = Annotated[int | None, Parameter(help="Same ids and tokens from run to run (sandbox).")]
DataDir = Annotated[str | None, Parameter(help="Folder for the sandbox's key and state.")]


@app.command
def serve(
    *,
    host: Host = None,
    port: Port = None,
    database_url: DatabaseUrl = None,
    mode: Mode = None,
    workers: Workers = None,
    seed: Seed = None,
    data_dir: DataDir = None,
) -> None:
    """Run the gateway until Ctrl-C.

    Example: tallystick serve --port 7420 --database-url postgresql://localhost/tallystick
    """
    flags = _given(locals())
    gc.disable()  # until it serves: see cli/serve.py
    from tallystick.cli.serve import run  # imports the whole server

    run(flags)


@app.command
def worker(
    *, database_url: DatabaseUrl = None, mode: Mode = None, data_dir: DataDir = None
) -> None:
    """Deliver webhooks until Ctrl-C. `serve` does so by itself; more workers need PostgreSQL.

    Example: tallystick worker --database-url postgresql://localhost/tallystick
    """
    flags = _given(locals())
    from tallystick.cli.worker import run  # imports the whole server

    run(flags)


@app.command
def demo(
    *,
    host: Host = None,
    port: Port = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    once: Annotated[bool, Parameter(help="Exit when the accounts are linked.")] = False,
) -> None:
    """Start the gateway and link one bank account through each partner, showing every step.

    Example: tallystick demo --once
    """
    flags = _given(locals())
    flags.pop("once")
    from tallystick.cli.demo import run  # imports the whole server

    run(flags, once=once)


@app.command
def migrate(
    *,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    format: Format = "json",  # noqa: A002  # the option's name
) -> None:
    """Bring the database to the schema of this version. `serve` does so by itself.

    Example: tallystick migrate --database-url postgresql://localhost/tallystick
    """
    flags = _given({"database_url": database_url, "data_dir": data_dir})
    from tallystick.errors import StoreFailed
    from tallystick.server import config
    from tallystick.store import migrations

    settings = config.load(flags)
    config.prepare_data_dir(settings)
    try:
        asyncio.run(migrations.migrate(settings.store_url))
    except StoreFailed as error:
        raise CommandFailed(f"the database does not answer ({error})") from None
    show({"version": migrations.head()}, format)


@orphans.default
@orphans.command(name="list")
def list_orphans(*, format: Format = "json") -> None:  # noqa: A002
    """List attempts whose grant the partner may have given while the answer was lost.

    Example: tallystick orphans
    """
    from tallystick.cli import operate

    show(asyncio.run(operate.list_orphans()), format)


@orphans.command(name="resolve")
def resolve_orphan(exchange: str, *, format: Format = "json") -> None:  # noqa: A002
    """Take one off the list, after the partner's support has found or removed the grant.

    Example: tallystick orphans resolve 0192…
    """
    from tallystick.cli import operate

    show(asyncio.run(operate.resolve_orphan(exchange)), format)


@exchanges.command(name="list")
def list_exchanges(
    *,
    sick: Annotated[bool, Parameter(help="Only those that do not work, or soon will not.")] = False,
    format: Format = "json",  # noqa: A002  # the option's name
) -> None:
    """List every exchange: its state, whose fault it is, and when it was last seen well.

    Example: tallystick exchange list --sick
    """
    from tallystick.cli import operate

    show(asyncio.run(operate.list_exchanges(sick=sick)), format)


@exchanges.command(name="check")
def check_exchange(exchange: str, *, format: Format = "json") -> None:  # noqa: A002
    """Ask the partner now whether an exchange works, and show how it is.

    Example: tallystick exchange check 0192…
    """
    from tallystick.cli import operate

    show(asyncio.run(operate.check_exchange(exchange)), format)


@applications.command(name="create")
def create_app(
    name: str,
    *,
    client_id: Annotated[str | None, Parameter(help="Else one is made up.")] = None,
    without: Annotated[tuple[str, ...], Parameter(help="Scopes to switch off.")] = (),
    redirect_url: Annotated[tuple[str, ...], Parameter(help="Registered redirect URLs.")] = (),
    format: Format = "json",  # noqa: A002  # the option's name
) -> None:
    """Make an application and print its credentials; the secret is shown this once.

    Example: tallystick app create "My company" --without exchanges:account
    """
    from tallystick.cli.operate import create_application

    show(asyncio.run(create_application(name, client_id, without, redirect_url)), format)


@applications.command(name="list")
def list_apps(*, format: Format = "json") -> None:  # noqa: A002
    """List the applications, without their secrets.

    Example: tallystick app list
    """
    from tallystick.cli.operate import list_applications

    show(asyncio.run(list_applications()), format)


@applications.command(name="change")
def change_app(
    app_id: str,
    *,
    status: Annotated[str | None, Parameter(help="active or disabled.")] = None,
    account_status: Annotated[str | None, Parameter(help="active or suspended.")] = None,
    without: Annotated[
        tuple[str, ...] | None,
        Parameter(help="The scopes to switch off; every other is on.", negative="--with-all"),
    ] = None,
    format: Format = "json",  # noqa: A002  # the option's name
) -> None:
    """Switch an application, its account or its scopes on and off.

    Example: tallystick app change 0192… --status disabled
    """
    from tallystick.cli.operate import change_application

    body = {"status": status, "account_status": account_status, "withheld": without}
    changes = {key: value for key, value in body.items() if value is not None}
    show(asyncio.run(change_application(app_id, changes)), format)


@keys.command(name="rotate")
def rotate(*, format: Format = "json") -> None:  # noqa: A002
    """Make a new data key for every application and seal everything anew with it.

    Safe while the gateway serves. What does not open stays as it is and is named; then 1.

    Example: tallystick keys rotate
    """
    from tallystick.cli.operate import rotate_keys

    found = asyncio.run(rotate_keys())
    show(found, format)
    if any(each["damaged"] for each in found):
        sys.exit(FAILED)


@keys.command(name="rewrap")
def rewrap(*, format: Format = "json") -> None:  # noqa: A002
    """Wrap the data keys by the encryption key in use.

    First set TALLYSTICK_ENCRYPTION_KEY to the new key and TALLYSTICK_ENCRYPTION_KEYS_OLD to the one
    it replaces; afterwards the old one is no longer needed.

    Example: tallystick keys rewrap
    """
    from tallystick.cli.operate import rewrap_keys

    show(asyncio.run(rewrap_keys()), format)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def main() -> None:
    """The entry point: what goes wrong on purpose is one line, not a traceback."""
    try:
        app(exit_on_error=False)
    except CycloptsError:  # which said itself what is wrong
        sys.exit(WRONG_USAGE)
    except TallystickError as error:
        print(f"tallystick: {readable(error)}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, CommandFailed) else WRONG_USAGE)
    except BrokenPipeError:  # whoever read our lines has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
