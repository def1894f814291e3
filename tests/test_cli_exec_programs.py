"""`tallystick exec`: unmodified programs, over real sockets, reach us."""

from __future__ import annotations

import json
import shutil
import sys

import httpx2
import pytest

from .executing import MX_CALL, PLAID_CALL, PLAYED, execute, javascript, python
from .gateway import Served


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


def test_plaid_python_which_asks_for_no_proxy(one):
    code = """
import plaid
from plaid.api import plaid_api
keys = {"clientId": "sandbox", "secret": "sandbox"}
settings = plaid.Configuration(host=plaid.Environment.Sandbox, api_key=keys)
client = plaid_api.PlaidApi(plaid.ApiClient(settings))
"""
    done = python(one.url, code + PLAID_CALL)
    assert done.stdout.startswith("public-sandbox-"), done.stderr


def test_mx_platform_python_which_asks_for_no_proxy(one):
    code = """
import mx_platform_python as mx
settings = mx.Configuration(host="https://int-api.mx.com", username="sandbox", password="sandbox")
client = mx.ApiClient(settings)
"""
    done = python(one.url, code + MX_CALL)
    assert done.stdout.startswith("USR-"), done.stderr


LANDS = {
    "https://cdn.plaid.com/link/v2/stable/link-initialize.js": 200,
    "https://sandbox.plaid.com/nothing": 404,
    "https://int-api.mx.com/users": 401,
    "https://api-sandbox.dwolla.com/": 401,
    "http://api-sandbox.dwolla.com/": 401,
    "https://accounts-sandbox.dwolla.com/auth": 401,
}
# Through the proxy; by a look-up and a connection; in both event loops; with a port remembered.
LANDING = """
import asyncio, socket, ssl, sys, urllib.error, urllib.request, uvloop
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
          asyncio.run(by_event_loop(parts, tls)), uvloop.run(by_event_loop(parts, tls)),
          by_remembered_port(parts, tls))
"""


def test_hosts_land_where_they_should(one):
    done = execute(one.url, sys.executable, "-c", LANDING, *LANDS)
    found = [line.split() for line in done.stdout.splitlines()]
    assert found == [[str(status)] * 5 for status in LANDS.values()], done.stderr


JAVA_WAYS = """
import java.net.*;
import java.net.http.*;
public class Probe {
  static String old(String url) {
    try { return "" + ((HttpURLConnection) new URL(url).openConnection()).getResponseCode(); }
    catch (Exception error) { return error.getMessage().contains("403") ? "403" : error.toString(); }
  }
  static String now(String url) {
    var request = HttpRequest.newBuilder(URI.create(url)).build();
    try { return "" + HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode(); }
    catch (Exception error) { return error.getMessage().contains("403") ? "403" : error.toString(); }
  }
  public static void main(String[] urls) {
    for (var url : urls) System.out.println(old(url) + " " + now(url));
  }
}
"""


def test_java(one, tmp_path):
    """No SDK, but the two clients of the JDK, which the Kotlin SDK and others stand on."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("Java is not here")
    (tmp_path / "Probe.java").write_text(JAVA_WAYS)
    others = {"https://example.com/": 403, "http://example.com/": 403}
    done = execute(one.url, java, f"{tmp_path}/Probe.java", *LANDS, *others)
    found = [line.split() for line in done.stdout.splitlines()]
    expected = [*LANDS.values(), *others.values()]
    assert found == [[str(status)] * 2 for status in expected], done.stderr


# ── a gateway of its own ──────────────────────────────────────────────────────────────────────


def test_serve(tmp_path):
    made = {"KEY": "sandbox-key", "SECRET": "sandbox-secret", "TALLYSTICK_PORT": "1"}
    (tmp_path / "tallystick.toml").write_text("mode = 'live'")
    code = DWOLLAV2.format(environment="sandbox")
    done = execute("", sys.executable, "-c", code, options=("--serve",), cwd=tmp_path, **made)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0].startswith(f"{PLAYED}/customers/")
    assert [each.name for each in tmp_path.iterdir()] == ["tallystick.toml"]
