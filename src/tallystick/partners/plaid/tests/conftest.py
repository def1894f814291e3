"""A simulator behind a socket, and a person on an integrator's page that loads Plaid Link."""

from collections.abc import Iterator

import pytest

from tallystick.partners.plaid.tests.link_visit import HOST_PAGE, Visit
from tallystick.partners.plaid.tests.simulator_stage import PREFIX, Stage, on_stage, served


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with on_stage() as staged, served(staged) as simulator:
        staged.url = f"{simulator}{PREFIX}"
        yield staged


@pytest.fixture(scope="module")
def host(stage) -> Iterator[str]:
    """The integrator's page, at another origin than the simulator."""
    script = f"{stage.url}/link/v2/stable/link-initialize.js"
    with on_stage() as other, served(other, HOST_PAGE.replace("SCRIPT", script)) as url:
        yield url.replace("127.0.0.1", "localhost")


@pytest.fixture
def visit(stage, host, browser) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1000, "height": 760})
    one = Visit(stage, context.new_page(), host)
    yield one
    context.close()
    complaints = [c for c in one.complaints if one.expected is None or one.expected not in c]
    assert complaints == []
