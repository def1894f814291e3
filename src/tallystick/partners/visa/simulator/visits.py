"""The pages of Tink Link: plain forms, each answered by the next step. They need no script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from tallystick.partners.visa.simulator.errors import Refusal, bad_request
from tallystick.partners.visa.simulator.fixtures import BY_NAME, LOGINS, PROVIDERS
from tallystick.partners.visa.simulator.gate import read_form
from tallystick.partners.visa.simulator.journey import Journey, check_redirect, extend
from tallystick.partners.visa.simulator.state import State

PAGES = Path(__file__).parent / "pages"

_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_FIELD_CHARS_MAX = 120


class Visits:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        visit = "/1.0/visits/{visit}"
        return [
            Route("/1.0/account-check/connect", self._guarded(self.connect), methods=["GET"]),
            Route("/1.0/account-check/update-consent", self._guarded(self.renew), methods=["GET"]),
            Route(visit, self._guarded(self.show), methods=["GET"]),
            Route(f"{visit}/return", self._guarded(self.leave), methods=["GET"]),
            Route(f"{visit}/{{move}}", self._guarded(self.move), methods=["POST"]),
            Route("/_pages/visa.css", self.style, methods=["GET"]),
        ]

    def _guarded(
        self, page: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A refusal is shown to a person, who can still go back to where they came from."""

        async def guarded(request: Request) -> Response:
            try:
                return await page(request)
            except Refusal as refusal:
                back = _way_back(request, refusal)
                return self._state.kit.page(
                    PAGES, "problem.html", refusal.status, message=refusal.message, back=back
                )

        return guarded

    async def connect(self, request: Request) -> Response:
        return self._open(request, renews=False)

    async def renew(self, request: Request) -> Response:
        return self._open(request, renews=True)

    def _open(self, request: Request, *, renews: bool) -> Response:
        """The code must not stay in the address bar, hence a redirect.

        Whoever only looks at where a link leads (HEAD) does not use it up.
        """
        if request.method == "HEAD":
            return Response(headers=_PRIVATE)
        return self._next(Journey.begin(self._state, request.query_params, renews=renews))

    def _next(self, journey: Journey) -> Response:
        address = f"{self._state.kit.prefix}/1.0/visits/{journey.visit['id']}"
        return RedirectResponse(address, 303, headers=_PRIVATE)

    async def show(self, request: Request) -> Response:
        journey = self._find(request)
        visit = journey.visit
        provider = BY_NAME.get(visit["provider"] or "")
        return self._state.kit.page(
            PAGES,
            "link.html",
            here=f"{self._state.kit.prefix}/1.0/visits/{visit['id']}",
            step=journey.step,
            renews=visit["credentials_id"] is not None,
            bank=provider.label if provider else "",
            providers=PROVIDERS,
            accounts=[{**each, "mask": each["number"][-4:]} for each in visit["accounts"]],
            chosen=[f"{each['name']} ••{each['number'][-4:]}" for each in visit["chosen"]],
            message=(visit["outcome"] or {}).get("message", ""),
            succeeded=visit["outcome"] is not None and "error" not in visit["outcome"],
            logins=[(*pair, behaviour) for pair, behaviour in LOGINS.items()][:4],
        )

    async def move(self, request: Request) -> Response:
        journey = self._find(request)
        fields = await read_form(request)
        match request.path_params["move"]:
            case "bank":
                journey.pick_bank(_field(fields, "provider"))
            case "login":
                journey.log_in(_field(fields, "username").strip(), _field(fields, "password"))
            case "account":
                journey.choose(_field(fields, "account"))
            case "consent":
                journey.consent()
            case "back":
                journey.back()
            case "again":
                journey.try_again()
            case "give-up":
                journey.give_up()
            case "cancel":
                journey.cancel()
            case _:
                raise bad_request("There is no such step.")
        return self._next(journey)

    async def leave(self, request: Request) -> Response:
        """Back to the app, by a link of the page: a form may not lead elsewhere (CSP)."""
        return RedirectResponse(self._find(request).return_address(), 302, headers=_PRIVATE)

    async def style(self, _request: Request) -> Response:
        return FileResponse(PAGES / "visa.css", media_type="text/css")

    def _find(self, request: Request) -> Journey:
        return Journey.find(self._state, request.path_params["visit"])


def _field(fields: dict[str, str], name: str) -> str:
    """Empty when it is not there: what that means is for the step to say."""
    return fields.get(name, "")[:_FIELD_CHARS_MAX]


def _way_back(request: Request, refusal: Refusal) -> str | None:
    """The app's address with the error, if the page was opened with a good one."""
    try:
        address = check_redirect(request.query_params.get("redirect_uri", ""))
    except Refusal:
        return None
    outcome = {
        "error": "BAD_REQUEST",
        "error_reason": refusal.code,
        "message": refusal.message,
    }
    state = request.query_params.get("state")
    return extend(address, outcome if state is None else {**outcome, "state": state})
