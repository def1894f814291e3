"""The errors of webhooks and their subscriptions."""

from __future__ import annotations

from typing import Any

import httpx2

from .case import CASES, NOBODY, NOT_FOUND, VALIDATION, Case, World, case, get

SUBSCRIPTIONS = "/webhook-subscriptions"
HOOK = {"url": "http://127.0.0.1:1/hook", "secret": "sshhhhhh"}
DENIED = "The supplied credentials are not authorized for this resource."


def refused_subscription(body: Any, code: str, path: str, message: str) -> None:
    async def made(world: World) -> httpx2.Response:
        answer = await world.client.post(SUBSCRIPTIONS, json={**HOOK, **body})
        (error,) = answer.json()["_embedded"]["errors"]
        assert (error["code"], error["path"], error["message"]) == (code, path, message)
        return answer

    CASES.append(Case("createWebhookSubscription", 400, "ValidationError", VALIDATION, made))


refused_subscription({"url": "nonsense"}, "InvalidFormat", "/url", "Url must be a valid url.")
refused_subscription(
    {"secret": "s" * 129},
    "InvalidFormat",
    "/secret",
    "Secret must be 128 or fewer characters.",
)


@case(
    "createWebhookSubscription",
    400,
    "MaxNumberOfResources",
    "The maximum number of subscriptions has been reached.",
)
async def _(world: World) -> httpx2.Response:
    for _ in range(10):
        await world.client.create(SUBSCRIPTIONS, HOOK)
    return await world.client.post(SUBSCRIPTIONS, json=HOOK)


@case("createWebhookSubscription", 403, "Forbidden", DENIED)
async def _(world: World) -> httpx2.Response:
    return await (await world.without("webhooks")).post(SUBSCRIPTIONS, json=HOOK)


@case(
    "updateWebhookSubscription",
    400,
    "BadRequest",
    "The request body contains bad syntax or is incomplete.",
)
async def _(world: World) -> httpx2.Response:
    return await world.client.post(await world.client.create(SUBSCRIPTIONS, HOOK), json={})


@case("updateWebhookSubscription", 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    return await world.client.post(f"{SUBSCRIPTIONS}/{NOBODY}", json={"paused": True})


@case("delete", 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    return await world.client.delete(f"{SUBSCRIPTIONS}/{NOBODY}")


@case("retryWebhook", 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    return await world.client.post(f"/webhooks/{NOBODY}/retries")


get("listWebhookSubscriptions", SUBSCRIPTIONS, 403, "Forbidden", DENIED, "webhooks")
get("getWebhookSubscription", f"{SUBSCRIPTIONS}/{{nobody}}", 404, "NotFound", NOT_FOUND)
get("listWebhooks", f"{SUBSCRIPTIONS}/{{nobody}}/webhooks", 404, "NotFound", NOT_FOUND)
get("listWebhooks", f"{SUBSCRIPTIONS}/{{nobody}}/webhooks", 403, "Forbidden", DENIED, "webhooks")
get("getWebhook", "/webhooks/{nobody}", 404, "NotFound", NOT_FOUND)
get("listWebhookRetries", "/webhooks/{nobody}/retries", 404, "NotFound", NOT_FOUND)
