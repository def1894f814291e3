"""A simulator behind a socket, and a person on a page that shows Flow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser import visit

from tallystick.partners.checkout.tests.checkout_world import World, world_at
from tallystick.partners.checkout.tests.flow_visit import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_at(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """For tests that move the clock."""
    with world_at(tmp_path) as world:
        yield world


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visit(browser) as page:
        yield page


@pytest.fixture
def shop(own_world: World, page: Page) -> Shop:
    return Shop(own_world, page)
