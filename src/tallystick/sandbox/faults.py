"""Fault rules: which calls go wrong, when, and how. Deterministic: a seed draws the probability.

A rule is about calls of the API, or, with `partner`, about the gateway's calls to that partner's
simulator, or, with `topic`, about webhooks. Nothing is done here: `around.py`, `partner_faults.py`
and `webhook_faults.py` ask `choose` about every call and carry out what it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick import errors
from tallystick.errors import ApiError
from tallystick.ids import as_uuid
from tallystick.sandbox.reading import Json, Members, Refused

RULES_MAX = 100
LATENCY_MS_MAX = 600_000
COUNT_MAX = 1_000_000_000
BYTE_MS = 100
# A call that hangs is let go after this long, with its connection broken off.
HANG_S = 120.0

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

STATUS, RESET, HANG, ANSWER_LOST = "status", "reset", "hang", "answer_lost"
SLOW_BODY, WRONG_JSON, HUGE_BODY = "slow_body", "wrong_json", "huge_body"
LOST, DUPLICATE, REORDER = "lost", "duplicate", "reorder"
_PARTNER_ONLY = (SLOW_BODY, WRONG_JSON, HUGE_BODY)
_WEBHOOK_ONLY = (LOST, DUPLICATE, REORDER)
EFFECTS = (RESET, HANG, ANSWER_LOST, *_PARTNER_ONLY, *_WEBHOOK_ONLY)

_MEMBERS = (
    "method", "path", "application", "partner", "topic", "subscription", "nth", "probability",
    "seed", "count", "latency_ms", "effect", "status", "code", "message", "body", "byte_ms",
)  # fmt: skip
# What tells that a rule is about webhooks, and what such a rule cannot have.
_OF_WEBHOOKS = ("topic", "subscription")
_OF_CALLS = ("method", "path", "partner", "status", "code", "message", "body", "byte_ms")


def _contract_errors() -> Mapping[str, Mapping[int, type[ApiError]]]:
    """Errors by code and status, as `errors.py` has them; first the one called like its code."""
    found: dict[str, dict[int, type[ApiError]]] = {}
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    for kind in sorted(kinds, key=lambda kind: kind.__name__ != getattr(kind, "code", None)):
        if issubclass(kind, ApiError) and kind not in {ApiError, errors.Unauthorized}:
            found.setdefault(kind.code, {}).setdefault(kind.status, kind)
    return found


ERRORS = _contract_errors()

# What a bare status means; a status that is not here is no status of the contract.
_USUAL: Mapping[int, type[ApiError]] = {
    each.status: each
    for each in (
        errors.BadRequest, errors.InvalidAccessToken, errors.Forbidden, errors.NotFound,
        errors.MethodNotAllowed, errors.InvalidVersion, errors.SlowRequest, errors.Conflict,
        errors.PayloadTooLarge, errors.UnsupportedMediaType, errors.TooManyRequests,
        errors.ServerError,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may go wrong. `path` is the simulator's own for a call to a partner.

    `topic` and `subscription` are a webhook's, and None of all other calls.
    """

    method: str
    path: str
    application: str | None = None
    partner: str | None = None
    topic: str | None = None
    subscription: str | None = None


