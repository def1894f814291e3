"""What holds for every operation: authentication, negotiation, routing, bodies, isolation of errors."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tallystick.api import routes
from tallystick.clock import HOUR_MS
from tallystick.hal import MEDIA_TYPE

from .gateway import in_process

pytestmark = pytest.mark.anyio

ID = "01a1fc84-afcd-7454-b448-bccb3d851666"
POSTS = [route.path.replace("{id}", ID) for route in routes() if route.method == "POST"]
EVERY = [(route.method, route.path.replace("{id}", ID)) for route in routes()]


@pytest.fixture
async def client(gateway):
    return await gateway.application()


def code(answer):
    return answer.status_code, answer.json()["code"], answer.json()["message"]


# ── POST /token ───────────────────────────────────────────────────────────────────────────────


async def test_token_by_basic_and_by_form(gateway):
    client = gateway.client()
    form = {"grant_type": "client_credentials"}
    basic = await client.post("/token", auth=("sandbox-key", "sandbox-secret"), data=form)
    posted = await client.post(
        "/token", data={**form, "client_id": "sandbox-key", "client_secret": "sandbox-secret"}
    )
    for answer in (basic, posted):
        assert answer.status_code == 200
        body = answer.json()
        assert (body["token_type"], body["expires_in"], len(body["access_token"])) == (
            "Bearer",
            3600,
            50,
        )
        assert answer.headers["cache-control"] == "no-store"
    assert basic.json()["access_token"] != posted.json()["access_token"]


@pytest.mark.parametrize(
    ("form", "auth", "status", "error"),
    [
        ({"grant_type": "client_credentials"}, None, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("sandbox-key", "wrong"), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("nobody", "sandbox-secret"), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("no\0body", "\0"), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("ключ", "сéкрет"), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, ("k" * 5000, "s"), 401, "invalid_client"),
        ({}, ("sandbox-key", "sandbox-secret"), 400, "invalid_request"),
        (
            {"grant_type": "password"},
            ("sandbox-key", "sandbox-secret"),
            400,
            "unsupported_grant_type",
        ),
        (
            {"grant_type": "client_credentials", "client_id": "other", "client_secret": "x"},
            ("sandbox-key", "sandbox-secret"),
            401,
            "invalid_client",
        ),
    ],
)
async def test_token_refusals_always_say_error(gateway, form, auth, status, error):
    answer = await gateway.client().post("/token", data=form or {"x": ""}, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_token_twice_the_same_member_is_refused(gateway):
    raw = b"grant_type=client_credentials&client_id=a&client_id=b&client_secret=c"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await gateway.client().post("/token", content=raw, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["Basic !!!", "Basic YT*pi!", "Basic", "Bearer x", "Basic bm9jb2xvbg=="]
)
async def test_token_with_a_broken_header(gateway, header):
    answer = await gateway.client().post(
        "/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_token_as_json_is_refused_with_error(gateway):
    answer = await gateway.client().post("/token", json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# ── the 401s ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Basic c2FuZGJveC1rZXk6eA==", "x"])
async def test_no_credentials(gateway, header):
    client = gateway.client()
    headers = {} if header is None else {"Authorization": header}
    answer = await client.get("/", headers=headers)
    assert code(answer) == (401, "InvalidCredentials", "Missing or invalid Authorization header.")


@pytest.mark.parametrize("token", ["unknown", "x" * 500, "ü", "a b"])
async def test_unknown_token(gateway, token):
    headers = {"Authorization": f"Bearer {token}".encode()}
    answer = await gateway.client().get("/", headers=headers)
    assert code(answer) == (401, "InvalidAccessToken", "Invalid access token.")


async def test_expired_token(gateway, client):
    assert (await client.get("/")).status_code == 200
    gateway.clock.advance(HOUR_MS)
    answer = await client.get("/")
    assert code(answer) == (
        401,
        "ExpiredAccessToken",
        "Generate a new access token using your client credentials.",
    )


async def test_a_new_token_does_not_end_the_earlier(gateway, client):
    earlier = client.headers["Authorization"]
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    assert client.headers["Authorization"] != earlier
    assert (await client.get("/", headers={"Authorization": earlier})).status_code == 200


@pytest.mark.parametrize(
    ("change", "expected", "message"),
    [
        ({"status": "disabled"}, "InvalidApplicationStatus", "Invalid application status."),
        (
            {"account_status": "suspended"},
            "InvalidAccountStatus",
            "Invalid access token account status.",
        ),
    ],
)
async def test_switched_off_applications_and_accounts(client, change, expected, message):
    path = f"/_tallystick/control/applications/{client.made['id']}"
    assert (await client.post(path, json=change)).status_code == 200
    assert code(await client.get("/")) == (401, expected, message)


@pytest.mark.parametrize(("method", "path"), EVERY)
async def test_every_operation_needs_a_token(gateway, method, path):
    answer = await gateway.client().request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "InvalidCredentials")


async def test_an_unknown_path_without_a_token_is_401_not_404(gateway):
    assert (await gateway.client().get("/nowhere")).status_code == 401


# ── negotiation and routing ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "accept",
    [
        MEDIA_TYPE,
        f'{MEDIA_TYPE}; profile="https://github.com/dwolla/hal-forms"',
        f"text/html, {MEDIA_TYPE};q=0.5",
        "*/*",
        MEDIA_TYPE.upper(),
    ],
)
async def test_accepted(client, accept):
    assert (await client.get("/", headers={"Accept": accept})).status_code == 200


@pytest.mark.parametrize("accept", ["application/json", "text/html", "", "application/*"])
async def test_not_acceptable(client, accept):
    answer = await client.get("/", headers={"Accept": accept})
    assert code(answer) == (406, "InvalidVersion", "Missing or invalid API version.")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/customers/x/y/z", "//", "/exchanges/", "/customers//exchanges"]
)
async def test_not_found(client, path):
    answer = await client.get(f"http://127.0.0.1:7420{path}")
    assert code(answer) == (404, "NotFound", "The requested resource was not found.")


async def test_method_not_allowed(client):
    for method, path in (("DELETE", "/"), ("PUT", "/customers"), ("TRACE", "/events")):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "MethodNotAllowed")
    answer = await client.get("/token")
    assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request")


async def test_head_is_get_without_a_body(client):
    got, head = await client.get("/"), await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_browsers_may_call_the_sandbox(client):
    origin = {"Origin": "http://localhost:3000"}
    answer = await client.options("/customers", headers=origin)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    answer = await client.get("/", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert not [name for name in (await client.get("/")).headers if "access-control" in name]


async def test_only_the_listed_origins_may_call_and_caches_are_told(tmp_path):
    url, listed = f"sqlite:///{tmp_path}/cors.db", "https://app.example, https://other.example"
    async with in_process(tmp_path, url, cors_origins=listed) as serving:
        client = await serving.application()
        for origin, allowed in [
            ("https://other.example", "https://other.example"),
            ("https://evil.example", None),
            ("https://app.example.evil", None),
        ]:
            answer = await client.get("/", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert answer.headers["vary"] == "origin"


async def test_links_follow_the_host_that_was_called(client):
    answer = await client.get("/", headers={"Host": "gateway.test:81"})
    assert answer.json()["_links"]["account"]["href"].startswith("http://gateway.test:81/accounts/")
    for host in ("evil.test/x", "a b", "", "x" * 300, "user@evil.test"):
        refused = await client.get("/", headers={"Host": host})
        assert (refused.status_code, refused.json()["code"]) == (400, "BadRequest")


# ── bodies ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b'"text"', b"5", b"null", b'{"a":1,"a":2}', b"\xff", b'{"a":"\\u0000"}', b"NaN"],
)
async def test_a_body_that_is_no_json_object_changes_nothing(client, path, raw):
    headers = {"Content-Type": "application/json"}
    answer = await client.post(path, content=raw, headers=headers)
    assert answer.status_code in (400, 404), answer.text


@pytest.mark.parametrize("path", POSTS)
async def test_unsupported_types_and_encodings(client, path):
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ):
        answer = await client.post(path, content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "UnsupportedMediaType")


async def test_types_that_are_read(client):
    body = b'{"firstName":"Ada","lastName":"Byron","email":"%d@example.com"}'
    for number, content_type in enumerate(
        (
            MEDIA_TYPE,
            f"{MEDIA_TYPE}; charset=utf-8",
            "application/json",
            "application/json;charset=UTF-8",
            None,
        )
    ):
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await client.post("/customers", content=body % number, headers=headers)
        assert answer.status_code == 201, answer.text


async def test_a_body_that_is_too_large(client):
    answer = await client.post("/customers", json={"firstName": "x" * 70_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "PayloadTooLarge")


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel".encode(), "a\tb"])
async def test_an_idempotency_key_must_be_printable_and_short(client, key):
    answer = await client.post("/customers", json={}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")


# ── idempotency ───────────────────────────────────────────────────────────────────────────────

ADA = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}


async def test_a_repetition_gets_the_first_answer(gateway, client):
    headers = {"Idempotency-Key": "k"}
    first = await client.post("/customers", json=ADA, headers=headers)
    assert first.status_code == 201
    reordered = dict(reversed(ADA.items()))
    again = await client.post("/customers", json=reordered, headers=headers)
    assert (again.status_code, again.headers["location"]) == (201, first.headers["location"])
    assert (await client.get("/customers")).json()["total"] == 1
    other = await client.post("/customers", json={**ADA, "firstName": "Eve"}, headers=headers)
    assert code(other)[:2] == (409, "Conflict")
    gateway.clock.advance(25 * HOUR_MS)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    late = await client.post("/customers", json=ADA, headers=headers)
    assert late.json()["_embedded"]["errors"][0]["code"] == "Duplicate"


async def test_a_refusal_does_not_use_up_the_key(client):
    headers = {"Idempotency-Key": "k"}
    assert (await client.post("/customers", json={}, headers=headers)).status_code == 400
    assert (await client.post("/customers", json=ADA, headers=headers)).status_code == 201


async def test_keys_belong_to_an_application(gateway, client):
    other = await gateway.application()
    headers = {"Idempotency-Key": "k"}
    first = await client.post("/customers", json=ADA, headers=headers)
    second = await other.post("/customers", json=ADA, headers=headers)
    assert second.status_code == 201
    assert first.headers["location"] != second.headers["location"]


# ── slow clients, over a socket ───────────────────────────────────────────────────────────────


def test_heads_and_bodies_that_trickle_are_cut_off(server, monkeypatch):
    from tallystick.server import protocol

    monkeypatch.setattr(protocol, "HEAD_S", 0.5)
    monkeypatch.setattr(protocol, "BODY_S", 0.5)
    port = int(server.url.rpartition(":")[2])
    for opening, answered in (
        (b"GET / HTTP/1.1\r\n", b""),
        (
            b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
            b"HTTP/1.1 408",
        ),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(opening)
            started, received = time.monotonic(), b""
            while time.monotonic() - started < 12:
                try:
                    connection.sendall(b"X")
                    connection.settimeout(0.1)
                    received += connection.recv(4096)
                    if received or connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            assert time.monotonic() - started < 9
            assert received.startswith(answered)


def test_many_at_once_over_a_socket(server):
    import httpx2

    async def run():
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(300)))
            assert {each.status_code for each in answers} == {401}

    asyncio.run(run())


async def test_a_scope_that_does_not_exist_cannot_be_withheld(gateway):
    client = gateway.client()
    answer = await client.post("/_tallystick/control/applications", json={"withheld": ["custmers"]})
    assert (answer.status_code, "there is no scope custmers" in answer.text) == (400, True)
    scope = f"exchange-sessions:{gateway.core.partners.all()[0].manifest.key}"
    made = await gateway.application(withheld=[scope])
    path = f"/_tallystick/control/applications/{made.made['id']}"
    refused = await client.post(path, json={"withheld": [f"{scope}s"]})
    assert refused.status_code == 400
