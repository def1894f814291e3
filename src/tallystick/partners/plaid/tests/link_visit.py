"""A person in a browser, on an integrator's page that loads Plaid Link."""

from typing import Any

import httpx2

from tallystick.partners.plaid.tests.simulator_stage import LINK, Stage

# An integrator's page: it loads the script, opens Link, and notes what it is told. Its strict policy
# allows scripts and frames alone (unsafe-eval is for the test's own waiting); the script lives with it.
HOST_PAGE = """<!doctype html>
<html lang="en"><head><title>Shop</title><link rel="icon" href="data:,"><meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' http:; frame-src http:"></head>
<body><button id="go">Link</button><div id="slot"></div>
<script src="SCRIPT"></script>
<script>
window.calls = [];
window.marks = [];
addEventListener("message", ({ data }) => data?.mark && marks.push(data.mark));
const query = new URLSearchParams(location.search);
const config = {
  token: query.get("token"),
  onSuccess: (token, metadata) => calls.push({ name: "onSuccess", token, metadata }),
  onExit: (error, metadata) => calls.push({ name: "onExit", error, metadata }),
  onEvent: (event, metadata) => calls.push({ name: "onEvent", event, metadata }),
  onLoad: () => calls.push({ name: "onLoad" }),
};
if (query.has("embedded")) window.handler = Plaid.createEmbedded(config, document.getElementById("slot"));
else window.handler = Plaid.create(config);
document.getElementById("go").addEventListener("click", () => window.handler.open());
</script></body></html>"""


class Visit:
    """A person on the integrator's page."""

    def __init__(self, stage: Stage, page: Any, host: str) -> None:
        self.stage, self.page, self.host = stage, page, host
        self.complaints: list[str] = []
        self.expected: str | None = None
        self.marks = 0
        page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def link_token(self, **more: Any) -> str:
        return self.api("/link/token/create", {**LINK, **more})["link_token"]

    def api(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        keys = {} if path.startswith("/_control") else {"client_id": "sandbox", "secret": "sandbox"}
        signed = {**keys, **body}
        answer = httpx2.post(f"{self.stage.url}{path}", json=signed, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def arrive(self, token: str | None = None, query: str = "") -> str:
        token = token or self.link_token()
        self.page.goto(f"{self.host}/?token={token}{query}")
        self.page.wait_for_function("calls.some((call) => call.name === 'onLoad')")
        return token

    def open(self, token: str | None = None) -> str:
        token = self.arrive(token)
        self.page.click("#go")
        return token

    @property
    def link(self) -> Any:
        return self.page.frame_locator("iframe[title='Plaid Link']")

    @property
    def frame(self) -> Any:
        return next(one for one in self.page.frames if "link.html" in one.url)

    def see(self, name: str) -> Any:
        part = self.link.get_by_test_id(name)
        part.wait_for(state="visible")
        return part

    def click(self, *names: str) -> None:
        for name in names:
            self.see(name).click()

    def log_in(self, username: str = "user_good", password: str = "pass_good") -> None:
        self.see("username").fill(username)
        self.see("password").fill(password)
        self.click("submit-credentials")

    def to_credentials(self, institution: str = "ins_109508") -> None:
        self.click("continue", f"institution-{institution}")

    def told(self, name: str) -> dict[str, Any]:
        """The first call of this callback, waited for."""
        self.page.wait_for_function(f"calls.some((call) => call.name === '{name}')")
        calls = self.page.evaluate("calls")
        return next(call for call in calls if call["name"] == name)

    def events(self) -> list[str]:
        """What the page has heard; `catch_up` first, unless a callback that was waited for is last."""
        return [c["event"] for c in self.page.evaluate("calls") if c["name"] == "onEvent"]

    def catch_up(self) -> None:
        """Let the page hear all that Link has said so far: they are two processes of the browser."""
        self.marks += 1
        self.frame.evaluate("(mark) => parent.postMessage({ mark }, '*')", self.marks)
        self.page.wait_for_function("(mark) => marks.includes(mark)", arg=self.marks)

    def is_open(self) -> bool:
        return self.page.locator("iframe[title='Plaid Link']").is_visible()

    def check_width(self, name: str) -> None:
        """This step fits the window: nothing to scroll sideways."""
        self.see(name)
        widths = self.frame.evaluate(
            "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
        )
        assert widths[0] <= widths[1] == self.page.viewport_size["width"], name
