"""`tallystick partner`: which partners there are, and how this installation speaks to them."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from tallystick.cli.output import Format, show
from tallystick.errors import ConfigurationError

app = App(name="partner", help="The partners, as this installation is set up for them.")


@app.command(name="list")
def list_partners(*, format: Format = "json") -> None:  # noqa: A002  # the option's name
    """List the partners: whether they are in use, and where their API is.

    Example: tallystick partner list --format text
    """
    short = ("key", "name", "id", "in_use", "base_url")
    show([{name: each[name] for name in short} for each in _partners()], format)


@app.command(name="show")
def show_partner(partner: str, *, format: Format = "json") -> None:  # noqa: A002
    """Show one: what it can do, which proofs it takes, which settings it has (never their values).

    Example: tallystick partner show plaid
    """
    found = {name.casefold(): each for each in _partners() for name in (each["key"], each["name"])}
    if partner.casefold() not in found:
        keys = ", ".join(sorted({each["key"] for each in found.values()}))
        raise ConfigurationError(f"there is no partner {partner!r}; there is {keys}")
    show(found[partner.casefold()], format)


def _partners() -> list[dict[str, Any]]:
    from tallystick.partners import registry  # imports the partners
    from tallystick.partners.contract import CAPABILITIES
    from tallystick.server import config

    settings = config.load()
    used = config.partner_settings(settings)
    found = []
    for manifest in registry.manifests():
        connector = registry.load(manifest.connector)
        base = used[manifest.key].base_url if manifest.key in used else None
        given = settings.partners.get(manifest.key, {})
        found.append(
            {
                "key": manifest.key,
                "name": manifest.name,
                "id": manifest.id,
                "in_use": manifest.key in used,
                "base_url": base,
                "can": [
                    words for words, kind in CAPABILITIES.items() if issubclass(connector, kind)
                ],
                "proofs": [kind.member for kind in manifest.proofs if kind.posted],
                "settings": {
                    name: "given" if name in given else "not given"
                    for name in manifest.settings.__struct_fields__
                },
            }
        )
    return found
