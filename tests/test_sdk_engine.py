"""The decisions around a call, without a network and without time: the engine only yields them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from tallystick import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    RetryConfig,
    ServerError,
    TallystickError,
)
from tallystick.api.customers.sdk import create_customer, get_customer
from tallystick.sdk.calls import Engine, NeedToken, Received, Send, Sleep
from tallystick.sdk.options import Options
from tallystick.sdk.token import Credentials, Tokens

from .sdk_world import BASE, CUSTOMER, ID

CREATED = Received(201, {"location": CUSTOMER}, b"")
TIMEOUT_S = 30.0

# What a try comes to, and after how many seconds.
OUTCOME = st.tuples(
    st.sampled_from(["created", "down", "expired", 400, 404, 408, 409, 429, 500, 503]),
    st.floats(0, 20),
)


class World:
    """Does what the engine asks for, on a clock of its own, and notes it."""

    def __init__(self, outcomes, retries=2, config=None):
        self.now = 1_000.0
        self.outcomes = iter(outcomes)
        self.last = None
        self.sends: list[Send] = []
        self.sleeps: list[float] = []
        self.tokens = 0
        retry_config = config or RetryConfig(max_retries=retries)
        self.engine = Engine(
            BASE,
            Credentials("k", "s"),
            Options(timeout_s=TIMEOUT_S, retries=retry_config),
            Tokens(self.ticks),
            self.ticks,
        )

    def ticks(self) -> float:
        return self.now

    def run(self, flow):
        steps = self.engine.steps(flow)
        effect = next(steps)
        while True:
            try:
                result = self.do(effect)
            except TallystickError as error:
                effect = steps.throw(error)
                continue
            try:
                effect = steps.send(result)
            except StopIteration as done:
                return done.value

    def do(self, effect):
        match effect:
            case NeedToken():
                self.tokens += 1
                assert (effect.refused is None) == (self.tokens == 1)
                return f"token-{self.tokens}"
            case Sleep(seconds=seconds):
                self.sleeps.append(seconds)
                self.now += seconds
                return None
            case Send():
                return self.send(effect)

    def send(self, send):
        self.sends.append(send)
        kind, seconds = self.last = next(self.outcomes, self.last)
        left_s = send.by - self.now
        self.now += min(seconds, max(left_s, 0))
        if seconds >= left_s:
            raise APITimeoutError("too late")
        match kind:
            case "created":
                return CREATED
            case "down":
                raise APIConnectionError("down")
            case "expired":
                return Received(401, {}, b'{"code": "ExpiredAccessToken"}')
            case status:
                return Received(status, {}, b"{}")


@settings(max_examples=400, deadline=None)
@given(st.lists(OUTCOME, min_size=1, max_size=12), st.integers(0, 6))
def test_every_call_ends_in_time_with_one_key_and_few_tries(outcomes, retries):
    world = World(outcomes, retries)
    failure = None
    try:
        made = world.run(create_customer(first_name="A", last_name="B", email="c"))
    except (APIError, APIConnectionError) as error:
        failure = error
    assert world.now <= 1_000 + TIMEOUT_S + 1e-6
    assert len(world.sends) <= 2 * (retries + 1)
    assert world.tokens <= 2
    keys = {each.request.headers["idempotency-key"] for each in world.sends}
    assert len(keys) == 1
    assert len({each.by for each in world.sends}) == 1
    if failure is None:
        assert made.id == ID
        assert world.last[0] == "created"
    elif isinstance(failure, APIError) and failure.status_code != 401:
        assert failure.status_code == world.last[0]


@given(st.lists(OUTCOME, min_size=1, max_size=12))
def test_a_bearer_in_the_header_is_the_last_one_given(outcomes):
    world = World(outcomes)
    try:
        world.run(create_customer(first_name="A", last_name="B", email="c"))
    except (APIError, APIConnectionError):
        pass
    seen = [each.request.authorization for each in world.sends]
    assert seen == sorted(seen)
    assert set(seen) <= {"Bearer token-1", "Bearer token-2"}


def test_a_wait_that_outlasts_the_deadline_is_not_begun():
    config = RetryConfig(max_retries=9, initial_s=20, factor=1, longest_s=20)
    world = World([(503, 5.0)], config=config)
    with pytest.raises(ServerError):
        world.run(get_customer(ID))
    # 5 s, a wait of 10 to 20 s, 5 s: after a second wait there would be no time for an answer.
    assert len(world.sleeps) == 1
    assert world.now <= 1_000 + TIMEOUT_S


def test_what_the_server_said_is_told_when_no_time_is_left():
    """Not a timeout of our own."""
    world = World([(503, 29.9), ("created", 0.0)])
    with pytest.raises(ServerError):
        world.run(get_customer(ID))
    assert len(world.sends) == 1
