"""`tallystick exec` and `tallystick env`: unmodified programs, over real sockets, reach us alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import certifi
import httpx2
import pytest
from cryptography import x509
from playwright.sync_api import sync_playwright

from tallystick.cli.interception import authority
from tallystick.cli.interception.destinations import (
    Gateway,
    destinations,
    is_loopback,
    read_gateway,
)
from tallystick.cli.interception.proxy import Proxy
from tallystick.cli.recipes import RECIPES
from tallystick.errors import ConfigurationError

from .gateway import Served, free_port, served
from .requirements import CHROMIUM_ARGS, NODE_MODULES, ROOT, chromium, node
from .test_browser_journeys import HTML, PAGES, Integrator, Quiet

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


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway on SQLite alone: for what does not depend on the store."""
    folder = tmp_path_factory.mktemp("one")
    with served(folder, f"sqlite:///{folder}/tallystick.db") as running:
        yield running


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


PLAID_CALL = """
from plaid.model.sandbox_public_token_create_request import SandboxPublicTokenCreateRequest
from plaid.model.products import Products
asked = SandboxPublicTokenCreateRequest(institution_id="ins_109508", initial_products=[Products("auth")])
print(client.sandbox_public_token_create(asked).public_token)
"""
MX_CALL = """
import mx_platform_python as mx
asked = mx.UserCreateRequestBody(user=mx.UserCreateRequest())
print(mx.UsersApi(client).create_user(asked).user.guid)
"""


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
def way_uvloop(host): import uvloop; uvloop.run(asyncio.open_connection(host, 443))
def way_uvloop_resolve(host):
    import uvloop
    async def resolve(): await asyncio.get_running_loop().getaddrinfo(host, 443)
    uvloop.run(resolve())
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


# ── the certificate ───────────────────────────────────────────────────────────────────────────


def test_a_client_that_does_not_trust_the_authority_refuses(one):
    done = python(one.url, f"""
        import os, socket, ssl
        def shake(context):
            with socket.create_connection(("api-sandbox.dwolla.com", 443), 20) as sock:
                with context.wrap_socket(sock, server_hostname="api-sandbox.dwolla.com") as tls:
                    return tls.version()
        print(shake(ssl.create_default_context()))
        for stranger in ssl.create_default_context(cafile={certifi.where()!r}), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT):
            try:
                print(shake(stranger))
            except ssl.SSLCertVerificationError as error:
                print(error.verify_message)
    """)  # fmt: skip
    trusted, *strangers = done.stdout.splitlines()
    assert trusted == "TLSv1.3", done.stderr
    assert len(strangers) == 2
    assert all("unable to get local issuer certificate" in each for each in strangers)


@pytest.mark.node
def test_node_without_our_authority_refuses(one):
    code = """
        delete process.env.NODE_EXTRA_CA_CERTS;
        const run = require("child_process").spawnSync;
        const code = "fetch('https://api-sandbox.dwolla.com/').catch((error) => console.log(error.cause.code))";
        process.stdout.write(run(process.execPath, ["-e", code]).stdout);
    """
    assert javascript(one.url, code).stdout.strip() in {
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "SELF_SIGNED_CERT_IN_CHAIN",
    }


def test_the_authority_vouches_for_our_hosts_alone_and_for_a_day():
    issued = authority.issue(["api-sandbox.dwolla.com", "cdn.plaid.com"])
    root, leaf = (
        x509.load_pem_x509_certificate(each) for each in (issued.authority, issued.certificate)
    )
    constraint = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraint.critical
    assert [name.value for name in constraint.value.permitted_subtrees or ()] == [
        "api-sandbox.dwolla.com",
        "cdn.plaid.com",
    ]
    for each in (root, leaf):
        assert each.not_valid_after_utc - each.not_valid_before_utc == timedelta(days=1)
        assert each.not_valid_before_utc < datetime.now(UTC) < each.not_valid_after_utc
    leaf.verify_directly_issued_by(root)
    assert repr(issued) == "Issued()"
    assert issued.key not in issued.authority + issued.certificate


def test_no_key_is_written_and_nothing_stays(one):
    done = python(one.url, """
        import os, pathlib, stat
        folder = pathlib.Path(os.environ["SSL_CERT_FILE"]).parent
        print(folder, oct(stat.S_IMODE(folder.stat().st_mode)))
        print(any(b"PRIVATE" in file.read_bytes() for file in folder.rglob("*") if file.is_file()))
    """)  # fmt: skip
    folder, mode, written = done.stdout.split()
    assert (mode, written) == ("0o700", "False")
    assert not Path(folder).exists()


# ── the environment of the command ────────────────────────────────────────────────────────────


