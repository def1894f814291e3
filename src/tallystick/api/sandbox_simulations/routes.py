"""POST /sandbox-simulations."""

from __future__ import annotations

import msgspec

from tallystick.api.sandbox_simulations import service
from tallystick.api.sandbox_simulations.wire import (
    COLLECTION,
    CUSTOMER_VERIFICATION,
    KIND,
    Directed,
    PostedDirective,
    Processed,
)
from tallystick.errors import BadRequest, Forbidden
from tallystick.store.idempotency import Outcome
from tallystick.web import Reply, Request, Route, Takes, encode


async def simulate(request: Request) -> Reply | Outcome:
    """No body: bank transfers and micro-deposits are processed, of which there are none here.

    Transfers to virtual account numbers are refused: no funding source of ours has such a number,
    and an answer of 202 would promise events that never come.
    """
    service.require_sandbox(request.core)
    links = {"self": request.links.to(KIND, COLLECTION)}
    body = {} if request.body is None else request.body
    if body == {}:
        return Reply(body=Processed(links, 0))
    if not isinstance(body, dict) or body.get("type") != CUSTOMER_VERIFICATION:
        raise BadRequest
    try:
        posted = msgspec.convert(body, PostedDirective)
    except msgspec.ValidationError:
        raise BadRequest from None
    customer_id = request.resolve(posted.links.customer.href, "customers")
    answer = encode(Directed(links, posted.error_code))
    app_id = request.principal.app_id
    return await service.direct(
        request.core, app_id, customer_id, posted.error_code, request.claim, answer
    )


ROUTES = (
    Route(
        "POST",
        f"/{COLLECTION}",
        simulate,
        "simulateBankTransferProcessing",
        COLLECTION,
        Forbidden("Not authorized to simulate transfer processing."),
        lower=frozenset({"Forbidden"}),
        takes=(Takes(PostedDirective),),
        gives=(Processed, Directed),
    ),
)
