"""`tallystick exec`: the positive control, that every other host is refused."""

from __future__ import annotations

import sys

import pytest

from .executing import execute, python
from .requirements import node

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
