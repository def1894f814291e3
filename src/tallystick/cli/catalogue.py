"""The topics of events that exist, for options that take one."""

from __future__ import annotations

import difflib

from tallystick.errors import ConfigurationError

# Contract 6.6; a test holds it against what the gateway records.
TOPICS = (
    "customer_created",
    "customer_verified",
    "customer_suspended",
    "customer_activated",
    "customer_deactivated",
    "customer_reverification_needed",
    "customer_kba_verification_needed",
    "customer_verification_document_needed",
    "customer_exchange_reauth_required",
    "customer_funding_source_added",
    "customer_funding_source_removed",
    "customer_funding_source_verified",
    "customer_funding_source_unverified",
    "customer_funding_source_updated",
    "funding_source_added",
    "funding_source_removed",
    "funding_source_verified",
    "funding_source_unverified",
    "funding_source_updated",
    "account_suspended",
    "account_activated",
)


def topics_of(text: str | None) -> frozenset[str]:
    """The topics in a comma-separated option; all when it is left out.

    Raises ConfigurationError for one that does not exist, with what may have been meant.
    """
    if text is None:
        return frozenset(TOPICS)
    named = {each.strip() for each in text.split(",") if each.strip()}
    for each in sorted(named - set(TOPICS)):
        refuse(each)
    if not named:
        raise ConfigurationError(f"{text!r} names no topic: `tallystick trigger --list` names all")
    return frozenset(named)


def refuse(topic: str) -> None:
    """Raises ConfigurationError: there is no such topic."""
    close = difflib.get_close_matches(topic, TOPICS, 1)
    meant = f"did you mean {close[0]}?" if close else "`tallystick trigger --list` names all"
    raise ConfigurationError(f"there is no topic {topic!r}: {meant}")
