"""The fields of each request, and the words that some of them take.

Names, types and required members are those of Plaid's OpenAPI document (2020-09-14); a test
compares the two. `*` marks a required field. `client_id` and `secret` belong to every request.
"""

from __future__ import annotations

_ACCESS = {"access_token": "string*"}
_ACCESS_OPTIONS = {**_ACCESS, "options": "object"}
_PROCESSOR = {"processor_token": "string*"}

_LINK_TOKEN = {
    "string": (
        "user_id webhook access_token link_customization_name appearance_mode redirect_uri "
        "android_package_name institution_id consumer_report_permissible_purpose "
        "third_party_user_token user_token"
    ),
    "array": (
        "products required_if_supported_products optional_products "
        "additional_consented_products access_tokens"
    ),
    "boolean": "cra_enabled financekit_supported enable_multi_item_link",
    "object": (
        "user institution_data card_switch account_filters eu_config payment_configuration "
        "payment_initiation employment income_verification base_report credit_partner_insights "
        "cra_options auth transfer update identity_verification statements investments "
        "investments_auth hosted_link transactions cashflow_report identity"
    ),
}

FIELDS: dict[str, dict[str, str]] = {
    "/link/token/create": {
        "client_name": "string*",
        "language": "string*",
        "country_codes": "array*",
        **{name: kind for kind, names in _LINK_TOKEN.items() for name in names.split()},
    },
    "/link/token/get": {"link_token": "string*"},
    "/item/public_token/exchange": {"public_token": "string*"},
    "/item/public_token/create": _ACCESS,
    "/item/get": _ACCESS,
    "/item/remove": {**_ACCESS, "reason_code": "string", "reason_note": "string"},
    "/item/access_token/invalidate": _ACCESS,
    "/item/webhook/update": {**_ACCESS, "webhook": "string"},
    "/processor/token/create": {**_ACCESS, "account_id": "string*", "processor": "string*"},
    "/processor/auth/get": _PROCESSOR,
    "/processor/account/get": _PROCESSOR,
    "/processor/identity/get": _PROCESSOR,
    "/processor/balance/get": {**_PROCESSOR, "options": "object"},
    "/auth/get": _ACCESS_OPTIONS,
    "/accounts/get": _ACCESS_OPTIONS,
    "/accounts/balance/get": _ACCESS_OPTIONS,
    "/identity/get": _ACCESS_OPTIONS,
    "/institutions/get": {
        "count": "integer*",
        "offset": "integer*",
        "country_codes": "array*",
        "options": "object",
    },
    "/institutions/search": {
        "query": "string*",
        "products": "array",
        "country_codes": "array*",
        "options": "object",
    },
    "/institutions/get_by_id": {
        "institution_id": "string*",
        "country_codes": "array*",
        "options": "object",
    },
    "/sandbox/public_token/create": {
        "institution_id": "string*",
        "initial_products": "array*",
        "options": "object",
        "user_token": "string",
        "user_id": "string",
    },
    "/sandbox/processor_token/create": {"institution_id": "string*", "options": "object"},
    "/sandbox/item/reset_login": _ACCESS,
    "/sandbox/item/fire_webhook": {
        **_ACCESS,
        "webhook_type": "string",
        "webhook_code": "string*",
    },
    "/webhook_verification_key/get": {"key_id": "string*"},
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PRODUCTS = _words(
    "assets auth balance balance_plus beacon identity identity_match investments investments_auth "
    "liabilities payment_initiation identity_verification transactions credit_details income "
    "income_verification standing_orders transfer employment recurring_transactions "
    "transactions_refresh signal statements processor_payments processor_identity profile "
    "cra_base_report cra_income_insights cra_partner_insights cra_network_insights "
    "cra_cashflow_insights cra_monitoring cra_lend_score cra_plaid_credit_score layer pay_by_bank "
    "protect_linked_bank protect_transactions"
)
COUNTRIES = _words("US GB ES NL FR IE CA DE IT PL DK NO SE EE LT LV PT BE AT FI")
LANGUAGES = _words("da nl en et fr de hi it lv lt no pl pt ro es sv vi")
PROCESSORS = _words(
    "dwolla galileo modern_treasury ocrolus vesta drivewealth vopay achq check checkbook circle "
    "sila_money rize svb_api unit wyre lithic alpaca astra moov treasury_prime marqeta checkout "
    "solid highnote gemini apex_clearing gusto adyen atomic i2c wepay riskified utb adp_roll "
    "fortress_trust bond bakkt teal zero_hash taba_pay knot sardine alloy finix nuvei layer "
    "boom paynote stake wedbush esusu ansa scribeup straddle loanpro bloom_credit sfox brale "
    "parafin cardless open_ledger valon gainbridge cardlytics pinwheel thread_bank array fiant "
    "oatfi curinos frame interchecks interchange atomicfi"
)
