"""Faults on the way of webhooks to their receivers: what the delivery worker asks before it sends.

Of a webhook only the attempts of its schedule are concerned; a retry that somebody asked for is
sent as it is. Times are the sandbox's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tallystick.sandbox import faults
from tallystick.sandbox.faults import Call, Faults

# How long the first of two waits for one that overtakes it.
REORDER_MS = 5_000


class Webhook(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def app_id(self) -> str: ...
    @property
    def subscription_id(self) -> str: ...
    @property
    def topic(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Deed:
    """What becomes of an attempt; `delivery/chaos.py` says what each member means."""

    lost: bool = False
    put_off_ms: int = 0
    overtaken: bool = False
    copies: int = 1
    failure: Literal["BROKEN_OFF", "TIMED_OUT"] | None = None
    is_sent: bool = False


_DEEDS = {
    faults.LOST: Deed(lost=True),
    faults.DUPLICATE: Deed(copies=2),
    faults.RESET: Deed(failure="BROKEN_OFF"),
    faults.HANG: Deed(failure="TIMED_OUT"),
    faults.ANSWER_LOST: Deed(failure="BROKEN_OFF", is_sent=True),
}


class WebhookFaults:
    """Asks the rules about every scheduled attempt, but for one that a rule has put off."""

    def __init__(self, rules: Faults) -> None:
        self._rules = rules

    def __call__(self, webhook: Webhook) -> Deed | None:
        for waited in self._rules.in_force:
            if webhook.id in waited.put_off:  # what else the rule does is done now
                waited.put_off.remove(webhook.id)
                return _DEEDS.get(waited.effect or "")
        rule = self._rules.choose(
            Call(
                "POST", "/", webhook.app_id,
                topic=webhook.topic, subscription=webhook.subscription_id,
            )
        )  # fmt: skip
        if rule is None:
            return None
        reorder = rule.effect == faults.REORDER
        put_off_ms = rule.given.get("latency_ms", REORDER_MS if reorder else 0)
        if not put_off_ms:
            return _DEEDS[rule.effect or ""]
        rule.put_off.add(webhook.id)
        return Deed(put_off_ms=put_off_ms, overtaken=reorder)
