"""How each SDK is told where its service is, from its own source.

`checked` says how we know: `run`, tests of this repository run those lines; `read`, we read the
SDK's source (version named) and did not run it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

HASH, SLASHES, MARKUP = ("# ", ""), ("// ", ""), ("<!-- ", " -->")


@dataclass(frozen=True)
class Recipe:
    """One SDK. In `code`, `{url}` is the gateway, without a slash at its end."""

    sdk: str
    package: str
    language: str
    version: str
    checked: Literal["run", "read"]
    note: str
    code: str
    comment: tuple[str, str] = SLASHES

    def render(self, url: str) -> dict[str, Any]:
        lines = self.code.replace("{url}", url).strip("\n").splitlines()
        return {
            "sdk": self.sdk,
            "package": self.package,
            "language": self.language,
            "version": self.version,
            "checked": self.checked,
            "note": self.note,
            "url": url,
            "lines": lines,
        }


_ALL = (
    Recipe(
        "dwollav2",
        "PyPI dwollav2",
        "Python",
        "2.3.0",
        "run",
        "Before the first client is made: it puts its own host in front of any path.",
        """
import dwollav2

dwollav2.Client.ENVIRONMENTS["sandbox"] = {
    "auth_url": "{url}/auth",
    "token_url": "{url}/token",
    "api_url": "{url}",
}
client = dwollav2.Client(key="sandbox-key", secret="sandbox-secret", environment="sandbox")
""",
        HASH,
    ),
    Recipe(
        "dwolla-v2",
        "npm dwolla-v2",
        "JavaScript",
        "3.4.2",
        "run",
        "Before the first call.",
        """
const { Client } = require("dwolla-v2");
const dwolla = new Client({ key: "sandbox-key", secret: "sandbox-secret", environment: "sandbox" });
dwolla.apiUrl = "{url}";
dwolla.tokenUrl = "{url}/token";
dwolla.authUrl = "{url}/auth";
""",
    ),
    Recipe(
        "dwolla",
        "npm dwolla",
        "TypeScript",
        "1.1.1",
        "run",
        "Leave `server` out: serverURL takes its place.",
        """
import { Dwolla } from "dwolla";
const dwolla = new Dwolla({
  serverURL: "{url}",
  security: { clientID: "sandbox-key", clientSecret: "sandbox-secret" },
});
""",
    ),
    Recipe(
        "dwolla_v2",
        "gem dwolla_v2",
        "Ruby",
        "4.0.0",
        "read",
        "Before the first client is made.",
        """
require "dwolla_v2"

DwollaV2::Client::ENVIRONMENTS[:sandbox] = {
  auth_url: "{url}/auth",
  token_url: "{url}/token",
  api_url: "{url}"
}
dwolla = DwollaV2::Client.new(key: "sandbox-key", secret: "sandbox-secret", environment: :sandbox)
""",
        HASH,
    ),
    Recipe(
        "dwollaswagger",
        "Composer dwolla/dwollaswagger",
        "PHP",
        "1.9.1",
        "read",
        "The base URL is an argument.",
        """
DwollaSwagger\\Configuration::$username = "sandbox-key";
DwollaSwagger\\Configuration::$password = "sandbox-secret";
$apiClient = new DwollaSwagger\\ApiClient("{url}");
$token = (new DwollaSwagger\\TokensApi($apiClient))->token();
DwollaSwagger\\Configuration::$access_token = $token->access_token;
""",
    ),
    Recipe(
        "dwolla-php",
        "Composer dwolla/dwolla-php",
        "PHP",
        "its main branch",
        "read",
        "Leave setServer out: setServerUrl takes its place.",
        """
$sdk = Dwolla\\Dwolla::builder()
    ->setServerUrl("{url}")
    ->setSecurity(new Dwolla\\Models\\Components\\Security(
        clientID: "sandbox-key",
        clientSecret: "sandbox-secret",
    ))
    ->build();
""",
    ),
    Recipe(
        "kotlin",
        "com.github.Dwolla:dwolla-v2-kotlin",
        "Kotlin",
        "0.7.1",
        "read",
        "The same address in all three, and in links: it refuses others.",
        """
import com.dwolla.Dwolla
import com.dwolla.Environment

object Tallystick : Environment {
    override fun apiBaseUrl() = "{url}"
    override fun tokenUrl() = "{url}/token"
    override fun authBaseUrl() = "{url}/auth"
}
val dwolla = Dwolla("sandbox-key", "sandbox-secret", Tallystick)
""",
    ),
    Recipe(
        "csharp",
        "NuGet Dwolla.Client",
        "C#",
        "6.0.1",
        "read",
        "ApiBaseAddress cannot be set, but every call takes its whole address.",
        """
var client = DwollaClient.Create(isSandbox: true);
var gateway = "{url}"; // wherever your code says client.ApiBaseAddress
var token = await client.PostAuthAsync<TokenResponse>(
    new Uri($"{gateway}/token"),
    new AppTokenRequest { Key = "sandbox-key", Secret = "sandbox-secret" });
""",
    ),
    Recipe(
        "plaid-python",
        "PyPI plaid-python",
        "Python",
        "46.0.0",
        "run",
        "Any client id and secret of your settings; in sandbox both are `sandbox`.",
        """
import plaid
from plaid.api import plaid_api

configuration = plaid.Configuration(
    host="{url}/_partners/plaid",
    api_key={"clientId": "sandbox", "secret": "sandbox"},
)
client = plaid_api.PlaidApi(plaid.ApiClient(configuration))
""",
        HASH,
    ),
    Recipe(
        "plaid-node",
        "npm plaid",
        "JavaScript",
        "26.0.0",
        "read",
        "Any client id and secret of your settings; in sandbox both are `sandbox`.",
        """
const { Configuration, PlaidApi } = require("plaid");
const plaid = new PlaidApi(new Configuration({
  basePath: "{url}/_partners/plaid",
  baseOptions: { headers: { "PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox" } },
}));
""",
    ),
    Recipe(
        "react-plaid-link",
        "npm react-plaid-link",
        "HTML",
        "5.0.0",
        "run",
        "In the page, above the bundle. The second tag is never loaded: the hook finds it and "
        "takes Plaid's script for loaded.",
        """
<script src="{url}/_partners/plaid/link/v2/stable/link-initialize.js"></script>
<script type="text/plain" src="https://cdn.plaid.com/link/v2/stable/link-initialize.js"></script>
""",
        MARKUP,
    ),
    Recipe(
        "mx-platform-python",
        "PyPI mx-platform-python",
        "Python",
        "1.12.0",
        "run",
        "Client id and API key of your settings; in sandbox both are `sandbox`.",
        """
import mx_platform_python

configuration = mx_platform_python.Configuration(
    host="{url}/_partners/mx", username="sandbox", password="sandbox"
)
client = mx_platform_python.ApiClient(configuration)
""",
        HASH,
    ),
    Recipe(
        "mx-web-widget-sdk",
        "npm @mxenabled/web-widget-sdk",
        "JavaScript",
        "0.0.15",
        "run",
        "Nothing to change: the address in the exchange session leads here.",
        """
import { ConnectWidget } from "@mxenabled/web-widget-sdk";
new ConnectWidget({
  container: "#widget",
  url: session._links["external-provider-session"].href, // under {url}/_partners/mx/
});
""",
    ),
)
RECIPES = {recipe.sdk: recipe for recipe in _ALL}
