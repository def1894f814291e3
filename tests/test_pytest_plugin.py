"""The pytest plugin, in runs of pytest of its own: its page, each test, what it costs (docs/pytest.md)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

from .plugin_runs import PLUGINS, SRC, run
from .requirements import ROOT

pytest_plugins = ["pytester"]


# ── the documentation ─────────────────────────────────────────────────────────────────────────


def test_the_page_s_blocks_pass(inner):
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "pytest.md").read_text(), re.DOTALL
    )
    inner.makepyfile(**{f"test_block_{number}": block for number, block in enumerate(blocks)})
    outcome = run(inner).parseoutcomes()
    assert outcome.keys() == {"passed"}
    assert outcome["passed"] >= len(blocks)


def test_the_page_lists_every_fixture(inner):
    text = (ROOT / "docs" / "pytest.md").read_text()
    shown = inner.runpytest_subprocess(*PLUGINS, "--fixtures").stdout.str()
    fixtures = set(re.findall(r"^((?:async_)?tallystick\w*).* -- ", shown, re.MULTILINE))
    assert len(fixtures) == 8
    assert {f"`{name}`" for name in fixtures} <= set(re.findall(r"`\w+`", text))


def test_pytest_finds_it_when_it_is_installed(inner, monkeypatch):
    """Through the metadata that an installation writes from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["pytest11"]
    assert points == {"tallystick": "tallystick.pytest"}
    installed = inner.mkdir("site") / "tallystick-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: tallystick\nVersion: 0.1.0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    monkeypatch.setenv("PYTHONPATH", f"{inner.path / 'site'}{os.pathsep}{SRC}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    inner.makepyfile(
        "def test_it(pytestconfig): assert pytestconfig.pluginmanager.hasplugin('tallystick')"
    )
    inner.runpytest_subprocess().assert_outcomes(passed=1)
    inner.runpytest_subprocess("-p", "no:tallystick").assert_outcomes(failed=1)


# ── each test ─────────────────────────────────────────────────────────────────────────────────


def test_what_a_test_did_is_over_after_it(inner):
    inner.makepyfile(
        """
        from datetime import UTC, datetime, timedelta

        import pytest
        from tallystick import APIError
        from tallystick.pytest.control import ControlRefused

        kept = []

        def test_faults(tallystick, tallystick_faults):
            fault = tallystick_faults.add(path="/customers", status=500)
            tallystick_faults.add(partner="plaid", status=500)
            other = tallystick_faults.add(path="/events", effect="reset")
            with pytest.raises(APIError):
                tallystick.with_options(max_retries=0).customers.list().items
            assert (fault.seen, fault.fired, other.seen) == (1, 1, 0)
            other.remove()
            other.remove()
            with pytest.raises(ControlRefused):
                other.seen
            kept.append((tallystick, fault))

        def test_the_fault_is_cleared(tallystick_faults):
            tallystick, fault = kept.pop()
            with pytest.raises(ControlRefused, match="was removed"):
                fault.fired
            assert not tallystick.customers.list().items

        def test_faults_are_of_one_application(tallystick_faults, tallystick, tallystick_server):
            from tallystick import Client
            tallystick_faults.add(path="/**", status=500)
            with Client(base_url=tallystick_server.url) as other:
                assert other.root()
            tallystick_faults.clear()
            tallystick.root()

        def test_a_wrong_fault_says_why(tallystick_faults):
            with pytest.raises(ControlRefused, match="path starts with a slash"):
                tallystick_faults.add(path="customers", status=500)

        def test_all_goes_wrong_until_the_end(tallystick_faults, tallystick_webhooks):
            tallystick_faults.add(path="/**", effect="hang")

        def test_clock(tallystick, tallystick_clock):
            assert tallystick_clock.freeze("2031-01-31T12:00:00Z").year == 2031
            assert tallystick_clock.advance(hours=1, minutes=1).minute == 1
            assert tallystick_clock.now() == datetime(2031, 1, 31, 13, 1, tzinfo=UTC)
            assert tallystick_clock.set(datetime(2025, 1, 1, tzinfo=UTC)).year == 2025
            assert tallystick_clock.resume().year == 2025
            with pytest.raises(ControlRefused, match="offset"):
                tallystick_clock.set("2031-01-31T12:00:00")
            tallystick_clock.freeze()

        def test_the_clock_is_restored(tallystick_clock):
            assert abs(tallystick_clock.now() - datetime.now(UTC)) < timedelta(seconds=20)
            first = tallystick_clock.now()
            while tallystick_clock.now() == first:
                pass

        def test_what_was_made_is_deleted(tallystick):
            tallystick.customers.create(first_name="A", last_name="B", email="a@b.example")
            kept.append(tallystick)

        def test_it_is_deleted():
            assert not kept.pop().customers.list().items
        """
    )
    run(inner, "-n", "0", passed=9)


