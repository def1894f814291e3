// A stand-in for https://cdn.plaid.com/link/v2/stable/link-initialize.js, by tallystick. It puts
// the simulated Link into a frame and calls back as Plaid's script does; types: react-plaid-link 5.
//
// Where the simulator is, in this order:
//   1. window.TALLYSTICK_PLAID_URL, say "http://localhost:7420/_partners/plaid";
//   2. the same, in the query of the script's address: …/link-initialize.js?tallystick=http://…
//   3. the address that this text was fetched from, which the simulator wrote into it;
//   4. the address that the page loaded it from.
// A proxy that answers for cdn.plaid.com with this text needs 1 or 2 only if it passes the name
// cdn.plaid.com on to the simulator.
(() => {
  "use strict";

  const baked = "{{ base }}";
  const script = document.currentScript;

  const locate = () => {
    const address = script && script.src ? new URL(script.src) : null;
    const asked = window.TALLYSTICK_PLAID_URL
      || (address && address.searchParams.get("tallystick"));
    const loaded = address && !address.hostname.endsWith("plaid.com")
      ? address.href.split("/link/v2/")[0]
      : null;
    return (asked || baked || loaded || "").replace(/\/+$/, "");
  };

  let frames = 0;

  const makeFrame = (base, config, embedded) => {
    const frame = document.createElement("iframe");
    const query = new URLSearchParams({
      token: config.token || "", origin: window.location.origin, embedded: embedded ? "1" : "0",
    });
    frame.id = `plaid-link-iframe-${++frames}`;
    frame.title = "Plaid Link";
    frame.src = `${base}/link/v2/stable/link.html?${query}`;
    Object.assign(frame.style, embedded
      ? { width: "100%", height: "100%", minHeight: "32rem", border: "0", display: "block" }
      : {
        position: "fixed", inset: "0", width: "100%", height: "100%", border: "0",
        display: "none", zIndex: "2147483647", background: "transparent", colorScheme: "light dark",
      });
    return frame;
  };

  const start = (config, parent) => {
    const base = locate();
    if (!base)
      throw new Error("Plaid Link: set window.TALLYSTICK_PLAID_URL to the simulator's address");
    if (!config || !(config.token || config.receivedRedirectUri))
      throw new Error("Plaid Link: a token is required");
    const embedded = Boolean(parent);
    const origin = new URL(base, window.location.href).origin;
    const frame = makeFrame(base, config, embedded);
    const state = { ready: false, open: false, gone: false, told: null, focus: null, overflow: "" };
    const metadata = { institution: null, status: null, link_session_id: "", request_id: "" };

    const send = (type, details = {}) => {
      if (frame.contentWindow)
        frame.contentWindow.postMessage({ plaidLink: type, ...details }, origin);
    };

    const hide = () => {
      if (!state.open) return;
      state.open = false;
      if (embedded) return;
      frame.style.display = "none";
      document.documentElement.style.overflow = state.overflow;
      if (state.focus && state.focus.isConnected) state.focus.focus();
    };

    const exited = (error, told) => {
      hide();
      if (config.onExit) config.onExit(error, told);
    };

    // A closed Link is spent; opening it again starts anew in a fresh frame, as Plaid's does.
    const renew = () => {
      state.ready = false;
      if (!state.gone && !embedded) frame.src = String(frame.src);
    };

    const heard = {
      ready: () => {
        const first = state.told === null;
        state.ready = true;
        state.told = metadata;
        if (first && config.onLoad) config.onLoad();
        if (state.open || embedded) send("open");
        if (embedded) state.open = true;
      },
      event: ({ name, metadata: told }) => config.onEvent && config.onEvent(name, told),
      state: ({ metadata: told }) => Object.assign(metadata, told),
      success: ({ public_token: token, metadata: told }) => {
        hide();
        renew();
        if (config.onSuccess) config.onSuccess(token, told);
      },
      exit: ({ error, metadata: told }) => {
        if (state.open) exited(error, told);
        renew();
      },
    };

    const listen = (event) => {
      if (event.origin !== origin || event.source !== frame.contentWindow) return;
      const hear = event.data && Object.hasOwn(heard, event.data.plaidLink)
        && heard[event.data.plaidLink];
      if (hear) hear(event.data);
    };

    const open = () => {
      if (state.gone || state.open) return;
      state.open = true;
      state.focus = document.activeElement;
      state.overflow = document.documentElement.style.overflow;
      document.documentElement.style.overflow = "hidden";
      frame.style.display = "block";
      frame.focus();
      if (state.ready) send("open");
    };

    const exit = (options) => {
      if (!state.open) return;
      const force = Boolean(options && options.force) || !state.ready;
      if (state.ready) send("exit", { force });
      if (!force) return;
      // The page answers an exit by closing its session; until it is back, opening again waits.
      state.ready = false;
      hide();
      // After the caller's own next step, which may be destroy(); onExit follows in any case.
      const told = { ...metadata };
      queueMicrotask(() => config.onExit && config.onExit(null, told));
    };

    const destroy = () => {
      hide();
      state.gone = true;
      window.removeEventListener("message", listen);
      frame.remove();
    };

    window.addEventListener("message", listen);
    const attach = () => !state.gone && (parent || document.body).append(frame);
    if (parent || document.body) attach();
    else document.addEventListener("DOMContentLoaded", attach, { once: true });
    // submit() hands over a phone number or a date of birth for Layer; nothing here asks for it.
    return { open, exit, destroy, submit: () => undefined };
  };

  window.Plaid = {
    create: (config) => start(config, null),
    createEmbedded: (config, element) => ({ destroy: start(config, element).destroy }),
  };
})();
