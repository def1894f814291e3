"""`tallystick trigger`: make an event happen by doing what causes it.

Nothing is faked: the state really changes, so the event is in GET /events, webhooks are sent, and
what a handler then asks the API for is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from tallystick.cli.catalogue import TOPICS, refuse
from tallystick.cli.outcome import CommandFailed
from tallystick.cli.output import Format, show, show_table
from tallystick.cli.remote import Control, Url, api
from tallystick.cli.staging import PERSONAL, Stage, Way, choose
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    from tallystick.sdk.public import Client, Event

CLOSED = ("suspended", "deactivated")


class Given(NamedTuple):
    """The overrides: an existing customer, and the partner to link through."""

    customer: str | None = None
    partner: str | None = None


Act = Callable[[Stage, Given], str]


@dataclass(frozen=True)
class Cause:
    """`act` causes it and answers with the id of what the event is about. `takes`: overrides."""

    act: Act
    does: str
    takes: Collection[str] = ()


# ── customers ─────────────────────────────────────────────────────────────────────────────────


def _create_customer(stage: Stage, _given: Given) -> str:
    return stage.customer()


def _verification(first_name: str | None) -> Act:
    """A verified customer, whose first name says how that ends (contract 6.9)."""

    def verify(stage: Stage, given: Given) -> str:
        if given.customer is None:
            return stage.customer(**PERSONAL, **_named(first_name))
        found = stage.found_customer(given.customer)
        if found.status != "unverified":
            raise _unfit(found, "an unverified one")
        names = {"firstName": found.first_name, "lastName": found.last_name, "email": found.email}
        stage.change("customers", found.id, **{**PERSONAL, **names, **_named(first_name)})
        return str(found.id)

    return verify


def _named(first_name: str | None) -> dict[str, str]:
    return {} if first_name is None else {"firstName": first_name}


def _suspend(stage: Stage, given: Given) -> str:
    customer = _customer(stage, given, CLOSED, "one that is neither suspended nor deactivated")
    stage.change("customers", customer, status="suspended")
    return customer


def _deactivate(stage: Stage, given: Given) -> str:
    customer = _customer(stage, given, ("deactivated",), "one that is not deactivated")
    stage.change("customers", customer, status="deactivated")
    return customer


def _activate(stage: Stage, given: Given) -> str:
    closed = False
    if given.customer is None:
        customer = stage.customer()
    else:
        found = stage.found_customer(given.customer)
        customer, closed = found.id, found.status in CLOSED
    if not closed:
        stage.change("customers", customer, status="suspended")
    stage.change("customers", customer, status="reactivated")
    return customer


def _customer(stage: Stage, given: Given, unfit: Collection[str] = CLOSED, fit: str = "") -> str:
    """The customer to act upon: the given one, if its status lets it, or a new one."""
    if given.customer is None:
        return stage.customer()
    found = stage.found_customer(given.customer)
    if found.status in unfit:
        raise _unfit(found, fit or "one that is neither suspended nor deactivated")
    return str(found.id)


def _unfit(found: Any, fit: str) -> CommandFailed:
    return CommandFailed(f"customer {found.id} is {found.status}; this topic needs {fit}")


# ── their accounts ────────────────────────────────────────────────────────────────────────────


def _add_source(stage: Stage, given: Given) -> str:
    way = None if given.partner is None else choose(stage.client, given.partner)
    return stage.source(f"/customers/{_customer(stage, given)}", way)


def _verify_source(stage: Stage, given: Given) -> str:
    way = choose(stage.client, given.partner)
    return stage.source(f"/customers/{_customer(stage, given)}", way)


def _then(add: Act, **change: Any) -> Act:
    def act(stage: Stage, given: Given) -> str:
        source = add(stage, given)
        stage.change("funding-sources", source, **change)
        return source

    return act


def _unverify(add: Act) -> Act:
    def act(stage: Stage, given: Given) -> str:
        source = add(stage, given)
        stage.control.post("funding-sources", source, "unverify")
        return source

    return act


def _suspend_account(stage: Stage, _given: Given) -> str:
    """And activates it again: suspended, its application could not even read the event."""
    link = stage.client.root().link("account") or ""
    account = link.rpartition("/")[2]
    stage.used["account"] = account
    listed = stage.control.get("applications")["applications"]
    (application,) = (each["id"] for each in listed if each["account_id"] == account)
    for status in ("suspended", "active"):
        stage.control.post("applications", application, account_status=status)
    return account


def _require_reauth(stage: Stage, given: Given) -> str:
    way = choose(stage.client, given.partner)
    customer = _customer(stage, given)
    exchange = None if given.customer is None else _exchange_of(stage, customer, given, way)
    if exchange is None:
        exchange = stage.exchange(f"/customers/{customer}", way)
    else:
        # One that waits for its person already would tell nothing.
        stage.control.post("exchanges", exchange, "restore")
    stage.control.post("exchanges", exchange, "require-reauth")
    return exchange


def _exchange_of(stage: Stage, customer: str, given: Given, way: Way) -> str | None:
    """The customer's newest exchange that is in use; of the given partner, if one is given."""
    for each in stage.client.exchanges.list_customer_exchanges(customer):
        partner = each.link("exchange-partner") or ""
        fits = given.partner is None or partner.rpartition("/")[2] == way.href.rpartition("/")[2]
        if each.status == "active" and fits:
            stage.used["exchange"] = each.id
            return each.id
    return None


# ── the account's own ─────────────────────────────────────────────────────────────────────────


