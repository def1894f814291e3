"use strict";
// What the page and its host say to each other: `@mxenabled/widget-post-message-definitions` 1.4.
// The host's address is not known here, and the messages carry nothing but guids and step names.
const Host = (() => {
  const ADDRESS_PAUSE_MS = 50;
  let boot = null;
  const listeners = { back: () => false, ping: () => {} };

  // In an app's WebView messages are addresses: `scheme://connect/loaded?metadata={…}`.
  const toAddress = (type, metadata) =>
    `${boot.scheme}://${type.replace(/^mx\//, "")}?metadata=` +
    encodeURIComponent(JSON.stringify(metadata));

  // One after the other: a browser forgets an address that is overtaken at once by the next.
  let last = Promise.resolve();
  const goTo = (address) => {
    last = last.then(() => {
      window.location.assign(address);
      return new Promise((resolve) => setTimeout(resolve, ADDRESS_PAUSE_MS));
    });
  };

  const post = (type, metadata = {}) => {
    const who = { user_guid: boot.user_guid, session_guid: boot.session_guid };
    const full = { ...who, ...metadata };
    if (boot.webview) goTo(toAddress(type, full));
    else window.parent.postMessage({ mx: true, type, metadata: full }, "*");
  };

  const read = (data) => {
    if (typeof data !== "string") return data;
    try {
      return JSON.parse(data);
    } catch {
      return null; // not one of MX's messages: other scripts on the host's page post too
    }
  };

  const receive = (event) => {
    if (event.source !== window.parent) return;
    const message = read(event.data);
    if (!message || typeof message !== "object") return;
    if (message.type === "ping") {
      listeners.ping();
      post("mx/ping");
    } else if (message.type === "mx/navigation" && message.payload?.action === "back") {
      post("mx/navigation", { did_go_back: listeners.back() });
    } else if (message.type === "mx/sdk/info") {
      document.documentElement.dataset.sdk = String(message.metadata?.sdk ?? "");
    }
  };

  return {
    post,
    framed: window.parent !== window,
    start(settings, { back, ping }) {
      boot = settings;
      Object.assign(listeners, { back, ping });
      window.addEventListener("message", receive);
      post("mx/load");
    },
  };
})();
