"""The simulator's pages and controls, without a browser."""

from __future__ import annotations

import pytest

from tallystick.clock import HOUR_MS
from tallystick.partners.visa.tests.visa_world import World, is_refusal

pytestmark = pytest.mark.anyio


@pytest.fixture
def world() -> World:
    return World()


async def link(world: World) -> str:
    return (await world.partner.start_session(world.request())).href.reveal()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("client_id=sandbox", "client_id=other"), "client_id"),
        (
            ("redirect_uri=http%3A%2F%2F127.0.0.1", "redirect_uri=http%3A%2F%2Fevil.example"),
            "redir",
        ),
        (("redirect_uri=http", "redirect_uri=javascript"), "redirect_uri"),
        (("redirect_uri=", "redirect="), "redirect_uri"),
        (("127.0.0.1%3A7420%2Fredirect", "u%40127.0.0.1%2Fredirect"), "redirect_uri"),
        (("127.0.0.1%3A7420", "127.0.0.1%3A99999"), "redirect_uri"),
        (("market=US", "market=SE"), "market"),
        (("authorization_code=", "authorization_code=0"), "used before"),
        (("authorization_code=", "code="), "used before"),
    ],
)
async def test_addresses_that_do_not_open(world, change, said):
    answer = await world.client.get((await link(world)).replace(*change))
    assert answer.status_code == 400
    assert said in answer.text
    goes_back = "redirect" not in change[0] and "127" not in change[0]
    assert ('data-testid="return"' in answer.text) is goes_back
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_renewal_of_what_is_not_there(world):
    grant = await world.linked()
    started = await world.partner.start_reauth(world.request(grant=grant))
    href = started.href.reveal().replace(grant.external_id, "0" * 32)
    assert (await world.client.get(href)).status_code == 404


async def test_https_addresses_with_a_query_are_kept(world):
    request = world.request(return_url="https://gw.example/back?keep=1&a=%26", state="s t")
    href = (await world.partner.start_session(request)).href.reveal()
    address = await world.complete(href, consent=False)
    assert address.startswith("https://gw.example/back?keep=1&a=%26&error=USER_CANCELLED&")
    assert address.endswith("&state=s+t")


async def test_bank_may_be_chosen_in_the_address(world):
    href = f"{await link(world)}&input_provider=us-demobank"
    answer = await world.client.get(href, follow_redirects=True)
    assert "Log in at Demo Bank" in answer.text


async def test_looking_at_an_address_does_not_use_it_up(world):
    href = await link(world)
    assert (await world.client.head(href)).status_code == 200
    assert (await world.client.get(href)).status_code == 303


async def test_steps_out_of_order(world):
    answer = await world.client.get(await link(world))
    here = answer.headers["location"].removeprefix("/_partners/visa")
    assert answer.headers["cache-control"] == "no-store"
    for move, form in [
        ("login", {"username": "u35490150", "password": "ckr403"}),
        ("account", {"account": "0"}),
        ("consent", {}),
        ("again", {}),
        ("give-up", {}),
        ("back", {}),
        ("bank", {"provider": "none"}),
        ("dance", {}),
    ]:
        answer = await world.client.post(f"{here}/{move}", data=form or {"x": "1"})
        assert answer.status_code == 400, move
    assert (await world.client.get(f"{here}/return")).status_code == 400
    world.clock.advance(HOUR_MS)
    assert (await world.client.get(here)).status_code == 404


async def test_what_a_person_types_is_shown_as_text(world):
    await world.client.get(await link(world))
    href = f"{await link(world)}&x=<script>"
    answer = await world.client.get(href.replace("market=US", "market=<script>"))
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"handle": 7},
        {"handle": "http://[x"},
        {"handle": "http://127.0.0.1/elsewhere"},
        {"handle": "/1.0/account-check/connect?client_id=sandbox"},
    ],
)
async def test_visits_that_cannot_be_completed(world, body):
    assert is_refusal(await world.client.post("/_control/complete", json=body), 400)


@pytest.mark.parametrize(
    "how",
    [
        {"accounts": "savings"},
        {"accounts": []},
        {"accounts": ["gold"]},
        {"accounts": [[]]},
        {"institution": "none"},
        {"user": 7},
    ],
)
async def test_choices_that_there_are_not(world, how):
    body = {"handle": await link(world), **how}
    assert is_refusal(await world.client.post("/_control/complete", json=body), 400)


async def test_control(world):
    grant = await world.linked()
    path = f"/_control/credentials/{grant.external_id}/degrade"
    assert is_refusal(await world.client.post(path, json={"status": "SAD"}), 400)
    path = "/_control/credentials/0/degrade"
    assert is_refusal(await world.client.post(path, json={"status": "UPDATED"}), 404)
    assert (await world.client.post("/_control/reset")).status_code == 204
    assert world.shelf.all("user") == []


async def test_what_is_not_there(world):
    assert is_refusal(await world.client.get("/nothing"), 404)
    assert is_refusal(await world.client.get("/api/v1/oauth/token"), 405)
