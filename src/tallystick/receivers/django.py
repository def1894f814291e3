"""Django: a decorator that gives the view the event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from tallystick.sdk.public import Event, WebhookSignatureError
from tallystick.sdk.webhooks import unwrap

P = ParamSpec("P")
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponse]


def webhook(
    secret: str | Sequence[str],
) -> Callable[[Callable[Concatenate[HttpRequest, Event, P], HttpResponse]], View[P]]:
    """The view's second argument is the event. Only POST comes through, without a CSRF token."""

    def decorate(view: Callable[Concatenate[HttpRequest, Event, P], HttpResponse]) -> View[P]:
        @wraps(view)
        def receive(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            headers: Any = request.headers  # a cached property, which not every checker reads
            try:
                event = unwrap(request.body, headers, secret)
            except WebhookSignatureError as error:
                return HttpResponse(str(error).encode(), status=401, content_type="text/plain")
            return view(request, event, *args, **kwargs)

        found: Any = csrf_exempt(receive)  # it types no view but its own
        exempt: View[P] = found
        return exempt

    return decorate
