"""`tallystick session`: begin, show and finish an exchange session from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from tallystick.cli.output import Format, show
from tallystick.cli.remote import Control, Url, api

if TYPE_CHECKING:
    from tallystick.sdk.public import ExchangeSession

app = App(name="session", help="Exchange sessions: attempts of a person to share an account.")


@app.command
def create(
    customer: str,
    *,
    partner: Annotated[str, Parameter(help="Its name or id: MX.")],
    redirect_url: Annotated[str | None, Parameter(help="Where the person returns.")] = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Begin a session for a customer, and show what the person needs.

    Example: tallystick session create 0192… --partner MX
    """
    with api(url) as client:
        made = client.exchange_sessions.create_customer_exchange_session(
            customer, exchange_partner=partner, redirect_url=redirect_url
        )
        show(_shown(made.fetch()), format)


@app.command
def reauth(
    exchange: str,
    *,
    redirect_url: Annotated[str | None, Parameter(help="Where the person returns.")] = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Begin a session that repairs an exchange.

    Example: tallystick session reauth 0192…
    """
    with api(url) as client:
        made = client.exchange_sessions.create_re_auth_exchange_session(
            exchange, redirect_url=redirect_url
        )
        show(_shown(made.fetch()), format)


@app.command(name="show")
def show_session(session: str, *, format: Format = "json", url: Url = None) -> None:  # noqa: A002
    """Show a session: the page to open, or that the partner's script has a token for it.

    Example: tallystick session show 0192…
    """
    with api(url) as client:
        show(_shown(client.exchange_sessions.retrieve_customer_exchange_session(session)), format)


@app.command
def complete(
    session: str,
    *,
    institution: Annotated[str | None, Parameter(help="The bank, as the partner names it.")] = None,
    user: Annotated[str | None, Parameter(help="Who signs in: user_good.")] = None,
    password: Annotated[str | None, Parameter(help="With which password.")] = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Finish a session's page without a browser, in a sandbox; prints the proof, if there is one.

    Example: tallystick session complete 0192… --user user_good --password pass_good
    """
    signs_in = {"institution": institution, "user": user, "password": password}
    show(Control(url).post("sessions", session, "complete", **signs_in), format)


def _shown(session: ExchangeSession) -> dict[str, Any]:
    """Without its token: who has one can act for the person, and terminals are logged."""
    return {
        "id": session.id,
        "created": session.created,
        "partner": session.link("exchange-partner"),
        "open": session.redirect_url,
        "token": session.external_provider_session_token is not None,
    }
