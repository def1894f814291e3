"""What the fixtures do through the control API: see docs/reference/control.md."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Unpack
from urllib.parse import quote

import httpx2
from typing_extensions import TypedDict

from tallystick.clock import SystemClock, from_iso, to_iso
from tallystick.errors import TallystickError

CONTROL = "/_tallystick/control"
# Moving the clock far sends every webhook that falls due on the way.
PATIENCE_S = 120.0


class ControlRefused(TallystickError):
    """The gateway refused a call of its control API; the message is its own."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """The control API of the gateway at `url`."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self.url = url
        self._http = http

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON of the answer. Raises ControlRefused."""
        return self._ask(method, f"{CONTROL}/{path}", body)

    def complete(self, partner: str, signs_in: Mapping[str, Any]) -> Any:
        """Go through the page of a partner's simulator. Raises ControlRefused."""
        path = f"/_partners/{quote(partner, safe='')}/_control/complete"
        return self._ask("POST", path, signs_in)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        answer = self._http.request(method, self.url + path, json=body, timeout=PATIENCE_S)
        try:
            told = answer.json()
        except ValueError:
            told = None
        if answer.is_success and isinstance(told, dict):
            return told
        why = told.get("error") if isinstance(told, dict) else None
        raise ControlRefused(
            str(why)
            if why
            else f"{method} {self.url}{path} was answered with {answer.status_code}: "
            "is this a tallystick gateway in sandbox mode?",
            answer.status_code,
        )


@dataclass(frozen=True)
class Application:
    """A fresh application, isolated from all others, at the gateway with this `url`."""

    id: str
    account_id: str
    client_id: str
    client_secret: str = field(repr=False)
    url: str

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that point the SDK, in this process or another, at this application."""
        return {
            "TALLYSTICK_URL": self.url,
            "TALLYSTICK_CLIENT_ID": self.client_id,
            "TALLYSTICK_CLIENT_SECRET": self.client_secret,
        }


def make_application(control: Control, name: str) -> Application:
    made = control.call("POST", "applications", {"name": name})
    return Application(
        made["id"], made["account_id"], made["client_id"], made["client_secret"], control.url
    )


def reset_application(control: Control, application: Application) -> None:
    with contextlib.suppress(ControlRefused):  # the test itself may have reset everything
        control.call("POST", "reset", {"application": application.id})


# ── the clock ─────────────────────────────────────────────────────────────────────────────────


class Clock:
    """The gateway's clock: token expiry, sessions, webhooks' schedule, everything that has a time.

    Every method answers when all that fell due is done, webhooks included, and returns the time.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        shown = self._control.call("GET", "clock")
        self._was_frozen: bool = shown["frozen"]
        self._ahead_ms = from_iso(shown["now"]) - SystemClock().now_ms()
        self._was_at: str = shown["now"]

    def now(self) -> datetime:
        return _read(self._control.call("GET", "clock"))

    def freeze(self, at: datetime | str | None = None) -> datetime:
        """Stop the clock, now or `at` a time."""
        shown = _read(self._move("freeze"))
        return shown if at is None else self.set(at)

    def resume(self) -> datetime:
        """Run on from what the clock shows."""
        return _read(self._move("resume"))

    def set(self, to: datetime | str) -> datetime:
        """Forwards or back; a time needs an offset: `2026-01-31T12:00:00Z`, or an aware one."""
        return _read(self._move("set", to=to if isinstance(to, str) else to.isoformat()))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move forward."""
        step = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        return _read(self._move("advance", **step))

    def restore(self) -> None:
        """As it was when the fixture was set up, and as much later as it is by now."""
        if self._was_frozen:
            self.freeze(self._was_at)
            return
        self._move("resume")
        self.set(to_iso(SystemClock().now_ms() + self._ahead_ms))

    def _move(self, verb: str, **body: Any) -> Any:
        return self._control.call("POST", f"clock/{verb}", body)


def _read(shown: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(shown["now"])


# ── faults ────────────────────────────────────────────────────────────────────────────────────


class Rule(TypedDict, total=False, closed=True):
    """The members of a fault, as docs/reference/control.md describes them."""

    method: str
    path: str
    partner: str
    topic: str
    subscription: str
    nth: int
    probability: float
    seed: int
    count: int
    latency_ms: int
    status: int
    code: str
    message: str
    body: Any
    byte_ms: int
    effect: Literal[
        "reset", "hang", "answer_lost", "slow_body", "wrong_json", "huge_body",
        "lost", "duplicate", "reorder",
    ]  # fmt: skip


class Fault:
    """A rule in force."""

    def __init__(self, control: Control, fault_id: str) -> None:
        self._control = control
        self.id = fault_id

    @property
    def seen(self) -> int:
        """How many calls it concerned. Raises ControlRefused when it was removed."""
        return int(self._shown()["seen"])

    @property
    def fired(self) -> int:
        """How often it made one go wrong. Raises ControlRefused when it was removed."""
        return int(self._shown()["fired"])

    def remove(self) -> None:
        """Let go what hangs on it, too. Nothing happens when it is gone already."""
        try:
            self._control.call("DELETE", f"faults/{self.id}")
        except ControlRefused as error:
            if error.status != 404:
                raise

    def _shown(self) -> Mapping[str, Any]:
        listed: Sequence[Mapping[str, Any]] = self._control.call("GET", "faults")["faults"]
        for each in listed:
            if each["id"] == self.id:
                return each
        raise ControlRefused(f"the fault {self.id} was removed", 404)


class Faults:
    """Lets calls of this test's application, and those made to partners for it, go wrong."""

    def __init__(self, control: Control, application: Application) -> None:
        self._control = control
        self._application = application
        self._added: list[Fault] = []

    def add(self, **rule: Unpack[Rule]) -> Fault:
        """Put a rule in force for this application. Raises ControlRefused."""
        body = {**rule, "application": self._application.id}
        fault = Fault(self._control, self._control.call("POST", "faults", body)["id"])
        self._added.append(fault)
        return fault

    def clear(self) -> None:
        """Remove what was added here, and nothing else."""
        while self._added:
            self._added.pop().remove()
