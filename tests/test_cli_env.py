"""`tallystick env`: each recipe runs, and is documented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer

import pytest

from tallystick.cli.recipes import RECIPES

from .browser import launched, visit
from .executing import MX_CALL, PLAID_CALL, TALLYSTICK, environment
from .requirements import NODE_MODULES, ROOT, node
from .test_browser_journeys import HTML, PAGES, Integrator, Quiet


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
        launched() as browser,
        visit(browser) as page,
    ):
        threading.Thread(target=shop.serve_forever, daemon=True).start()
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
