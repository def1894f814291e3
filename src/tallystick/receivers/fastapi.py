"""FastAPI, and Starlette below it: a dependency whose value is the event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tallystick.sdk.public import Event, WebhookSignatureError
from tallystick.sdk.webhooks import unwrap


def webhook(secret: str | Sequence[str]) -> Callable[[Request], Awaitable[Event]]:
    """What `Depends` takes: `event: Annotated[Event, Depends(webhook(SECRET))]`."""

    async def event(request: Request) -> Event:
        try:
            return unwrap(await request.body(), request.headers, secret)
        except WebhookSignatureError as error:
            raise HTTPException(401, str(error)) from None

    return event