def test_what_was_set_before_still_holds(one, tmp_path):
    """A trusted authority, a preload of one's own, a `sitecustomize`, a path."""
    bundle = tmp_path / "own.pem"
    bundle.write_bytes(authority.issue(["example.com"]).authority)
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys; sys.own = 'kept'")
    done = python(
        one.url,
        """
        import os, ssl, sys
        context = ssl.create_default_context()
        names = {str(each["subject"]) for each in context.get_ca_certs()}
        print(sys.own, len(context.get_ca_certs()), os.environ["NODE_OPTIONS"].endswith(" --no-deprecation"))
        print(os.environ["TALLYSTICK_URL"], os.environ["NO_PROXY"], os.environ["ODD"])
        """,
        SSL_CERT_FILE=str(bundle),
        NODE_OPTIONS="--no-deprecation",
        PYTHONPATH=f"{own}{os.pathsep}{ROOT / 'src'}",
        ODD="ünï",
    )
    assert done.stdout.split() == [
        "kept", "2", "True", one.url, "localhost,127.0.0.1,::1", "ünï",
    ], done.stderr  # fmt: skip


def test_the_gateway_itself_and_this_machine_are_reached_directly(one):
    done = python(one.url, """
        import os, requests, socket
        print(requests.get(os.environ["TALLYSTICK_URL"] + "/_tallystick/health/ready").json()["status"])
        a, b = socket.socketpair(); a.send(b"x"); print(b.recv(1)); socket.gethostbyname("localhost")
        try:
            socket.gethostbyname(socket.gethostname())
        except socket.gaierror:
            pass
    """)  # fmt: skip
    assert done.stdout.split() == ["ready", "b'x'"], done.stderr
    assert done.returncode == 0, done.stderr


