"""The one client that speaks to partners: what it keeps from one call to the next."""

from __future__ import annotations

import httpx2
import pytest

from tallystick.partners.http import PartnerHttp

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_no_cookie_of_one_call_goes_with_the_next():
    sent = []

    def answer(request):
        sent.append(request.headers.get("cookie"))
        headers = {"set-cookie": "session=of-one-customer; Path=/"}
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(b"{}"))

    http = PartnerHttp("https://partner.example", transport=httpx2.MockTransport(answer))
    for _ in range(2):
        assert (await http.call("GET", "/accounts")).ok
    await http.close()
    assert sent == [None, None]
