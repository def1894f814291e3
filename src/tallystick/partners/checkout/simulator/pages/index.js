// A stand-in for https://checkout-web-components.checkout.com/index.js, by tallystick. It puts the
// simulated card fields into a frame and calls back as Flow does; types:
// @checkout.com/checkout-web-components 1.13. Card numbers stay in the frame.
//
// Where the simulator is, in this order:
//   1. window.TALLYSTICK_CHECKOUT_URL, say "http://localhost:7420/_partners/checkout";
//   2. the same, in the query of the script's address: …/index.js?tallystick=http://…
//   3. the address that this text was fetched from, which the simulator wrote into it;
//   4. the address that the page loaded it from;
//   5. the address in the payment session's token, where the partner's has its own host.
(() => {
  "use strict";

  const baked = "{{ base }}";
  const script = document.currentScript;
  const KINDS = ["flow", "card"];

  // Flow asks its server before it is ready. Pages count on it: they draw the element to mount in
  // while they wait.
  const START_MS = 50;

  class CheckoutError extends Error {
    constructor(type, code, message, details = {}) {
      super(message);
      Object.assign(this, { name: "CheckoutError", type, code, details });
    }
  }

  const locate = (session) => {
    const address = script && script.src ? new URL(script.src) : null;
    const asked = window.TALLYSTICK_CHECKOUT_URL
      || (address && address.searchParams.get("tallystick"));
    const loaded = address && !address.hostname.endsWith("checkout.com")
      ? address.href.split("/web-components/")[0]
      : null;
    return (asked || baked || loaded || readToken(session).integration_domain).replace(/\/+$/, "");
  };

  const readToken = (session) => {
    try {
      const text = atob(session.payment_session_token.split(":")[1]);
      const told = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
      if (told.id === session.id) return told;
    } catch { /* said below */ }
    throw new CheckoutError("Integration", "payment_session_invalid", "The payment session is not one.");
  };

  const check = (options) => {
    const session = options && options.paymentSession;
    if (!session)
      throw new CheckoutError("Integration", "payment_session_required", "paymentSession is missing.");
    for (const name of ["id", "payment_session_secret", "payment_session_token"])
      if (typeof session[name] !== "string")
        throw new CheckoutError("Integration", "payment_session_invalid", `paymentSession has no ${name}.`);
    if (!options.publicKey)
      throw new CheckoutError("Integration", "payment_session_invalid", "publicKey is missing.");
    return readToken(session);
  };

  const problemsWith = (details) => {
    const checks = {
      amount: (value) => (Number.isInteger(value) && value >= 0 ? null : "not a whole number of minor units"),
      currency: (value) => (/^[A-Z]{3}$/.test(value) ? null : "not a currency"),
    };
    const found = Object.entries(details).map(([name, value]) =>
      [name, Object.hasOwn(checks, name) ? checks[name](value) : "not supported field"]);
    return Object.fromEntries(found.filter(([, problem]) => problem));
  };

  // What the frame needs to know; texts and looks as the page chose them.
  const configure = (options, own, told) => ({
    publicKey: options.publicKey,
    session: { id: options.paymentSession.id, secret: options.paymentSession.payment_session_secret },
    amount: told.amount,
    currency: told.currency,
    texts: (options.translations || {})[options.locale || told.locale] || {},
    payButton: own.showPayButton !== false,
    name: own.displayCardholderName || "bottom",
    nameGiven: (own.data && own.data.cardholderName) || "",
    code: own.displayCvv !== "hidden",
    types: own.acceptedCardTypes || null,
    schemes: own.acceptedCardSchemes || null,
  });

  const makeFrame = (base) => {
    const frame = document.createElement("iframe");
    const query = new URLSearchParams({ origin: window.origin });
    frame.src = `${base}/web-components/card?${query}`;
    frame.title = "Card details";
    frame.allow = "payment";
    Object.assign(frame.style, { width: "100%", height: "20rem", border: "0", display: "block" });
    return frame;
  };

  const makeComponent = (kind, options, shared, told) => {
    const { flow = {}, card = {} } = shared.componentOptions || {};
    const own = { ...(kind === "flow" ? flow : {}), ...card, ...options };
    const base = locate(shared.paymentSession);
    const origin = new URL(base, window.location.href).origin;
    const details = {
      browserSessionId: shared.browserSessionId, paymentSessionId: shared.paymentSession.id, type: "card",
    };
    const state = { frame: null, port: null, asked: kind === "flow", valid: false, tokens: [] };
    const supported = KINDS.includes(kind);

    const fail = (type, code, message, more) => new CheckoutError(type, code, message, { ...details, ...more });

    // Calls the page back. What the page's own function throws is told to its onError.
    const call = async (name, ...values) => {
      const callback = own[name] || shared[name];
      if (!callback) return undefined;
      try {
        return await callback(component, ...values);
      } catch (error) {
        if (name === "onError") throw error;
        await call("onError", fail("Integration", "callback_invocation_failed", `${name} failed: ${error}`));
        return { continue: false };
      }
    };

    // A callback that may stop the payment. Without one, or without an answer, it goes on.
    const ask = async (name, value) => {
      const answer = await call(name, value);
      if (answer === undefined) return { continue: true };
      if (answer && typeof answer.continue === "boolean") return answer;
      await call("onError", fail("Integration", "callback_result_invalid", `${name} must return {continue}.`));
      return { continue: false };
    };

    const heard = {
      ready: () => call("onReady"),
      height: ({ height }) => { state.frame.style.height = `${Math.ceil(height)}px`; },
      change: ({ valid }) => { state.valid = valid; return call("onChange"); },
      submit: () => call("onSubmit"),
      ask: async ({ id, name, value }) => state.port.postMessage({ answer: id, value: await ask(name, value) }),
      tokenized: ({ value }) => state.tokens.splice(0).forEach(({ resolve }) => resolve(value)),
      completed: ({ payment }) => call("onPaymentCompleted", payment),
      failed: ({ error }) => {
        const told = fail(error.type, error.code, error.message, error.details);
        state.tokens.splice(0).forEach(({ reject }) => reject(told));
        return call("onError", told);
      },
    };

    const listen = (event) => {
      if (!state.frame || event.source !== state.frame.contentWindow || event.origin !== origin) return;
      if (!event.data || event.data.checkoutFlow !== "hello") return;
      const channel = new MessageChannel();
      state.port = channel.port1;
      state.port.onmessage = ({ data }) => Object.hasOwn(heard, data.tells) && heard[data.tells](data);
      const config = configure(shared, own, told);
      event.source.postMessage({ checkoutFlow: "init", config }, origin, [channel.port2]);
    };

    shared.components.push(() => state.port && state.port.postMessage({ asks: "update", value: told }));

    const send = (message) => {
      if (!state.port)
        throw fail("Submit", "component_invalid", "The component is not mounted, or not ready.");
      state.port.postMessage(message);
    };

    const component = {
      type: kind,
      name: supported ? "Card" : kind,
      get selectedType() { return supported ? "card" : undefined; },
      get selectedPaymentMethodId() { return undefined; },
      isAvailable: async () => { state.asked = true; return supported; },
      isValid: () => state.valid,
      isPayButtonRequired: () => supported,
      mount(where) {
        const place = typeof where === "string" ? document.querySelector(where) : where;
        if (!supported)
          throw fail("Integration", "component_not_supported", `${kind} is not simulated.`);
        if (!(place instanceof Element))
          throw fail("Integration", "element_not_found", "There is no such element to mount in.");
        if (!state.asked)
          throw fail("Integration", "component_is_available_not_checked", "Call isAvailable() before mount().");
        if (state.frame)
          throw fail("Integration", "component_already_mounted", "The component is mounted already.");
        state.frame = makeFrame(base);
        window.addEventListener("message", listen);
        place.append(state.frame);
        return component;
      },
      unmount() {
        window.removeEventListener("message", listen);
        if (state.frame) state.frame.remove();
        if (state.port) state.port.close();
        Object.assign(state, { frame: null, port: null, valid: false });
        const gone = fail("Submit", "component_invalid", "The component was unmounted.");
        state.tokens.splice(0).forEach(({ reject }) => reject(gone));
        return component;
      },
      submit() { send({ asks: "submit" }); return component; },
      tokenize: () => new Promise((resolve, reject) => {
        send({ asks: "tokenize" });
        state.tokens.push({ resolve, reject });
      }),
      unselect: () => component,
    };
    return component;
  };

  window.CheckoutWebComponents = async (options) => {
    const told = check(options);
    await new Promise((done) => { setTimeout(done, START_MS); });
    const browserSessionId = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
    const shared = { ...options, browserSessionId, components: [] };
    return {
      create: (kind, own) => makeComponent(kind, own || {}, shared, told),
      update: async (details) => {
        const wrong = problemsWith(details || {});
        if (Object.keys(wrong).length)
          throw new CheckoutError("Validation", "update_parameters_invalid", "update() got wrong values.",
            { browserSessionId, paymentSessionId: told.id, validationErrors: wrong });
        Object.assign(told, details);
        shared.components.forEach((tell) => tell());
      },
    };
  };
})();
