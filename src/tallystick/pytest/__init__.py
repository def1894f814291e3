"""Fixtures for pytest: a gateway for the run, an application for each test. See docs/pytest.md.

Every pytest in an environment with tallystick imports this file, so it imports nothing but pytest;
the rest waits until a fixture is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx2

    from tallystick import AsyncClient, Client
    from tallystick.pytest.control import Application, Clock, Control, Faults
    from tallystick.pytest.launch import Plan, Server
    from tallystick.pytest.receiver import Webhooks
    from tallystick.pytest.simulate import Simulate

# Where a worker tells the controller which file keeps the shared gateway alive.
_TOLD = "tallystick_lifeline"
_LIFELINES = pytest.StashKey[set[str]]()


# ── the server ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def tallystick_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A gateway in sandbox mode, one for the run and all its xdist workers; it has `url`.

    TALLYSTICK_URL names one that runs already.
    """
    from tallystick.pytest import launch

    config = request.config
    try:
        if url := os.environ.get("TALLYSTICK_URL"):
            yield launch.given(url)
        elif _is_worker(config):
            root = tmp_path_factory.getbasetemp().parent / "tallystick"
            server = launch.shared(root, _plan(config, os.getppid()))
            config.workeroutput[_TOLD] = str(server.lifeline)  # type: ignore[attr-defined]  # ty: ignore[missing-attribute]
            yield server
        else:
            with launch.own(tmp_path_factory.mktemp("tallystick"), _plan(config)) as server:
                yield server
    except launch.NotStarted as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def _tallystick_own_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A gateway of this worker alone, for tests that move the clock."""
    from tallystick.pytest import launch

    try:
        with launch.own(tmp_path_factory.mktemp("tallystick"), _plan(request.config)) as server:
            yield server
    except launch.NotStarted as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def _tallystick_http() -> Iterator[httpx2.Client]:
    """The connections of this process: a client costs more to make than a call."""
    import httpx2

    with httpx2.Client(trust_env=False) as http:
        yield http


@pytest.fixture
def _tallystick_control(request: pytest.FixtureRequest, _tallystick_http: httpx2.Client) -> Control:
    """The control API of the gateway that this test is for."""
    from tallystick.pytest.control import Control

    alone = _is_worker(request.config) and "tallystick_clock" in request.node.fixturenames
    server = "_tallystick_own_server" if alone else "tallystick_server"
    return Control(request.getfixturevalue(server).url, _tallystick_http)


# ── for each test ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tallystick_application(
    request: pytest.FixtureRequest, _tallystick_control: Control
) -> Iterator[Application]:
    """A fresh application, isolated from all others: `url`, `client_id`, `client_secret`.

    `environ` has them as variables. What it made is deleted after the test.
    """
    from tallystick.pytest import control

    name = ascii(request.node.name)[1:-1][:200]
    application = control.make_application(_tallystick_control, name)
    yield application
    control.reset_application(_tallystick_control, application)


@pytest.fixture
def tallystick(tallystick_application: Application, _tallystick_http: httpx2.Client) -> Client:
    """The SDK's `Client` for `tallystick_application`."""
    from tallystick import Client

    own = tallystick_application
    return Client(
        base_url=own.url,
        key=own.client_id,
        secret=own.client_secret,
        http_client=_tallystick_http,
    )


@pytest.fixture
def async_tallystick(tallystick_application: Application) -> AsyncClient:
    """The SDK's `AsyncClient` for `tallystick_application`, under any plugin for async tests.

    It keeps no connection open, hence has nothing to close when the test's event loop has gone.
    """
    import httpx2

    from tallystick import AsyncClient

    own = tallystick_application
    limits = httpx2.Limits(max_keepalive_connections=0)
    return AsyncClient(
        base_url=own.url,
        key=own.client_id,
        secret=own.client_secret,
        http_client=httpx2.AsyncClient(trust_env=False, limits=limits),
    )


@pytest.fixture
def tallystick_clock(
    request: pytest.FixtureRequest, _tallystick_control: Control
) -> Iterator[Clock]:
    """The gateway's clock: `freeze`, `set`, `advance`, `resume`, `now`; restored after the test.

    The clock is one for the whole gateway. So under xdist a test that asks for it by name is given
    a gateway that no other test uses meanwhile, and all its fixtures speak to that one, except
    `tallystick_server`: take the address from `tallystick_application.url`.
    """
    from tallystick.pytest.control import Clock

    if _is_worker(request.config) and "tallystick_clock" not in request.node.fixturenames:
        pytest.fail(
            "under xdist a test names tallystick_clock in its arguments, or in usefixtures: "
            "the gateway's clock would move under other tests",
            pytrace=False,
        )
    clock = Clock(_tallystick_control)
    yield clock
    clock.restore()


@pytest.fixture
def tallystick_faults(
    _tallystick_control: Control, tallystick_application: Application
) -> Iterator[Faults]:
    """Lets calls of this application go wrong: `add(path="/customers", status=500)`."""
    from tallystick.pytest.control import Faults

    faults = Faults(_tallystick_control, tallystick_application)
    yield faults
    faults.clear()


@pytest.fixture
def tallystick_webhooks(tallystick: Client) -> Iterator[Webhooks]:
    """A receiver, subscribed for this application: `wait_for(topic, timeout=5.0)`, `received`.

    Signatures are checked; what comes out is the SDK's `Event`.
    """
    from tallystick.pytest.receiver import receiving

    with receiving(tallystick) as webhooks:
        yield webhooks


@pytest.fixture
def tallystick_simulate(_tallystick_control: Control, tallystick: Client) -> Simulate:
    """The person and the bank: `link(customer, "plaid")`, `require_reauth(exchange)`, ….

    A link that your own code began is finished by its `simulate()`.
    """
    from tallystick.pytest.simulate import Simulate

    return Simulate(_tallystick_control, tallystick)


# ── pytest and xdist ──────────────────────────────────────────────────────────────────────────


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "tallystick_settings",
        "settings of the gateway that tallystick_server starts, one `name = value` a line",
        type="linelist",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker is done: remember, in the controller, what it shared with the others."""
    if told := getattr(node, "workeroutput", {}).get(_TOLD):
        node.config.stash.setdefault(_LIFELINES, set()).add(told)


def pytest_unconfigure(config: pytest.Config) -> None:
    """All workers are done: end what they shared."""
    for lifeline in config.stash.get(_LIFELINES, ()):
        Path(lifeline).unlink(missing_ok=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _plan(config: pytest.Config, owner: int | None = None) -> Plan:
    from tallystick.pytest.launch import Plan

    return Plan(owner or os.getpid(), config.getini("tallystick_settings"))
