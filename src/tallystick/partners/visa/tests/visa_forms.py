"""`PartnerHttp` with form bodies, for as long as it does not send them itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2

from tallystick.partners.http import Answer, PartnerHttp


class FormHttp(PartnerHttp):
    """Puts `form` into the body; all else (deadline, size cap, errors) is the real one's."""

    async def call(
        self, method: str, path: str, *, form: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        if form is None:
            return await super().call(method, path, **more)
        build = self._client.build_request

        def build_with_form(*given: Any, **named: Any) -> httpx2.Request:
            media = {"Content-Type": "application/x-www-form-urlencoded"}
            named |= {"content": urlencode(form), "headers": {**named["headers"], **media}}
            return build(*given, **named)

        self._client.build_request = build_with_form
        try:
            return await super().call(method, path, **more)
        finally:
            self._client.build_request = build
