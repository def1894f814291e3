"""A person in front of the Connect page, and MX's rules for what the page may say.

Each message is checked against what MX's `@mxenabled/widget-post-message-definitions` 1.4 asks of
it: no member missing, none too many. The page's own tests stand on this (`test_connect_page.py`).
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, expect

from tallystick.partners.mx.tests.test_simulator_world import World

EVERY = {"user_guid": str, "session_guid": str}
INSTITUTION = {"code": str, "guid": str}
MEMBER = {"member_guid": str}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "mx/load": {},
    "mx/ping": {},
    "mx/navigation": {"did_go_back": bool},
    "mx/connect/loaded": {"initial_step": str},
    "mx/connect/enterCredentials": {"institution": INSTITUTION},
    "mx/connect/institutionSearch": {"query": str},
    "mx/connect/selectedInstitution": {"code": str, "guid": str, "name": str, "url": str},
    "mx/connect/memberConnected": MEMBER,
    "mx/connect/connected/primaryAction": {},
    "mx/connect/createMemberError": {"institution_guid": str, "institution_code": str},
    "mx/connect/memberStatusUpdate": {**MEMBER, "connection_status": int},
    "mx/connect/oauthError": MEMBER,
    "mx/connect/oauthRequested": {**MEMBER, "url": str},
    "mx/connect/stepChange": {"previous": str, "current": str},
    "mx/connect/submitMFA": MEMBER,
    "mx/connect/updateCredentials": {**MEMBER, "institution": INSTITUTION},
    "mx/connect/backToSearch": {},
    "mx/connect/invalidData": {**MEMBER, "code": int},
    "mx/account/created": {"guid": str},
}

HOST = """<!doctype html><title>Host</title><style>iframe{border:0;width:100%;height:640px}</style>
<script>
  window.messages = [];
  addEventListener("message", (event) => {
    messages.push(event.data);
    if (event.data.type === "mx/load")
      event.source.postMessage(JSON.stringify(
        {type: "mx/sdk/info", metadata: {sdk: "web", version: "0.0.15"}}), event.origin);
  });
</script><iframe title="Connect"></iframe>"""

RECORD = "window.messages=[];addEventListener('message',(event)=>messages.push(event.data));"


def fits(value: object, kind: Any) -> bool:
    if isinstance(kind, dict):
        return (
            isinstance(value, dict)
            and value.keys() == kind.keys()
            and all(fits(value[name], inner) for name, inner in kind.items())
        )
    return type(value) is kind


class Seat:
    """A person in front of the page, and the host that listens."""

    def __init__(self, world: World, page: Page, *, framed: bool) -> None:
        self.world = world
        self.page = page
        self.framed = framed
        self.user = world.new_user()
        self.place: Page | Frame = page
        self._marks = 0

    def open(self, **settings: Any) -> None:
        self.show(self.world.new_url(self.user, **settings))

    def show(self, url: str) -> None:
        if not self.framed:
            self.page.add_init_script(RECORD)
            self.page.goto(url, wait_until="commit")
            return
        host = self.world.origin.replace("127.0.0.1", "localhost") + "/host"
        self.page.goto(host)
        self.page.eval_on_selector("iframe", "(frame, url) => { frame.src = url }", url)
        self.page.wait_for_function("() => messages.length > 1")
        self.place = self.page.frames[1]

    def see(self, test_id: str) -> Any:
        return self.place.get_by_test_id(test_id)

    def pick_bank(self, code: str = "mxbank") -> None:
        self.see(f"institution-{code}").click()

    def log_in(self, password: str = "any", username: str = "mxuser") -> None:
        self.see("username").fill(username)
        self.see("password").fill(password)
        self.see("submit-credentials").click()

    def choose(self, name: str = "checking") -> None:
        self.see(f"account-{name}").check()
        self.see("submit-accounts").click()
        expect(self.see("step-connected")).to_be_visible()

    def finish(self) -> None:
        self.see("done").click()
        self.page.wait_for_function(
            "() => messages.some((m) => m.type === 'mx/connect/connected/primaryAction')"
        )

    def messages(self) -> list[dict[str, Any]]:
        """What the page has said so far, every message found right.

        The last to arrive is a mark of our own: the page and its host are two processes.
        """
        self._marks += 1
        self.place.evaluate("(mark) => parent.postMessage({ mark }, '*')", self._marks)
        arrived = "(mark) => messages.some((message) => message.mark === mark)"
        self.page.wait_for_function(arrived, arg=self._marks)
        said = [
            message
            for message in self.page.evaluate("() => messages")
            if message.get("mx") is True and message["type"].startswith("mx/")
        ]
        for message in said:
            expected = {**EVERY, **DEFINITIONS[message["type"]]}
            assert fits(message["metadata"], expected), message
            assert message["metadata"]["user_guid"] == self.user
        assert len({message["metadata"]["session_guid"] for message in said}) == 1
        return said

    def types(self) -> list[str]:
        return [message["type"].removeprefix("mx/") for message in self.messages()]

    def metadata(self, kind: str) -> list[dict[str, Any]]:
        return [m["metadata"] for m in self.messages() if m["type"] == kind]

    def numbers(self) -> list[dict[str, Any]]:
        with self.world.client() as client:
            [member] = client.get(f"/users/{self.user}/members").json()["members"]
            path = f"/users/{self.user}/members/{member['guid']}/account_numbers"
            return list(client.get(path).json()["account_numbers"])

    def picture(self, name: str) -> None:
        """For the eye: with TALLYSTICK_PICTURES set, what the page looks like now."""
        if folder := os.environ.get("TALLYSTICK_PICTURES"):
            self.page.screenshot(path=f"{folder}/{name}.png")


@pytest.mark.parametrize(
    ("metadata", "right"),
    [
        ({"member_guid": "MBR-1", "connection_status": 6}, True),
        ({"member_guid": "MBR-1", "connection_status": "6"}, False),
        ({"member_guid": "MBR-1", "connection_status": True}, False),
        ({"member_guid": "MBR-1"}, False),
        ({"member_guid": "MBR-1", "connection_status": 6, "extra": 1}, False),
        (None, False),
    ],
)
def test_message_is_judged(metadata: Any, right: bool) -> None:
    assert fits(metadata, DEFINITIONS["mx/connect/memberStatusUpdate"]) is right


def test_message_within_a_message_is_judged() -> None:
    definition = DEFINITIONS["mx/connect/enterCredentials"]
    assert fits({"institution": {"code": "mxbank", "guid": "INS-1"}}, definition)
    assert not fits({"institution": {"code": "mxbank"}}, definition)