def _add_own(stage: Stage, given: Given) -> str:
    """The account takes a token or a receipt of a contract of its own (contract 5.4)."""
    way = choose(stage.client, given.partner, lambda each: not (each.page or each.card))
    return stage.source("", way)


def _own_source(stage: Stage, given: Given) -> str:
    """One that the account has, else a new one: the same bank cannot be added twice."""
    account = stage.client.root().link("account")
    if given.partner is None and account is not None:
        own = stage.client.funding_sources.list_account_funding_sources(account, removed=False)
        for each in own:
            if each.type == "bank" and not each.raw.get("bankUsageType"):
                stage.used["funding_source"] = each.id
                return each.id
    return _add_own(stage, given)


NEW_NAME = "Ada's account"
_EITHER, _PARTNER = ("customer", "partner"), ("partner",)

CAUSES = {
    "customer_created": Cause(_create_customer, "makes a customer"),
    "customer_verified": Cause(
        _verification(None), "makes a verified customer, or upgrades one", ("customer",)
    ),
    "customer_suspended": Cause(_suspend, "suspends a customer", ("customer",)),
    "customer_activated": Cause(
        _activate, "reactivates a customer; suspends it first where needed", ("customer",)
    ),
    "customer_deactivated": Cause(_deactivate, "deactivates a customer", ("customer",)),
    "customer_reverification_needed": Cause(
        _verification("retry"), "verification fails for one named retry", ("customer",)
    ),
    "customer_kba_verification_needed": Cause(
        _verification("kba"), "verification puts questions to one named kba", ("customer",)
    ),
    "customer_verification_document_needed": Cause(
        _verification("document"),
        "verification wants papers of one named document",
        ("customer",),
    ),
    "customer_exchange_reauth_required": Cause(
        _require_reauth, "an exchange's person must sign in again", _EITHER
    ),
    "customer_funding_source_added": Cause(
        _add_source, "adds an account by its numbers, or through a partner", _EITHER
    ),
    "customer_funding_source_removed": Cause(
        _then(_add_source, removed=True), "adds an account and removes it", _EITHER
    ),
    "customer_funding_source_verified": Cause(
        _verify_source, "adds an account through a partner", _EITHER
    ),
    "customer_funding_source_unverified": Cause(
        _unverify(_verify_source), "adds an account through a partner, then unverifies it", _EITHER
    ),
    "customer_funding_source_updated": Cause(
        _then(_add_source, name=NEW_NAME), "adds an account and renames it", _EITHER
    ),
    "funding_source_added": Cause(_add_own, "adds an account of your own", _PARTNER),
    "funding_source_removed": Cause(
        _then(_own_source, removed=True), "removes an account of your own", _PARTNER
    ),
    "funding_source_verified": Cause(_add_own, "adds an account of your own", _PARTNER),
    "funding_source_unverified": Cause(
        _unverify(_add_own), "adds an account of your own, then unverifies it", _PARTNER
    ),
    "funding_source_updated": Cause(
        _then(_own_source, name=NEW_NAME), "renames an account of your own", _PARTNER
    ),
    "account_suspended": Cause(_suspend_account, "suspends your account, and activates it again"),
    "account_activated": Cause(_suspend_account, "suspends your account, and activates it again"),
}


def trigger(
    topic: str | None = None,
    *,
    customer: Annotated[str | None, Parameter(help="Act on this one, not on a new one.")] = None,
    partner: Annotated[str | None, Parameter(help="Link through this one: MX.")] = None,
    list_all: Annotated[
        bool, Parameter(name="--list", help="Every topic and what it does.")
    ] = False,
    format: Format | None = None,  # noqa: A002  # json, but text with --list
    url: Url = None,
) -> None:
    """Make an event happen by what really causes it; prints the ids of what it made.

    Example: tallystick trigger customer_exchange_reauth_required --partner MX
    """
    if list_all:
        _list(as_json=format == "json")
        return
    given = Given(customer, partner)
    cause = _cause(topic, given)
    control = Control(url)
    control.get("clock")  # only a sandbox has one: elsewhere nothing is made and nobody signs in
    with api(url) as client:
        stage = Stage(client, control)
        before = {each.id for each in client.events.list(limit=200).items}
        about = cause.act(stage, given)
        event = _event(client, str(topic), about, before)
    show({"topic": topic, "event": event.id, **stage.used}, format or "json")


def _cause(topic: str | None, given: Given) -> Cause:
    """Raises ConfigurationError, with what would fit, for what cannot be done."""
    if topic is None:
        raise ConfigurationError("name a topic; `tallystick trigger --list` shows all")
    if topic not in TOPICS:
        refuse(topic)
    cause = CAUSES[topic]
    for name, value in given._asdict().items():
        if value is not None and name not in cause.takes:
            takes = " and ".join(f"--{each}" for each in cause.takes) or "no option"
            raise ConfigurationError(f"--{name} does not fit {topic}, which takes {takes}")
    return cause


def _event(client: Client, topic: str, about: str, before: Collection[str]) -> Event:
    """The event that was caused. Raises CommandFailed when there is none."""
    for event in client.events.list(limit=200).items:
        if (event.topic, event.resource_id) == (topic, about) and event.id not in before:
            return event
    raise CommandFailed(f"it was done to {about}, but no {topic} came of it")


def _list(*, as_json: bool) -> None:
    if as_json:
        show(
            [
                {"topic": topic, "does": each.does, "options": [f"--{name}" for name in each.takes]}
                for topic, each in CAUSES.items()
            ]
        )
        return
    show_table(
        [
            (topic, each.does, " ".join(f"--{name}" for name in each.takes))
            for topic, each in CAUSES.items()
        ]
    )
