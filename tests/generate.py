"""The generated pages of the documentation: `make docs` writes them, a test fails when stale."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from tallystick import errors
from tallystick.api import routes
from tallystick.partners import registry
from tallystick.partners.contract import CAPABILITIES
from tallystick.server import openapi

from . import generate_sdk
from .operations import OPERATIONS

ROOT = Path(__file__).parents[1]

# What an operation lacks. An operation that is served and not named here is full: its answers are
# held against Dwolla's document in every test, its errors are in tests/test_documented_errors.py.
PARTIAL = {
    "createCustomer": "verification is simulated by first name; `ipAddress` is read and dropped",
    "getCustomer": "document and certification links appear only for the states we simulate",
    "update": "edits, upgrades, retries and statuses; no documents or owners behind them",
    "createCustomerFundingSource": "from an exchange of a bank account or a debit card, and from bank numbers; not yet virtual accounts, `plaidToken`, on-demand authorizations",
    "createFundingSource": "from an exchange and from bank numbers",
    "getFundingSource": "micro-deposit links lead nowhere yet",
    "getFundingSourceBalance": "of bank accounts through an exchange; a settlement account holds 0.00, as no money moves here; no Dwolla balance",
    "listEvents": "events of the resources served; kept for ever",
    "simulateBankTransferProcessing": "verification directives of business customers; no bank transfers and no micro-deposits are here to be processed, so `total` is 0, and transfers to virtual account numbers are 400",
    "getRoot": "links to what is served",
}

READINGS = """
## Where Dwolla's documents differ, or say nothing

| question | what tallystick does |
| --- | --- |
| spelling of `NotFound`, `Forbidden`, `ValidationError` | each operation as Dwolla's specification has it; `codes = pascal` spells all as the prose does |
| text of an exchange session's validation error | at the top, as the specification has it, and embedded with its pointer, as the prose has it |
| `InvalidExchangeToken` | known but stale: 400 `Exchange token is expired.`; unknown, used or without our product: 401 for a customer, 400 for the account |
| a proof that another request is redeeming at this moment | 409 `Conflict` |
| the same `Idempotency-Key` with another body | 409 `Conflict`, nothing is executed |
| an answer of 4xx | is not kept; the same key may be used again |
| a partner that gives no usable answer | 500 `RequestTimeout`; one that refuses us: 500 `ServerError`; both with an embedded entry that names the partner and its code |
| `POST /exchanges` | 201 with the body `{}`, because npm `dwolla` parses it |
| `cardDetails` of an exchange session | names of 2 to 35 characters, not of digits alone, which are Checkout.com's limits; 400 with another partner; with `accountNameInquiry` false nobody is asked |
| `cardDetails.accountNameInquiry` of an exchange | in lists as well; absent where nobody was asked or Checkout.com gave no answer that we know |
| `self` of a customer's exchanges | the customer's own path |
| unsupported `Content-Type`, compressed bodies | 415 `UnsupportedMediaType` |
| a body over 64 KiB, or one that does not arrive in 15 s | 413 `PayloadTooLarge`, 408 `RequestTimeout` |
| what is not HTTP, a head of more than 64 KiB | 400 `BadRequest`, and the connection is closed |
| duplicate members, control characters, lone surrogates, NaN, depth over 16 | 400 `BadRequest` |
| ids | version 7 UUIDs; read without regard to case |
| links in bodies | our own base or an alias host, then the exact path; nothing else |
| a session whose token has expired | is still shown; a day later without what the partner gave for it, which is then destroyed |
| a partner that does not answer five times in a row | is left alone for ten seconds; calls meanwhile get the same 500 `RequestTimeout` |
| when an exchange is deactivated or removed | [how an exchange lives](exchange-life.md) |
| a customer's cards | ten; debit cards of the US |
| a redirect URL | one that the application registered, byte for byte; an application without any may use any in sandbox |
| available connection tokens | sealed by us, bound to application, customer and partner, 30 minutes, one use |
| `bankName` of bare numbers | `SANDBOX TEST BANK` |
| a webhook subscription or webhook that is absent | `NotFound` with the general text, as the specification has it |
| an update of a subscription without a boolean `paused` | 400 `BadRequest` |
| retry times of a webhook | 15 m, 1 h, 3 h, 6 h, 12 h, 24 h, 48 h and 72 h after its first attempt |
| pausing a subscription | ends what was scheduled; what is recorded meanwhile has no attempts and is sent only when a retry is asked for, which works while paused as well |
| automatic pause | 400 failures in a row and 24 hours since the last success, or since the subscription was made |
| a retry that was asked for | one attempt at once; it changes no schedule unless it succeeds, which ends it |
| a deleted subscription | its webhooks are still shown; a retry of one is 404 |
| `startDate`, `endDate` | whole days in UTC, both included; nonsense does not narrow |
| `_embedded.errors` of a customer after a verification directive | one entry with `code` and a `message` of ours, while the customer is in `retry` or `document` |
| a verification directive for a customer that cannot have one | 400 `BadRequest` |
| `POST /sandbox-simulations` in live mode | 404 `NotFound` |
| the sandbox's values for amounts, and names of funding sources | steer transfers and micro-deposits, of which there are none; first names of verified customers steer verification as documented |
| a receiver's 429 with `Retry-After`, 410, 301 | failures like any other: the schedule does not change |
| a webhook's secret that is being replaced | `X-Request-Signature-SHA-256` is the new one's; `webhook-signature` has both |
| attempts of a webhook | kept for ever; their headers and bodies are forgotten after 30 days |
| the time in `webhook-timestamp` | the gateway's clock, in sandbox the virtual one |