# ── exit codes and signals ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("sh", "-c", "exit 7"), 7, ""),
        (("sh", "-c", "kill -KILL $$"), 128 + signal.SIGKILL, ""),
        (("no-such-command",), 127, "no-such-command: there is no such command"),
        (("/",), 126, "/: Permission denied"),
    ],
)
def test_exit_codes(url_of_any, command, code, said):
    done = execute(url_of_any, *command)
    assert done.returncode == code
    assert said in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--allow", "api.dwolla.com"), "never reaches the real one"),
        (("--allow", "https://example.com/"), "takes the name of a host"),
        (("--url", "http://api.dwolla.com"), "is not a gateway of yours"),
        (("--url", "ftp://127.0.0.1"), "looks like http://127.0.0.1:7420"),
        (("--url", "http://127.0.0.1:x"), "looks like http://127.0.0.1:7420"),
        (("--serve", "--url", "http://127.0.0.1:7420"), "leave --url out"),
    ],
)
def test_wrong_options(url_of_any, options, said):
    url = "" if "--url" in options else url_of_any
    done = execute(url, "true", options=options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_command_and_no_gateway():
    assert execute("http://127.0.0.1:7420").returncode == 2
    url = f"http://127.0.0.1:{free_port()}"
    done = execute(url, "true")
    assert done.returncode == 3
    assert f"no gateway answers at {url}" in done.stderr
    assert "tallystick serve" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(url_of_any, sent):
    code = f"""
import signal, sys, time
signal.signal({sent:d}, lambda *_: sys.exit(40))
print("ready", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen(
        [*TALLYSTICK, "exec", "--url", url_of_any, "--", sys.executable, "-c", code],
        stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(sent)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 40


# ── a gateway of its own ──────────────────────────────────────────────────────────────────────


def test_serve(tmp_path):
    made = {"KEY": "sandbox-key", "SECRET": "sandbox-secret", "TALLYSTICK_PORT": "1"}
    (tmp_path / "tallystick.toml").write_text("mode = 'live'")
    code = DWOLLAV2.format(environment="sandbox")
    done = execute("", sys.executable, "-c", code, options=("--serve",), cwd=tmp_path, **made)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0].startswith(f"{PLAYED}/customers/")
    assert [each.name for each in tmp_path.iterdir()] == ["tallystick.toml"]


# ── the proxy, by hand ────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def proxy(url: str, folder: Path, *allow: str):
    gateway = read_gateway(url)
    table = destinations(allow, gateway)
    context = authority.server_context(authority.issue(table.routes), folder)
    refused: list[str] = []
    async with Proxy(table, gateway, context, refused.append) as running:
        yield running, refused


async def ask(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET http://api-sandbox.dwolla.com/ HTTP/1.1\r\n\r\n", b"401"),
        # As axios asks a proxy for https.
        (b"GET https://api-sandbox.dwolla.com/ HTTP/1.1\r\nHost: x\r\n\r\n", b"401"),
        (b"GET https://API-Sandbox.Dwolla.com.:443/ HTTP/1.1\r\n\r\n", b"401"),
        (b"GET / HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\n\r\n", b"401"),
        (b"HEAD / HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\n\r\n", b"401"),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\nHost: example.com\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\n\r\n", b"403"),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\n\r\n", b"403"),
        (b"GET http://api-sandbox.dwolla.com@example.com/ HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT 2130706433:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT api-sandbox.dwolla.com.example.com:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT api-sandbox.dwolla.com:99999 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT [::1 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET ftp://127.0.0.1/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET  HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : api-sandbox.dwolla.com\r\n\r\n", b"400"),
        (b"\xff\x00\r\n\r\n", b"400"),
        (b"GET http://127.0.0.1/\nX:y HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: b\rHost: api.dwolla.com\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 65_536 + b"\r\n\r\n", b"431"),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", b"502"),
        (b"GET http://\x07\x1bc/ HTTP/1.1\r\n\r\n", b"403"),
    ],
)
async def test_the_proxy_reads_carefully(one, tmp_path, raw, status):
    async with proxy(one.url, tmp_path) as (running, refused):
        answer = await ask(running.port, raw)
    assert answer.split(b" ")[1] == status, answer
    assert b"\x1b" not in answer
    assert all(each.isprintable() for each in refused)


@pytest.mark.anyio
async def test_an_allowed_host_passes_and_its_credentials_go_to_it_alone(one, tmp_path):
    """localhost by another name: what matters is that the name was allowed."""
    seen = asyncio.Queue[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    raw = (
        f"GET http://user@127.0.0.1:{port}/p?q=1 HTTP/1.1\r\nHost: wrong\r\nA: b\r\n"
        "Proxy-Authorization: Basic eA==\r\nConnection: keep-alive\r\n\r\n"
    )
    async with proxy(one.url, tmp_path, "example.com") as (running, refused), other:
        assert (await ask(running.port, raw.encode())).startswith(b"HTTP/1.1 204")
        tunnelled = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode()
        assert b" 204 " in await ask(running.port, tunnelled)
        assert running._destinations.permits("example.com")
        assert not running._destinations.permits("www.example.com")
    expected = f"GET /p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nA: b\r\nConnection: close\r\n\r\n"
    assert seen.get_nowait() == expected.encode()
    assert refused == []


@pytest.mark.anyio
async def test_the_end_of_a_tunnel_is_passed_on(one, tmp_path):
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"all"
        writer.close()
        ended.set()

    other = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with proxy(one.url, tmp_path) as (running, _), other:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nall".encode())
        writer.write_eof()
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            await ended.wait()
        writer.close()


@pytest.mark.anyio
async def test_only_the_gateways_links_are_respelled(tmp_path):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = "".join(
            f'["{each}"]' for each in (base, f"{base}/customers/1", f"{base}/_partners/mx/x",
                                       f"{base}0/customers", "http://127.0.0.1/customers")
        )  # fmt: skip
        writer.write(
            "HTTP/1.1 100 Continue\r\n\r\n"
            f"HTTP/1.1 200 OK\r\nLocation: {base}/customers/1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        writer.close()

    gateway = await asyncio.start_server(answer, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}"
    async with proxy(base, tmp_path) as (running, _), gateway:
        raw = await ask(running.port, b"GET http://api.dwolla.com/ HTTP/1.1\r\n\r\n")
        other = await ask(running.port, b"GET http://sandbox.plaid.com/ HTTP/1.1\r\n\r\n")
    head, _, body = raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    there = "https://api.dwolla.com"
    assert f"Location: {there}/customers/1\r\n".encode() in head
    assert body.decode() == (
        f'["{there}"]["{there}/customers/1"]["{base}/_partners/mx/x"]["{base}0/customers"]'
        '["http://127.0.0.1/customers"]'
    )
    assert f"content-length: {len(body)}".encode() in head
    assert b"dwolla" not in other


@pytest.mark.anyio
async def test_bodies_of_any_size_pass_both_ways(tmp_path):
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(3_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        writer.close()

    gateway = await asyncio.start_server(echo, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}"
    body = os.urandom(3_000_000)
    async with proxy(base, tmp_path) as (running, _), gateway:
        for host in (b"api.dwolla.com", b"sandbox.plaid.com"):
            raw = await ask(running.port, b"POST http://%s/ HTTP/1.1\r\n\r\n%s" % (host, body))
            assert raw.endswith(body)


def test_this_machine_has_many_names():
    ours = ("localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::")
    others = ("localhost.example.com", "10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1.example.com")
    assert all(is_loopback(each) for each in ours)
    assert not any(is_loopback(each) for each in others)


@pytest.mark.parametrize("wrong", ["", "a b", "a/b", "é.example", "x" * 300, "-a", "a\n"])
def test_what_is_no_host_is_not_allowed(wrong):
    with pytest.raises(ConfigurationError, match="takes the name of a host"):
        destinations([wrong], Gateway("127.0.0.1", 7420))


# ── tallystick env ────────────────────────────────────────────────────────────────────────────


def recipe(sdk: str, url: str) -> dict:
    done = subprocess.run(
        [*TALLYSTICK, "env", "--sdk", sdk, "--url", url, "--format", "json"],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("sdk", "call", "starts"),
    [
        ("dwollav2", "print(client.Auth.client().get('/').body['_links']['account']['href'])", ""),
        (
            "plaid-python",
            PLAID_CALL,
            "public-sandbox-",
        ),
        (
            "mx-platform-python",
            MX_CALL,
            "USR-",
        ),
    ],
)
def test_recipes_for_python_run(one, sdk, call, starts):
    made = recipe(sdk, one.url)
    assert made["checked"] == "run"
    code = "\n".join([*made["lines"], call])
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(starts or f"{one.url}/accounts/"), done.stderr


@pytest.mark.node
@pytest.mark.parametrize(
    ("sdk", "suffix", "call"),
    [
        ("dwolla-v2", "cjs", "dwolla.get('/').then(r => console.log(r.body._links.account.href))"),
        ("dwolla", "mjs", "console.log((await dwolla.root.get()).links.account.href)"),
    ],
)
def test_recipes_for_node_run(one, sdk, suffix, call):
    made = recipe(sdk, one.url)
    assert made["checked"] == "run"
    script = NODE_MODULES.parent / f"recipe_{os.getpid()}.{suffix}"
    script.write_text("\n".join([*made["lines"], call]))
    try:
        done = subprocess.run(
            [node(), str(script)], env=environment(), capture_output=True, text=True, check=False
        )
    finally:
        script.unlink()
    assert done.stdout.startswith(f"{one.url}/accounts/"), done.stderr


@pytest.mark.browser
@pytest.mark.node
def test_the_recipe_for_react_plaid_link_runs(one, tmp_path):
    """The hook finds the script there, and never asks Plaid for it."""
    node()
    esbuild = [
        NODE_MODULES / ".bin" / "esbuild",
        PAGES / "plaid.jsx",
        "--bundle",
        "--log-level=error",
    ]
    env = '--define:process.env.NODE_ENV="production"'
    subprocess.run([*esbuild, env, f"--outfile={tmp_path}/plaid.js"], cwd=PAGES, check=True)
    tags = "\n".join(recipe("react-plaid-link", one.url)["lines"])
    (tmp_path / "plaid.html").write_text(
        HTML.format(name="plaid").replace("</head>", f"{tags}</head>")
    )
    away: list[str] = []
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as shop,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        page = browser.new_page()
        page.route(
            lambda url: not url.startswith("http://127.0.0.1:"),
            lambda route: (away.append(route.request.url), route.abort()),
        )
        integrator = Integrator(one, f"http://127.0.0.1:{shop.server_address[1]}", page)
        token = integrator.session("Plaid")["externalProviderSessionToken"]
        page.goto(f"{integrator.shop}/plaid.html?token={token}")
        page.click("#link:enabled")
        page.frame_locator("iframe[title='Plaid Link']").locator("button:visible").first.wait_for()
        assert page.evaluate("told") == []
        integrator.api.close()
        browser.close()
        shop.shutdown()
    assert away == []


def test_env_lists_and_refuses():
    def run(*options: str):
        return subprocess.run(
            [*TALLYSTICK, "env", *options],
            env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert [line.split()[0] for line in run().stdout.splitlines()] == list(RECIPES)
    unknown = run("--sdk", "cobol")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert all(name in unknown.stderr for name in RECIPES)
    assert run("--sdk", "dwolla", "--url", "nonsense").returncode == 2
    assert "http://localhost:7420/token" in run("--sdk", "kotlin").stdout


@pytest.mark.parametrize("sdk", RECIPES)
def test_every_recipe_is_whole_and_documented(sdk):
    made = RECIPES[sdk].render("http://gateway.test")
    text = "\n".join(made["lines"])
    assert "http://gateway.test" in text
    assert "{url}" not in text
    assert not any(host in text for host in ("api.dwolla.com", "api-sandbox.dwolla.com"))
    page = (ROOT / "docs" / "existing-code.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| `{sdk}` |"))
    assert made["version"] in row
    assert ("not verified" in row) == (made["checked"] != "run")