@dataclass(eq=False)
class Rule:
    """A rule and how often it was asked. `given` is what it was made from, as it is shown.

    - `error`: what the API answers. `status` and `body`: what the partner answers.
    - `released`: set when the rule is removed, so that nothing hangs on a rule that is gone.
    - `put_off`: the ids of the webhooks that it lets wait.
    """

    id: str
    given: Json
    path: re.Pattern[str] | None
    topic: re.Pattern[str] | None
    effect: str | None
    error: ApiError | None
    draw: random.Random
    seen: int = 0
    fired: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    put_off: set[str] = field(default_factory=set)

    def shown(self) -> Json:
        return {"id": self.id, **self.given, "seen": self.seen, "fired": self.fired}

    async def delay(self) -> None:
        """The latency; over at once when the rule is removed."""
        if "latency_ms" in self.given:
            await self.wait(self.given["latency_ms"] / 1_000)

    def concerns(self, call: Call) -> bool:
        given = self.given
        return (
            given.get("partner") == call.partner
            and given.get("method", call.method) == call.method
            and given.get("application", call.application) == call.application
            and given.get("subscription", call.subscription) == call.subscription
            and (self.path is None or self.path.fullmatch(call.path) is not None)
            and _tells(self.topic, call.topic)
        )

    def fires(self) -> bool:
        """Counts a call that the rule concerns; True if this is one that goes wrong."""
        self.seen += 1
        given = self.given
        drawn = "probability" not in given or self.draw.random() < given["probability"]
        counted = "nth" not in given or self.seen == given["nth"]
        return drawn and counted and ("count" not in given or self.fired < given["count"])

    async def wait(self, seconds: float = HANG_S) -> None:
        """So long, or until the rule is removed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.released.wait()


class Faults:
    """The rules `in_force`, oldest first."""

    def __init__(self) -> None:
        self.in_force: list[Rule] = []
        self._made = 0

    def list_all(self) -> list[Json]:
        return [rule.shown() for rule in self.in_force]

    def add(
        self, body: Json, *, partners: Collection[str], applications: Mapping[str, str]
    ) -> Json:
        """Put a rule in force. Raises Refused.

        `partners` are the keys there are; `applications` maps what an application may be called
        by, its id or client id, to its id.
        """
        given, error = _read(body, partners, applications)
        if len(self.in_force) >= RULES_MAX:
            raise Refused(f"there are {RULES_MAX} rules already; remove some", status=409)
        self._made += 1
        rule = Rule(
            id=str(self._made),
            given=given,
            path=_pattern(given["path"]) if "path" in given else None,
            topic=re.compile(_segment(given["topic"])) if "topic" in given else None,
            effect=given.get("effect") or (STATUS if "status" in given else None),
            error=error,
            draw=random.Random(given.get("seed")),  # noqa: S311  # to be repeated, not secret
        )
        self.in_force.append(rule)
        return rule.shown()

    def remove(self, rule_id: str) -> Json:
        """Take a rule out of force. Raises Refused when there is none."""
        for rule in self.in_force:
            if rule.id == rule_id:
                self._drop([rule])
                return rule.shown()
        raise Refused(f"there is no fault {rule_id!r}", status=404)

    def clear(self) -> int:
        """Remove all rules, and let go what hangs on them; how many there were."""
        return self._drop(self.in_force)

    def forget(self, application: str) -> int:
        """The same for the rules of one application."""
        return self._drop(
            [rule for rule in self.in_force if rule.given.get("application") == application]
        )

    def _drop(self, gone: Sequence[Rule]) -> int:
        self.in_force = [rule for rule in self.in_force if rule not in gone]
        for rule in gone:
            rule.released.set()
        return len(gone)

    @property
    def by_application(self) -> bool:
        """True if it matters to a rule whose call it is."""
        return any("application" in rule.given for rule in self.in_force)

    def choose(self, call: Call) -> Rule | None:
        """The oldest rule that lets this call go wrong. Every rule it concerns counts the call."""
        firing = [rule for rule in self.in_force if rule.concerns(call) and rule.fires()]
        if not firing:
            return None
        firing[0].fired += 1
        return firing[0]


def _tells(pattern: re.Pattern[str] | None, topic: str | None) -> bool:
    """True of a webhook with such a topic, and of a call that is none when none is asked for."""
    if pattern is None or topic is None:
        return pattern is None and topic is None
    return pattern.fullmatch(topic) is not None


def _pattern(path: str) -> re.Pattern[str]:
    """`*` is anything within a segment; `**`, at the end, anything at all."""
    head = path.removesuffix("**")
    text = "/".join(_segment(each) for each in head.split("/"))
    return re.compile(text if head == path else f"{text}.*", re.DOTALL)


def _segment(glob: str) -> str:
    """Each part between stars is looked for once, so that no path can make the search long."""
    first, *rest = map(re.escape, re.split(r"\*+", glob))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{each})" for each in middle) + f"[^/]*{last}"


def _read(
    body: Json, partners: Collection[str], applications: Mapping[str, str]
) -> tuple[Json, ApiError | None]:
    """What the rule is shown as, and the API's error if it has one. Raises Refused."""
    members = Members(body, _MEMBERS)
    method = members.text("method")
    if method is not None and method.upper() not in METHODS:
        members.wrong(f"method is one of {', '.join(METHODS)}, not {method!r}")
    path = members.text("path")
    if path is not None and not path.startswith("/"):
        members.wrong("path starts with a slash: /customers/*/exchanges")
    if path is not None and "**" in path.removesuffix("/**"):
        members.wrong("** is the last segment of a path: /customers/**")
    application = members.text("application")
    if application is not None and application not in applications:
        members.wrong(f"there is no application {application!r}")
    given = {
        "method": method and method.upper(),
        "path": path,
        "application": application and applications.get(application),
        "partner": members.text("partner", one_of=partners),
        "nth": members.whole("nth", 1, COUNT_MAX),
        **_chance(members),
        "count": members.whole("count", 1, COUNT_MAX),
        "latency_ms": members.whole("latency_ms", 1, LATENCY_MS_MAX),
    }
    error = None
    if any(members.has(name) for name in _OF_WEBHOOKS):
        given |= _webhook_effect(members)
    elif members.has("partner"):
        given |= _partner_effect(members, body)
    else:
        effect, error = _api_effect(members)
        given |= effect
    if not any(members.has(name) for name in ("latency_ms", "effect", "status", "code")):
        members.wrong("say what happens: latency_ms, effect, status or code")
    if members.has("effect") and (members.has("status") or members.has("code")):
        members.wrong("a call has one end: either effect, or status and code")
    members.done()
    return {name: value for name, value in given.items() if value is not None}, error


