"""Every call that the gateway makes at Plaid, with its transcripts, and what must stay secret."""

import traceback
from dataclasses import replace

from tallystick.partners.contract import SessionRequest
from tallystick.partners.errors import PartnerError
from tallystick.partners.plaid import messages as plaid
from tallystick.partners.plaid.proof import PlaidProcessorToken, PlaidPublicToken
from tallystick.partners.plaid.tests.plaid_stage import CLIENT_SECRET, answer_of, request_of

ACCESS = answer_of("item-public-token-exchange")["access_token"]
ITEM = answer_of("item-public-token-exchange")["item_id"]
PUBLIC = request_of("item-public-token-exchange")["public_token"]
PROCESSOR = request_of("processor-auth-get")["processor_token"]
CHECKING = answer_of("auth-get")["accounts"][0]["account_id"]
NUMBER = answer_of("auth-get")["numbers"]["ach"][0]["account"]
LINK = answer_of("link-token-create")["link_token"]
SECRETS = (CLIENT_SECRET, ACCESS, PUBLIC, PROCESSOR, NUMBER, LINK)

OF_ITEM = plaid.item_grant(plaid.PublicTokenExchanged(ACCESS, ITEM))
OF_PROCESSOR = plaid.processor_grant(PROCESSOR, CHECKING)
PERSON = SessionRequest("person-7f1c", notify_url="https://gateway.example/partners/plaid/webhooks")

# name of the call → (what is called, the transcripts it plays, the decisive one first)
CALLS = {
    "start": (lambda p: p.start_session(PERSON), ["link-token-create"]),
    "reauth": (
        lambda p: p.start_reauth(replace(PERSON, grant=OF_ITEM)),
        ["link-token-create-update"],
    ),
    "exchange": (lambda p: p.redeem(PlaidPublicToken(PUBLIC)), ["item-public-token-exchange"]),
    "accept": (lambda p: p.redeem(PlaidProcessorToken(PROCESSOR)), ["processor-auth-get"]),
    "accounts": (lambda p: p.list_accounts(OF_ITEM), ["auth-get"]),
    "processor accounts": (
        lambda p: p.list_accounts(OF_PROCESSOR),
        ["processor-auth-get", "processor-account-get", "institutions-get-by-id"],
    ),
    "balance": (lambda p: p.read_balance(OF_ITEM, CHECKING), ["accounts-balance-get"]),
    "processor balance": (
        lambda p: p.read_balance(OF_PROCESSOR, CHECKING),
        ["processor-balance-get"],
    ),
    "revoke": (lambda p: p.revoke(OF_ITEM), ["item-remove"]),
}
REDEEMING = {"exchange", "accept"}


def leaks(error):
    """The secrets that an error would show in a log or a traceback."""
    if error is None:
        return []
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    return [secret for secret in SECRETS if secret in told]


async def failure(call):
    """The PartnerError that the call ends in, or None. Any other error is a fault."""
    try:
        await call
    except PartnerError as error:
        return error
    return None