Declared by Dwolla's specification without a cause that we know: `createCustomer` 404, `listEvents` 404, `listAccountExchanges` 404, `listWebhookSubscriptions` 404, `createWebhookSubscription` 404 and 429.

Tested clients: PyPI `dwollav2` 2.3.0, npm `dwolla-v2` 3.4.2, npm `dwolla` 1.1.1, PyPI `plaid-python` 46.0.0, PyPI `mx-platform-python` 1.12.0, PyPI `checkout-sdk` 4.8.1, PyPI `standardwebhooks` 1.1.0, npm `react-plaid-link` 5.0.0, npm `@mxenabled/web-widget-sdk` 0.0.15.
"""


def compatibility() -> str:
    served = {route.operation for route in routes()} | {"createApplicationAccessToken"}
    rows = []
    counts = {"full": 0, "partial": 0, "not yet": 0}
    for operation, method, path in OPERATIONS:
        status = (
            "not yet" if operation not in served else "partial" if operation in PARTIAL else "full"
        )
        counts[status] += 1
        note = PARTIAL.get(operation, "")
        rows.append(f"| `{method} {path}` | {operation} | {status} | {note} |")
    assert served <= {operation for operation, _, _ in OPERATIONS}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    return "\n".join(
        [
            "# Compatibility",
            "",
            "<!-- generated by `make docs` -->",
            "",
            f"Dwolla's API has {len(OPERATIONS)} operations: {summary}. The whole of linking a bank account is served; moving money is not what tallystick does.",
            "",
            "| operation | operationId | status | what is missing, or how far it goes |",
            "| --- | --- | --- | --- |",
            *rows,
            READINGS.rstrip(),
            "",
        ]
    )


def capabilities() -> str:
    manifests = registry.manifests()
    head = " | ".join(manifest.name for manifest in manifests)
    rows = []
    for words, capability in CAPABILITIES.items():
        cells = []
        for manifest in manifests:
            connector = registry.load(manifest.connector)
            methods = [name for name in vars(capability) if not name.startswith("_")]
            cells.append("yes" if all(hasattr(connector, name) for name in methods) else "no")
        rows.append(f"| {words} | {' | '.join(cells)} |")
    proofs = " | ".join(
        ", ".join(f"`{kind.member}`" for kind in each.proofs if kind.posted) for each in manifests
    )
    pages = "\n".join(f"- [{each.name}]({each.key}.md)" for each in manifests)
    return "\n".join(
        [
            "# Partners",
            "",
            "<!-- generated by `make docs` from the connectors -->",
            "",
            f"| | {head} |",
            "| --- |" + " --- |" * len(manifests),
            *rows,
            f"| proofs accepted | {proofs} |",
            "",
            pages,
            "",
        ]
    )


def error_reference() -> str:
    found = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.ApiError) and each is not errors.ApiError
        and each is not errors.Unauthorized
    ]  # fmt: skip
    rows = [
        f"| {each.status} | `{each.code}` | {each.default or 'varies'} |"
        for each in sorted(found, key=lambda each: (each.status, each.code))
    ]
    return "\n".join(
        [
            "# Errors",
            "",
            "<!-- generated by `make docs` from errors.py -->",
            "",
            "Every error has `code` and `message`; a `ValidationError` lists all its problems in `_embedded.errors`, each with a JSON pointer. Some operations spell a code with a small first letter ([compatibility](../compatibility.md)), and many have texts of their own.",
            "",
            "| HTTP | code | message unless the operation has its own |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def pages() -> dict[str, str]:
    """Path below the repository → what must stand there."""
    importlib.invalidate_caches()
    return {
        "docs/compatibility.md": compatibility(),
        "docs/partners/index.md": capabilities(),
        "docs/reference/errors.md": error_reference(),
        "docs/reference/sdk.md": generate_sdk.reference(),
        "src/tallystick/sdk/raw.py": generate_sdk.raw_types(),
        "docs/reference/openapi.json": json.dumps(openapi.document(), indent=1, ensure_ascii=False)
        + "\n",
    }


if __name__ == "__main__":
    for path, text in pages().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
        print(path)