def _chance(members: Members) -> Json:
    probability = members.number("probability", 0, 1)
    seed = members.whole("seed", 0, 2**63)
    if probability is None:
        if members.has("seed") and not members.has("probability"):
            members.wrong("seed is for probability, which is missing")
        return {}
    return {"probability": probability, "seed": seed or 0}


def _webhook_effect(members: Members) -> Json:
    for name in _OF_CALLS:
        if members.has(name):
            members.wrong(f"{name} is not for webhooks")
    subscription = members.text("subscription")
    if subscription is not None and as_uuid(subscription) is None:
        members.wrong("subscription is the id of a webhook subscription")
    effect = members.text("effect", one_of=EFFECTS)
    if effect in _PARTNER_ONLY:
        members.wrong(f"{effect} is for calls to a partner")
    return {
        "topic": members.text("topic") or "*",
        "subscription": subscription and subscription.lower(),
        "effect": effect,
    }


def _partner_effect(members: Members, body: Json) -> Json:
    for name in ("code", "message"):
        if members.has(name):
            members.wrong(f"{name} is for calls of the API; a partner's answer is status and body")
    effect = members.text("effect", one_of=EFFECTS)
    if effect in _WEBHOOK_ONLY:
        members.wrong(f"{effect} is for webhooks: name their topic, or *")
    if effect != SLOW_BODY and members.has("byte_ms"):
        members.wrong("byte_ms is for the effect slow_body")
    if members.has("body") and not members.has("status"):
        members.wrong("body is what the partner answers with status, which is missing")
    byte_ms = members.whole("byte_ms", 1, LATENCY_MS_MAX)
    return {
        "effect": effect,
        "status": members.whole("status", 400, 599),
        "body": body.get("body"),
        "byte_ms": (byte_ms or BYTE_MS) if effect == SLOW_BODY else None,
    }


def _api_effect(members: Members) -> tuple[Json, ApiError | None]:
    for name in ("body", "byte_ms"):
        if members.has(name):
            members.wrong(f"{name} is for calls to a partner: name the partner")
    effect = members.text("effect", one_of=EFFECTS)
    if effect in _PARTNER_ONLY:
        members.wrong(f"{effect} is for calls to a partner: name the partner")
    if effect in _WEBHOOK_ONLY:
        members.wrong(f"{effect} is for webhooks: name their topic, or *")
    code = members.text("code", one_of=ERRORS)
    status = members.whole("status", 100, 599)
    message = members.text("message")
    if members.has("message") and not (members.has("status") or members.has("code")):
        members.wrong("message is for an error: say its status or code")
    kind = _kind(members, status, code)
    if kind is None:
        return {"effect": effect}, None
    error = kind(message)
    return {"status": error.status, "code": error.code, "message": message}, error


def _kind(members: Members, status: int | None, code: str | None) -> type[ApiError] | None:
    """The contract's error with this status and code; the usual one for a bare status."""
    if code is not None:
        by_status = ERRORS[code]
        if status is None:
            return next(iter(by_status.values()))
        if status not in by_status:
            known = " or ".join(map(str, by_status))
            members.wrong(f"{code} has the status {known}, not {status}")
        return by_status.get(status)
    if status is None or members.has("code"):
        return None
    if status not in _USUAL:
        known = ", ".join(map(str, _USUAL))
        members.wrong(f"the contract has no error with status {status}; there are {known}")
        return None
    return _USUAL[status]
