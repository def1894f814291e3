"""`tallystick exec` and `tallystick env`: unmodified programs, over real sockets, reach us alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import httpx2
import pytest
from cryptography import x509

from tallystick.cli.interception import authority
from tallystick.cli.interception.destinations import Gateway, destinations, read_gateway
from tallystick.cli.interception.proxy import Proxy
from tallystick.cli.recipes import RECIPES
from tallystick.errors import ConfigurationError

from .gateway import Served, free_port
from .requirements import NODE_MODULES, ROOT, node

TALLYSTICK = (sys.executable, "-m", "tallystick")
PLAYED = "https://api-sandbox.dwolla.com"


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would make a difference, and with our sources first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if "PROXY" not in name.upper() and not name.startswith(("TALLYSTICK_", "NODE_OPTIONS"))
    }
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore", **more}


def execute(
    url: str, *command: str, options: tuple[str, ...] = (), cwd: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TALLYSTICK, "exec", *(("--url", url) if url else ()), *options, "--", *command],
        cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip


def python(url: str, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    return execute(url, sys.executable, "-c", textwrap.dedent(code), **more)


def javascript(url: str, code: str, *, suffix: str = "cjs", **more: str):
    """A script beside the official clients, so that they are found as in any project."""
    script = ROOT / "tests" / "node" / f"exec_{os.getpid()}.{suffix}"
    script.write_text(textwrap.dedent(code))
    try:
        return execute(url, node(), str(script), **more)
    finally:
        script.unlink()


@pytest.fixture
def made(server: Served) -> dict[str, str]:
    """The credentials of a new application, as the environment of a program."""
    app = server.application()
    return {"KEY": app["client_id"], "SECRET": app["client_secret"]}


def customers_of(server: Served, made: dict[str, str]) -> list[str]:
    """Asked of the gateway directly: what the program really left there."""
    with httpx2.Client(base_url=server.url, trust_env=False) as client:
        answer = client.post(
            "/token",
            auth=(made["KEY"], made["SECRET"]),
            data={"grant_type": "client_credentials"},
        )
        headers = {
            "Authorization": f"Bearer {answer.json()['access_token']}",
            "Accept": "application/vnd.dwolla.v1.hal+json",
        }
        found = client.get("/customers", headers=headers).json()["_embedded"]["customers"]
    return [each["email"] for each in found]


# ── unmodified programs ───────────────────────────────────────────────────────────────────────

DWOLLAV2 = """
import json, os, dwollav2
client = dwollav2.Client(key=os.environ["KEY"], secret=os.environ["SECRET"], environment="{environment}")
token = client.Auth.client()
made = token.post("customers", {{"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}})
shown = token.get(made.headers["location"]).body
listed = token.get("exchange-partners").body["_embedded"]["exchange-partners"]
print(json.dumps([made.headers["location"], shown["_links"]["self"]["href"], sorted(p["name"] for p in listed)]))
"""

DWOLLA_V2 = """
const { Client } = require("dwolla-v2");
const dwolla = new Client({ key: process.env.KEY, secret: process.env.SECRET, environment: "sandbox" });
(async () => {
  const made = await dwolla.post("customers", { firstName: "Ada", lastName: "Byron", email: "ada@example.com" });
  const location = made.headers.get("location");
  const shown = (await dwolla.get(location)).body;
  const listed = (await dwolla.get("exchange-partners")).body._embedded["exchange-partners"];
  console.log(JSON.stringify([location, shown._links.self.href, listed.map((each) => each.name).sort()]));
})();
"""

DWOLLA = """
import { Dwolla } from "dwolla";
const dwolla = new Dwolla({
  server: "sandbox",
  security: { clientID: process.env.KEY, clientSecret: process.env.SECRET },
});
const made = await dwolla.customers.create({
  firstName: "Ada", lastName: "Byron", email: "ada@example.com", type: "unverified",
});
const [location] = made.headers.location;
const shown = await dwolla.customers.get({ id: location.split("/").pop() });
const listed = (await dwolla.exchangePartners.list()).embedded.exchangePartners;
console.log(JSON.stringify([location, shown.links.self.href, listed.map((each) => each.name).sort()]));
"""


def check_program(done, server, made, host: str = PLAYED) -> None:
    assert done.returncode == 0, done.stderr
    location, shown, partners = json.loads(done.stdout)
    assert location == shown
    assert location.startswith(f"{host}/customers/")
    assert {"Plaid", "MX"} <= set(partners)
    assert customers_of(server, made) == ["ada@example.com"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "host"), [("sandbox", PLAYED), ("production", "https://api.dwolla.com")]
)
def test_dwollav2(server, made, name, host):
    done = python(server.url, DWOLLAV2.format(environment=name), **made)
    check_program(done, server, made, host)


def test_dwollav2_without_the_proxy(server, made):
    """A program that throws the proxy's variables away is led all the same."""
    forget = "import os\nfor name in [n for n in os.environ if 'PROXY' in n.upper()]: del os.environ[name]\n"
    done = python(server.url, forget + DWOLLAV2.format(environment="sandbox"), **made)
    check_program(done, server, made)


@pytest.mark.node
def test_npm_dwolla_v2(server, made):
    check_program(javascript(server.url, DWOLLA_V2, **made), server, made)


@pytest.mark.node
def test_npm_dwolla(server, made):
    check_program(javascript(server.url, DWOLLA, suffix="mjs", **made), server, made)


def test_plaid_python_which_asks_for_no_proxy(server):
    done = python(server.url, """
        import plaid
        from plaid.api import plaid_api
        from plaid.model.sandbox_public_token_create_request import SandboxPublicTokenCreateRequest
        from plaid.model.products import Products
        settings = plaid.Configuration(host=plaid.Environment.Sandbox,
                                       api_key={"clientId": "sandbox", "secret": "sandbox"})
        asked = SandboxPublicTokenCreateRequest(institution_id="ins_109508", initial_products=[Products("auth")])
        print(plaid_api.PlaidApi(plaid.ApiClient(settings)).sandbox_public_token_create(asked).public_token)
    """)  # fmt: skip
    assert done.stdout.startswith("public-sandbox-"), done.stderr


def test_mx_platform_python_which_asks_for_no_proxy(server):
    done = python(server.url, """
        import mx_platform_python as mx
        settings = mx.Configuration(host="https://int-api.mx.com", username="sandbox", password="sandbox")
        print(mx.UsersApi(mx.ApiClient(settings)).create_user(mx.UserCreateRequestBody(user=mx.UserCreateRequest())).user.guid)
    """)  # fmt: skip
    assert done.stdout.startswith("USR-"), done.stderr


LANDS = {
    "https://cdn.plaid.com/link/v2/stable/link-initialize.js": 200,
    "https://sandbox.plaid.com/nothing": 404,
    "https://int-api.mx.com/users": 401,
    "https://api-sandbox.dwolla.com/": 401,
    "http://api-sandbox.dwolla.com/": 401,
    "https://accounts-sandbox.dwolla.com/auth": 401,
}
# Through the proxy; by a look-up and a connection; in an event loop; and with a port remembered.
LANDING = """
import asyncio, socket, ssl, sys, urllib.error, urllib.request
from urllib.parse import urlsplit
def status(opener, url):
    try:
        return opener.open(url, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code
async def by_event_loop(parts, tls):
    reader, writer = await asyncio.open_connection(parts.hostname, 443 if tls else 80, ssl=tls or None)
    writer.write(f"GET {parts.path} HTTP/1.1\\r\\nHost: {parts.hostname}\\r\\n\\r\\n".encode())
    return int((await reader.readline()).split()[1])
def by_remembered_port(parts, tls):
    (address, *_), *_ = [each[4] for each in socket.getaddrinfo(parts.hostname, None)]
    with socket.create_connection((address, 443 if tls else 80), 20) as sock:
        if tls:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
        sock.sendall(f"GET {parts.path} HTTP/1.1\\r\\nHost: {parts.hostname}\\r\\n\\r\\n".encode())
        return int(sock.makefile("rb").readline().split()[1])
for url in sys.argv[1:]:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print(status(urllib.request.build_opener(), url), status(direct, url),
          asyncio.run(by_event_loop(parts, tls)), by_remembered_port(parts, tls))
"""


def test_hosts_land_where_they_should(server):
    done = execute(server.url, sys.executable, "-c", LANDING, *LANDS)
    found = [line.split() for line in done.stdout.splitlines()]
    assert found == [[str(status)] * 4 for status in LANDS.values()], done.stderr


# ── the positive control: every other host ────────────────────────────────────────────────────


OTHERS = ("example.com", "api-uat.dwolla.com", "203.0.113.1")
PYTHON_WAYS = """
import asyncio, json, socket, sys, urllib.request, _socket, requests
def way_urllib(host): urllib.request.urlopen(f"https://{host}/")
def way_requests(host): requests.get(f"https://{host}/")
def way_plain(host): requests.get(f"http://{host}/").raise_for_status()
def way_socket(host): socket.create_connection((host, 443), 5)
def way_connect(host): socket.socket().connect((host, 443))
def way_connect_ex(host): socket.socket().connect_ex((host, 443))
def way_asyncio(host): asyncio.run(asyncio.open_connection(host, 443))
def way_below(host): _socket.socket().connect(("203.0.113.1", 443))
def way_datagram(host): socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("203.0.113.1", 53))
for name, way in [each for each in globals().items() if each[0].startswith("way_")]:
    for host in sys.argv[1:]:
        try:
            way(host)
            print(name, host, "reached")
        except Exception as error:
            print(name, host, "refused" if "efused" in str(error) else repr(error))
"""
NODE_WAYS = """
const ways = {
  fetch: (host) => fetch(`https://${host}/`).catch((error) => { throw error.cause }),
  https: (host) => new Promise((yes, no) => require("https").get(`https://${host}/`, yes).on("error", no)),
  http: (host) => new Promise((yes, no) => require("http").get(`http://${host}/`, yes).on("error", no)),
  net: (host) => new Promise((yes, no) => require("net").connect(443, host, yes).on("error", no)),
  socket: (host) => new Promise((yes, no) => new (require("net").Socket)().connect(443, host, yes).on("error", no)),
  tls: (host) => new Promise((yes, no) => require("tls").connect({ port: 443, host }, yes).on("error", no)),
  http2: (host) => new Promise((yes, no) => require("http2").connect(`https://${host}`, yes).on("error", no)),
};
(async () => {
  for (const [name, way] of Object.entries(ways))
    for (const host of process.argv.slice(1))
      await way(host).then(
        () => console.log(name, host, "reached"),
        (error) => console.log(name, host,
          error.message === `tallystick exec refused a connection to ${host}` ? "refused" : error));
})();
"""


def check_all_refused(done, ways: int) -> None:
    lines = done.stdout.splitlines()
    assert len(lines) == ways * len(OTHERS), done.stderr
    assert [line for line in lines if not line.endswith(" refused")] == []


def test_python_is_refused_other_hosts(url_of_any):
    done = execute(url_of_any, sys.executable, "-c", PYTHON_WAYS, *OTHERS)
    check_all_refused(done, PYTHON_WAYS.count("def way_"))


@pytest.mark.node
def test_node_is_refused_other_hosts(url_of_any):
    check_all_refused(execute(url_of_any, node(), "-e", NODE_WAYS, *OTHERS), 7)


def test_a_refusal_is_reported_once_without_the_path(url_of_any):
    done = python(url_of_any, """
        import requests
        for scheme in "http", "https":
            try:
                answer = requests.get(f"{scheme}://example.com/path?token=secret-1")
                print(answer.status_code)
            except requests.exceptions.ProxyError as error:
                print("403" in str(error))
    """)  # fmt: skip
    assert done.stdout.split() == ["403", "True"]
    assert done.stderr == (
        "tallystick exec: refused a connection to example.com; "
        "to let it through: --allow example.com\n"
    )


@pytest.fixture(scope="module")
def url_of_any(tmp_path_factory: pytest.TempPathFactory):
    """Something that says it is ready: for what never gets as far as a gateway."""
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n{"status":"ready"}'
    script = f"""
import socketserver
class Ready(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline(); self.wfile.write({answer!r})
with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ready) as server:
    print(server.server_address[1], flush=True); server.serve_forever()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.communicate()