def test_webhooks(inner):
    inner.makepyfile(
        """
        import asyncio
        from contextlib import closing
        from http.client import HTTPConnection
        from urllib.parse import urlsplit

        import httpx2
        import pytest
        from tallystick.pytest.receiver import WebhookNotReceived

        def test_links(tallystick, tallystick_simulate, tallystick_webhooks):
            customer = tallystick.customers.create(
                first_name="Ada", last_name="Byron", email="ada@example.com"
            )
            assert tallystick_webhooks.wait_for("customer_created").topic == "customer_created"
            exchange = tallystick_simulate.link(customer, user="user_good")
            tallystick_simulate.require_reauth(exchange)
            event = tallystick_webhooks.wait_for("customer_exchange_reauth_required")
            assert event.resource(tallystick).id == exchange.id
            assert event in tallystick_webhooks.received
            for change in ("restore", "deactivate", "remove"):
                getattr(tallystick_simulate, change)(exchange)

        def test_each_event_is_waited_for_once(tallystick, tallystick_webhooks):
            for email in ("a@b.example", "c@d.example"):
                tallystick.customers.create(first_name="A", last_name="B", email=email)
            found = {tallystick_webhooks.wait_for("customer_created").id for _ in range(2)}
            assert len(found) == 2
            said = "no customer_created within 0.1 s; received: customer_created, customer_created"
            with pytest.raises(WebhookNotReceived, match=said):
                tallystick_webhooks.wait_for("customer_created", timeout=0.1)
            with pytest.raises(WebhookNotReceived, match="customer_created$"):
                tallystick_webhooks.wait_for("customer", timeout=0.1)

        def test_of_this_application_only(tallystick_server, tallystick_webhooks):
            from tallystick import Client
            with Client(base_url=tallystick_server.url) as other:
                other.customers.create(first_name="A", last_name="B", email="a@b.example")
            with pytest.raises(WebhookNotReceived, match="received: nothing$"):
                tallystick_webhooks.wait_for("customer_created", timeout=0.3)

        @pytest.mark.parametrize(
            ("headers", "body", "status"),
            [
                ({}, b"{}", 401),
                ({"X-Request-Signature-SHA-256": "00" * 32}, b"{}", 401),
                ({"X-Request-Signature-SHA-256": "\\u00e9".encode("latin-1")}, b"{}", 401),
                ({"Content-Length": "99999999999999"}, None, 400),
                ({"Content-Length": "-1"}, None, 400),
            ],
        )
        def test_a_stranger(tallystick_webhooks, headers, body, status):
            url = urlsplit(tallystick_webhooks.url)
            with closing(HTTPConnection(url.netloc, timeout=10)) as connection:
                connection.request("POST", url.path, body, headers)
                assert connection.getresponse().status == status
            assert not tallystick_webhooks.received
            told = "; 1 with a wrong signature" if status == 401 else "nothing$"
            with pytest.raises(WebhookNotReceived, match=told):
                tallystick_webhooks.wait_for("customer_created", timeout=0)

        def test_another_path(tallystick_webhooks):
            assert httpx2.post(tallystick_webhooks.url + "x").status_code == 404

        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        @pytest.mark.anyio
        async def test_async(anyio_backend, async_tallystick, tallystick_webhooks):
            await async_tallystick.customers.create(
                first_name="Ada", last_name="Byron", email="ada@example.com"
            )
            event = await asyncio.to_thread(tallystick_webhooks.wait_for, "customer_created")
            assert (await event.resource(async_tallystick)).first_name == "Ada"

        def test_nothing_secret_is_shown(tallystick_application, tallystick):
            assert tallystick_application.client_secret not in repr(tallystick_application)
            assert tallystick_application.environ["TALLYSTICK_URL"] == tallystick.base_url
        """
    )
    run(inner, "-n", "0", passed=11)


# ── what it costs ─────────────────────────────────────────────────────────────────────────────


def test_it_costs_nothing_until_a_fixture_is_asked_for(inner):
    inner.makepyfile(
        """
        import sys

        def test_without():
            ours = {name for name in sys.modules if name.partition(".")[0] == "tallystick"}
            assert ours == {"tallystick", "tallystick.pytest"}
            heavy = {"httpx2", "msgspec", "starlette", "sqlalchemy", "uvicorn", "asyncio", "ssl"}
            assert not heavy & set(sys.modules)
        """
    )
    result = inner.runpytest_subprocess("-p", "tallystick.pytest")
    result.assert_outcomes(passed=1)


def test_its_import_is_fast():
    script = (
        "import time, pytest\nstart = time.perf_counter()\nimport tallystick.pytest\n"
        "print((time.perf_counter() - start) * 1e3)"
    )
    measured = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": SRC},
            capture_output=True, check=True,
        )  # fmt: skip
        measured.append(float(done.stdout))
    print(f"importing the plugin: {min(measured):.1f} ms")
    assert min(measured) < 20
