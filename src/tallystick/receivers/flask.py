"""Flask: a decorator that gives the view the event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from flask import abort, request

from tallystick.sdk.public import Event, WebhookSignatureError
from tallystick.sdk.webhooks import unwrap

P = ParamSpec("P")
R = TypeVar("R")


def webhook(
    secret: str | Sequence[str],
) -> Callable[[Callable[Concatenate[Event, P], R]], Callable[P, R]]:
    """The view's first argument is the event; put `@app.post(…)` above this one."""

    def decorate(view: Callable[Concatenate[Event, P], R]) -> Callable[P, R]:
        @wraps(view)
        def receive(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                event = unwrap(request.get_data(), dict(request.headers), secret)
            except WebhookSignatureError as error:
                abort(401, str(error))
            return view(event, *args, **kwargs)

        return receive

    return decorate
