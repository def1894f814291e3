"""Every error that Plaid documents for our calls, and what it means to us."""

import pytest

from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.plaid.proof import PlaidPublicToken
from tallystick.partners.plaid.tests.plaid_calls import (
    CALLS,
    CHECKING,
    OF_ITEM,
    PUBLIC,
    REDEEMING,
    leaks,
)
from tallystick.partners.plaid.tests.plaid_stage import (
    Stage,
    check_error,
    refusal,
    transcript,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


ON_A_GRANT = [
    ("ITEM_LOGIN_REQUIRED", "ITEM_ERROR", 400, ConsentLost),
    ("ACCESS_NOT_GRANTED", "ITEM_ERROR", 400, ConsentLost),
    ("INSUFFICIENT_CREDENTIALS", "ITEM_ERROR", 400, ConsentLost),
    ("INVALID_CREDENTIALS", "ITEM_ERROR", 400, ConsentLost),
    ("INVALID_MFA", "ITEM_ERROR", 400, ConsentLost),
    ("ITEM_LOCKED", "ITEM_ERROR", 400, ConsentLost),
    ("PASSWORD_RESET_REQUIRED", "ITEM_ERROR", 400, ConsentLost),
    ("USER_INPUT_TIMEOUT", "ITEM_ERROR", 400, ConsentLost),
    ("USER_SETUP_REQUIRED", "ITEM_ERROR", 400, ConsentLost),
    ("ADDITIONAL_CONSENT_REQUIRED", "INVALID_INPUT", 400, ConsentLost),
    ("INVALID_ACCOUNT_ID", "INVALID_INPUT", 400, ConsentLost),
    ("ITEM_NOT_FOUND", "ITEM_ERROR", 400, GrantRevoked),
    ("ITEM_CONCURRENTLY_DELETED", "ITEM_ERROR", 400, GrantRevoked),
    ("INVALID_ACCESS_TOKEN", "INVALID_INPUT", 400, GrantRevoked),
    ("INVALID_PROCESSOR_TOKEN", "INVALID_INPUT", 400, GrantRevoked),
    ("USER_PERMISSION_REVOKED", "INVALID_INPUT", 400, GrantRevoked),
    ("USER_PERMISSION_REVOKED", "ITEM_ERROR", 400, GrantRevoked),
    ("INVALID_PRODUCT", "INVALID_INPUT", 400, PartnerRefused),
    ("PRODUCTS_NOT_SUPPORTED", "ITEM_ERROR", 400, PartnerRefused),
    ("PRODUCT_NOT_ENABLED", "ITEM_ERROR", 400, PartnerRefused),
    ("ITEM_NOT_SUPPORTED", "ITEM_ERROR", 400, PartnerRefused),
]
ON_A_PROOF = [
    ("INVALID_PUBLIC_TOKEN", "INVALID_INPUT", 400, ProofRejected),
    ("INVALID_PROCESSOR_TOKEN", "INVALID_INPUT", 400, ProofRejected),
    ("INVALID_PRODUCT", "INVALID_INPUT", 400, ProofRejected),
    ("ITEM_NOT_FOUND", "ITEM_ERROR", 400, ProofRejected),
    ("USER_PERMISSION_REVOKED", "INVALID_INPUT", 400, ProofRejected),
    ("NO_AUTH_ACCOUNTS", "ITEM_ERROR", 400, ProofRejected),
    ("PRODUCTS_NOT_SUPPORTED", "ITEM_ERROR", 400, ProofRejected),
    ("ITEM_LOGIN_REQUIRED", "ITEM_ERROR", 400, ConsentLost),
]
ON_EITHER = [
    ("INVALID_API_KEYS", "INVALID_INPUT", 400, PartnerRefused),
    ("UNAUTHORIZED_ENVIRONMENT", "INVALID_INPUT", 400, PartnerRefused),
    ("UNAUTHORIZED_ROUTE_ACCESS", "INVALID_INPUT", 400, PartnerRefused),
    ("INVALID_LINK_CUSTOMIZATION", "INVALID_INPUT", 400, PartnerRefused),
    ("INVALID_INSTITUTION", "INVALID_INPUT", 400, PartnerRefused),
    ("INVALID_FIELD", "INVALID_REQUEST", 400, PartnerRefused),
    ("MISSING_FIELDS", "INVALID_REQUEST", 400, PartnerRefused),
    ("UNKNOWN_FIELDS", "INVALID_REQUEST", 400, PartnerRefused),
    ("INVALID_CONFIGURATION", "INVALID_REQUEST", 400, PartnerRefused),
    ("INCOMPATIBLE_API_VERSION", "INVALID_REQUEST", 400, PartnerRefused),
    ("INVALID_BODY", "INVALID_REQUEST", 400, PartnerRefused),
    ("INVALID_HEADERS", "INVALID_REQUEST", 400, PartnerRefused),
    ("NOT_FOUND", "INVALID_REQUEST", 404, PartnerRefused),
    ("NO_LONGER_AVAILABLE", "INVALID_REQUEST", 404, PartnerRefused),
    ("SANDBOX_ONLY", "INVALID_REQUEST", 400, PartnerRefused),
    ("MFA_NOT_SUPPORTED", "ITEM_ERROR", 400, PartnerRefused),
    ("INSTITUTION_NO_LONGER_SUPPORTED", "INSTITUTION_ERROR", 400, PartnerRefused),
    ("INSTITUTION_REGISTRATION_REQUIRED", "INSTITUTION_ERROR", 400, PartnerRefused),
    ("INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT", "INSTITUTION_ERROR", 400, PartnerRefused),
    ("UNAUTHORIZED_INSTITUTION", "INSTITUTION_ERROR", 400, PartnerRefused),
    ("CREDITS_EXHAUSTED", "RATE_LIMIT_EXCEEDED", 429, PartnerRefused),
    ("SOMETHING_NEW", "SOME_NEW_ERROR", 400, PartnerRefused),
    ("INSTITUTION_DOWN", "INSTITUTION_ERROR", 400, PartnerUnavailable),
    ("INSTITUTION_NOT_RESPONDING", "INSTITUTION_ERROR", 400, PartnerUnavailable),
    ("INSTITUTION_NOT_AVAILABLE", "INSTITUTION_ERROR", 400, PartnerUnavailable),
    ("UNSUPPORTED_RESPONSE", "INSTITUTION_ERROR", 400, PartnerUnavailable),
    ("INTERNAL_SERVER_ERROR", "API_ERROR", 500, PartnerUnavailable),
    ("plaid-internal-error", "API_ERROR", 500, PartnerUnavailable),
    ("PLANNED_MAINTENANCE", "API_ERROR", 503, PartnerUnavailable),
    ("LAST_UPDATED_DATETIME_OUT_OF_RANGE", "INVALID_RESULT", 400, PartnerUnavailable),
    ("ITEM_NOT_FOUND", "ITEM_ERROR", 500, PartnerUnavailable),
    ("SOMETHING_NEW", "SOME_NEW_ERROR", 502, PartnerUnavailable),
]
NOT_STARTED = [
    ("PRODUCT_NOT_READY", "ITEM_ERROR", 400),
    ("ACCOUNTS_LIMIT", "RATE_LIMIT_EXCEEDED", 429),
    ("ACCOUNTS_BALANCE_GET_LIMIT", "RATE_LIMIT_EXCEEDED", 429),
    ("AUTH_LIMIT", "RATE_LIMIT_EXCEEDED", 429),
    ("BALANCE_LIMIT", "RATE_LIMIT_EXCEEDED", 429),
    ("RATE_LIMIT", "RATE_LIMIT_EXCEEDED", 429),
    ("INSTITUTION_RATE_LIMIT", "RATE_LIMIT_EXCEEDED", 429),
]


async def refused(name, code, kind, status, message=None):
    body = refusal(code, kind, message)
    stage = Stage().say(transcript(CALLS[name][1][0])["request"]["path"], body, status)
    with pytest.raises(PartnerError) as caught:
        await CALLS[name][0](stage.partner)
    assert len(stage.requests) == 1
    assert (caught.value.code, caught.value.request_id) == (code, body["request_id"])
    assert leaks(caught.value) == []
    return caught.value


def plainly(error: PartnerError) -> type[PartnerError]:
    """What the services see: Plaid's own kinds of PartnerUnavailable are that to them."""
    return PartnerUnavailable if isinstance(error, PartnerUnavailable) else type(error)


@pytest.mark.parametrize(("code", "kind", "status", "meaning"), ON_A_GRANT + ON_EITHER)
async def test_a_refusal_on_a_grant(code, kind, status, meaning):
    error = await refused("balance", code, kind, status, "why")
    assert plainly(error) is meaning
    assert getattr(error, "acted", None) is None


@pytest.mark.parametrize(("code", "kind", "status", "meaning"), ON_A_PROOF + ON_EITHER)
@pytest.mark.parametrize("name", sorted(REDEEMING))
async def test_a_refusal_of_a_proof(name, code, kind, status, meaning):
    error = await refused(name, code, kind, status, "why")
    assert plainly(error) is meaning
    # A processor token is only looked at.
    assert getattr(error, "acted", None) in (None, False if name == "accept" else None)


@pytest.mark.parametrize(("code", "kind", "status"), NOT_STARTED)
@pytest.mark.parametrize("name", ["balance", "exchange"])
async def test_a_refusal_before_anything_happened_says_so(name, code, kind, status):
    error = await refused(name, code, kind, status)
    assert isinstance(error, PartnerUnavailable)
    assert error.acted is False


def test_the_refusals_above_have_the_form_that_plaid_documents():
    told = [(code, kind) for code, kind, *_ in ON_A_GRANT + ON_A_PROOF + ON_EITHER + NOT_STARTED]
    for code, kind in told:
        if kind != "SOME_NEW_ERROR":
            check_error(refusal(code, kind, "why"))


async def test_an_expired_public_token_is_known_by_its_message_only():
    error = await refused(
        "exchange", "INVALID_PUBLIC_TOKEN", "INVALID_INPUT", 400, "provided public token is expired"
    )
    assert type(error) is ProofExpired
    plain = Stage().play("invalid-public-token")
    with pytest.raises(ProofRejected) as caught:
        await plain.partner.redeem(PlaidPublicToken(PUBLIC))
    assert type(caught.value) is ProofRejected


async def test_the_documented_login_required():
    with pytest.raises(ConsentLost):
        await Stage().play("item-login-required").partner.read_balance(OF_ITEM, CHECKING)
