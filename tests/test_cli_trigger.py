"""`tallystick trigger`: every topic it lists really happens, for a new customer or a given one."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tallystick.cli.catalogue import TOPICS
from tallystick.cli.trigger import CAUSES
from tallystick.partners import registry

from .commands import Application, answer, run

LINKED = [each for each in CAUSES if "partner" in CAUSES[each].takes]
NAMES = [each.name for each in registry.manifests()]


def told(app: Application, *words: str):
    """What the command printed; its event is really there, and is the newest of its topic."""
    made = answer("trigger", *words, **app.environ)
    event = app.client.events.get(made["event"])
    assert event.topic == made["topic"] == words[0]
    assert event.resource_id in made.values()
    return made


@pytest.mark.parametrize("topic", CAUSES)
def test_every_topic_happens(app: Application, topic: str):
    made = told(app, topic)
    if "customer" in CAUSES[topic].takes:
        assert app.client.customers.get(made["customer"])


@pytest.mark.parametrize("topic", [each for each in CAUSES if "customer" in CAUSES[each].takes])
def test_every_topic_that_takes_a_customer_happens_to_it(app: Application, topic: str):
    customer = told(app, "customer_created")["customer"]
    assert told(app, topic, "--customer", customer)["customer"] == customer


@pytest.mark.parametrize("name", NAMES)
def test_accounts_are_linked_through_every_partner(app: Application, name: str):
    listed = {each.name for each in app.client.exchange_partners.list()}
    done = run("trigger", "customer_funding_source_verified", "--partner", name, **app.environ)
    if name not in listed:
        assert (done.returncode, "what fits" in done.stderr) == (2, True)
        return
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["partner"] == name
    assert app.client.funding_sources.get(made["funding_source"]).status == "verified"


def test_reauth_is_required_of_the_exchange_that_is_there(app: Application):
    first = told(app, "customer_exchange_reauth_required")
    again = told(
        app, "customer_exchange_reauth_required", "--customer", first["customer"]
    )  # it waited for its person already
    assert (again["exchange"], again["event"] != first["event"]) == (first["exchange"], True)


def test_an_account_of_ones_own_is_renamed_and_removed(app: Application):
    made = told(app, "funding_source_added")
    assert told(app, "funding_source_updated")["funding_source"] == made["funding_source"]
    assert told(app, "funding_source_removed")["funding_source"] == made["funding_source"]


def test_a_suspended_customer_is_activated_and_not_suspended_again(app: Application):
    customer = told(app, "customer_suspended")["customer"]
    again = run("trigger", "customer_suspended", "--customer", customer, **app.environ)
    assert (again.returncode, "is suspended" in again.stderr) == (1, True)
    assert "neither suspended" in again.stderr
    told(app, "customer_activated", "--customer", customer)
    assert app.client.customers.get(customer).status == "unverified"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "trigger --list"),
        (("customer_creatd",), 2, "did you mean customer_created?"),
        (("transfer_completed",), 2, "there is no topic"),
        (("customer_created", "--customer", "x"), 2, "takes no option"),
        (("customer_suspended", "--partner", "MX"), 2, "which takes --customer"),
        (("customer_funding_source_added", "--partner", "Tink"), 2, "what fits: "),
        (("customer_suspended", "--customer", "0" * 8), 1, "404"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(app: Application, words, code, said):
    before = app.client.events.list(limit=1).total
    done = run("trigger", *words, **app.environ)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert app.client.events.list(limit=1).total == before


def test_the_list_has_every_topic_that_happens():
    assert [each["topic"] for each in answer("trigger", "--list", "--format", "json")] == list(
        CAUSES
    )
    assert set(CAUSES) == set(TOPICS)
    lines = run("trigger", "--list").stdout.splitlines()
    assert len(lines) == len(CAUSES)


def test_where_there_are_no_controls_nothing_is_made(app: Application):
    """Neither is anybody signed in: the credentials may be for somewhere else."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    done = run("trigger", "customer_created", "--url", url, **app.environ)
    server.shutdown()
    server.server_close()
    assert (done.returncode, "has no controls" in done.stderr) == (1, True)
    assert asked == ["/_tallystick/control/clock"]
