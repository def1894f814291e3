"use strict";
// What the page and the integrator's page say to each other, as `connect-web-sdk` does: the host
// pings until it is acknowledged, and hears {type, data} from then on. The first ping tells whom to
// answer; what happens before it waits. No message carries more than ids and step names.
const Host = (() => {
  const other = window.parent !== window ? window.parent : window.opener;
  const waiting = [];
  let origin = null;

  const send = (message) => {
    if (origin === null) waiting.push(message);
    else other.postMessage(message, origin);
  };

  const receive = (event) => {
    if (event.source !== other || event.data?.type !== "ping") return;
    origin = event.origin === "null" ? "*" : event.origin;
    other.postMessage({ type: "ack" }, origin);
    for (const message of waiting.splice(0)) send(message);
  };

  if (other) window.addEventListener("message", receive);
  const framed = Boolean(other);
  const tell = (type, data) => {
    if (framed) send({ type, data });
  };

  return {
    framed,
    route: (screen, params = {}) => tell("route", { screen, params }),
    user: (action, data = {}) => tell("user", { action, ...data }),
    done: () => tell("done", { code: 200, reason: "complete", reportData: [] }),
    cancel: () => tell("cancel", { code: 100, reason: "exit" }),
    timeout: () => tell("error", { code: 1440, reason: "timeout" }),
    error: () => tell("error", { code: 500, reason: "error" }),
  };
})();
