"""Requests that an OpenAPI document allows, and some that it does not, by schemathesis.

From our own document and from Dwolla's, the latter narrowed to the operations that we serve. Most of
them name something real; a quarter names what the document's examples make up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import hypothesis
from hypothesis import strategies as st

from tallystick.api import routes
from tallystick.server import openapi as own

from . import openapi
from .fuzz_world import World, world
from .fuzzing import Report
from .raw_http import Answer, Target
from .requirements import missing

try:
    import schemathesis
    from schemathesis import GenerationMode
except ImportError:  # the tests skip
    schemathesis = None

SECONDS_MAX = 20.0
TOKEN = ("POST", "/token")


def documents() -> dict[str, dict[str, Any] | None]:
    """By whose they are; Dwolla's is None where it is not at hand."""
    return {"tallystick's": own.document(), "Dwolla's": openapi.document()}


def fuzz(at: Target, whose: str, document: dict[str, Any], examples: int, every: int = 1) -> Report:
    """`examples` requests for each operation that we serve, or for one in `every`."""
    if schemathesis is None:
        missing("schemathesis")
    report = Report(f"schemathesis on {whose} document")
    made = asyncio.run(world(at.url))
    for operation, route in list(_served(document))[::every]:
        if examples > 100:  # what is fuzzed gets removed and suspended
            made = asyncio.run(world(at.url))
        _fuzz_one(at, report, made, operation, route, examples)
    return report


def _served(document: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """(operation of the document, our route or None for the token), what removes things last."""
    served = {(route.method, route.path): route for route in routes()} | {TOKEN: None}
    found = []
    for each in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = each.ok()
        key = (operation.method.upper(), operation.path)
        if key in served:
            found.append((operation, served[key]))
    assert len(found) == len(served)
    return iter(sorted(found, key=lambda pair: pair[0].method.upper() == "DELETE"))


def _cases(operation: Any, made: World, route: Any) -> st.SearchStrategy[Any]:
    good, bad = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    real = {"id": made.ids[route.path.split("/")[1]]} if route and "{id}" in route.path else None
    kinds = [operation.as_strategy(good)]
    for mode in (good, good, bad):
        try:
            kinds.append(operation.as_strategy(mode, path_parameters=real))
        except Exception:  # schemathesis has many ways to say that nothing can be wrong here
            continue
    if route and route.operation in made.bodies:
        body = made.bodies[route.operation]
        kinds.append(
            operation.as_strategy(good, path_parameters=real, body=body, media_type=openapi.HAL)
        )
    return st.one_of(kinds)


def _fuzz_one(
    at: Target, report: Report, made: World, operation: Any, route: Any, examples: int
) -> None:
    auth = {} if route is None else made.headers
    name = f"{operation.method.upper()} {operation.path}"

    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(_cases(operation, made, route))
    def ask(case: Any) -> None:
        answer = case.call(
            base_url=at.url, headers=auth, timeout=SECONDS_MAX, allow_redirects=False
        )
        _take(report, name, case, answer)

    ask()


def _take(report: Report, name: str, case: Any, answer: Any) -> None:
    content_type = (answer.headers.get("content-type") or [""])[0]
    seconds = answer.elapsed
    report.take(name, Answer(answer.status_code, content_type, answer.content, seconds))
    rebuilt = httpx2.Response(
        answer.status_code,
        headers={key: values[0] for key, values in answer.headers.items()},
        content=answer.content,
        request=httpx2.Request(case.method, answer.request.url),
    )
    try:
        openapi.check(rebuilt, answer.content)
    except (AssertionError, KeyError, ValueError) as error:
        shown = f"{answer.status_code} {answer.content[:200]!r}"
        report.wrong.append(f"{name}: {shown}: {error!r}"[:800])
