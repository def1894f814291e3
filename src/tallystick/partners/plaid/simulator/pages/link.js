"use strict";
// The page of Plaid Link. It asks the simulator for each step, and tells the script that framed it
// (link-initialize.js) what happened. Framed, it speaks only with the page that framed it, at the
// origin that the script gave; alone (Hosted Link) with nobody.
(() => {
  const { find } = Steps;
  const { token, parent: parentOrigin, prefix, return: returnTo } = find("link").dataset;
  const framed = window.parent !== window;
  const embedded = document.body.classList.contains("embedded");
  let view = null;
  let over = false;
  let busy = false;

  // A page opened from a file has the origin "null", which no message can be addressed to.
  const tell = (type, details = {}) => {
    const target = parentOrigin && parentOrigin !== "null" ? parentOrigin : "*";
    if (framed) window.parent.postMessage({ plaidLink: type, ...details }, target);
  };

  const call = async (step, body = {}) => {
    const answer = await fetch(`${prefix}/_link/${step}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ link_token: token, link_session_id: view?.link_session_id, ...body }),
    });
    const told = await answer.json();
    for (const event of told.events ?? []) tell("event", event);
    if (told.step) {
      view = told;
      const { institution, link_session_id, request_id } = told;
      tell("state", { metadata: { institution: brief(institution), link_session_id, request_id } });
    }
    return told;
  };

  const brief = (institution) => institution
    && { name: institution.name, institution_id: institution.institution_id };

  // Errors that the person can put right where they are; all others end the attempt.
  const CORRECTABLE = new Set([
    "INVALID_CREDENTIALS", "INVALID_UPDATED_USERNAME", "INVALID_MFA", "NO_ACCOUNTS",
  ]);
  const WORDS = {
    INVALID_CREDENTIALS: "The username or the password is wrong. Please try again.",
    INVALID_UPDATED_USERNAME: "Please use the username that you connected with before.",
    INVALID_MFA: "That answer is not right. Please try again.",
    INVALID_LINK_TOKEN: "This connection has expired. Please start again.",
    INSTITUTION_DOWN: "This bank is not answering at the moment. Please try again later.",
    INSTITUTION_NOT_RESPONDING: "This bank is not answering at the moment. Please try again later.",
    INSUFFICIENT_CREDENTIALS: "You did not allow access at your bank.",
    ITEM_LOCKED: "Your bank has locked this login. Visit your bank's site to unlock it.",
  };
  const TITLES = {
    ITEM_LOCKED: "Your account is locked",
    INSTITUTION_DOWN: "Your bank is unavailable",
    INSTITUTION_NOT_RESPONDING: "Your bank is unavailable",
    INSTITUTION_NO_LONGER_SUPPORTED: "This bank is not supported",
    INVALID_LINK_TOKEN: "Please start again",
  };

  const draw = () => {
    Steps.name(view);
    if (view.step === "mfa") Steps.drawPrompts(view.mfa);
    if (view.step === "accounts") Steps.listAccounts(view);
    if (view.step === "success") Steps.summarize(view);
    const backward = ["credentials", "oauth", "mfa", "accounts"].includes(view.step);
    find("back").hidden = view.update || !backward;
    Steps.show(view.step);
    Steps.alert("");
    if (view.step === "institution") search("");
  };

  const complain = (error) => {
    const text = WORDS[error.error_code] ?? error.display_message ?? "Something went wrong.";
    if (view && view.step !== "institution" && CORRECTABLE.has(error.error_code)) {
      Steps.show(view.step);
      Steps.alert(text);
      // The username is most likely right: the person types the password again.
      for (const input of Steps.current().querySelectorAll("input[type=password]")) {
        input.value = "";
        if (error.error_code === "INVALID_CREDENTIALS") input.focus();
      }
      return;
    }
    find("failed-title").textContent = TITLES[error.error_code] ?? "We could not connect";
    find("failed-text").textContent = text;
    find("other").hidden = !view || error.error_code === "INVALID_LINK_TOKEN";
    find("other").textContent = view?.update ? "Try again" : "Choose another bank";
    find("back").hidden = true;
    Steps.show("failed");
  };

  // One step at a time: a second click while the first is under way does nothing.
  const go = async (step, body, waiting) => {
    if (busy || over) return;
    busy = true;
    try {
      if (waiting) {
        find("working").textContent = waiting;
        Steps.show("working");
      }
      const told = await call(step, body);
      if (told.error_code) fail(told);
      else if (told.error) complain(told.error);
      else draw();
    } catch {
      unreachable();
    } finally {
      busy = false;
    }
  };

  let failure = null;
  const fail = ({ error_type, error_code, error_message, display_message }) => {
    failure = { error_type, error_code, error_message, display_message };
    complain(failure);
  };

  const unreachable = () => fail({
    error_code: "INTERNAL_SERVER_ERROR", error_type: "API_ERROR",
    error_message: "Link could not be reached", display_message: null,
  });

  let searches = 0;
  const search = async (query) => {
    const mine = ++searches;
    const told = await call("search", { query }).catch(() => null);
    if (mine !== searches || view.step !== "institution") return;
    if (!told) return unreachable();
    if (told.error_code) return fail(told);
    Steps.listInstitutions(told.institutions, (institution) =>
      go("select", { institution_id: institution.institution_id }));
  };

  const exit = async () => {
    if (over) return;
    if (view?.step === "success") return finish();
    over = true;
    let error = failure;
    let metadata = { institution: null, status: null, link_session_id: "", request_id: "" };
    if (view) {
      try {
        const told = await call("exit");
        if (told.exit) ({ error, metadata } = { ...told.exit, error: failure ?? told.exit.error });
      } catch {
        // The person leaves all the same.
      }
    }
    vanish();
    tell("exit", { error, metadata });
    if (!framed) end("Nothing was connected");
  };

  // Opened again at once, Link is in sight before its new page is: a click must not meet this one.
  const vanish = () => { find("link").hidden = framed && !embedded; };

  const finish = () => {
    if (over) return;
    over = true;
    vanish();
    tell("success", view.success);
    if (!framed) end("All done");
  };

  const end = (title) => {
    if (returnTo) return window.location.assign(returnTo);
    find("done-title").textContent = title;
    find("close").hidden = true;
    Steps.show("done");
  };

  const askToExit = () => {
    if (over || find("confirm").open) return;
    if (!view || view.step === "success" || !find("failed-title").closest("section").hidden) exit();
    else {
      find("confirm").showModal();
      find("stay").focus();
    }
  };

  const open = async () => {
    if (view || over) return;
    find("close").hidden = embedded;
    try {
      const told = await call("open");
      if (told.error_code) return fail(told);
      if (embedded && view.step === "consent") await go("agree");
      else draw();
    } catch {
      fail({ error_type: "API_ERROR", error_code: "INTERNAL_SERVER_ERROR",
        error_message: "Link could not be reached", display_message: null });
    }
  };

  // Focus stays within: Link is a modal dialog over the page that opened it.
  const keepFocus = (event) => {
    if (event.key !== "Tab" || find("confirm").open) return;
    const all = [...document.querySelectorAll("button, input, a[href]")]
      .filter((one) => one.getClientRects().length && !one.disabled);
    const [first, last] = [all[0], all[all.length - 1]];
    const here = document.activeElement;
    const before = here === first || (here.tabIndex < 0 && !all.includes(here));
    if (event.shiftKey ? before : here === last) {
      event.preventDefault();
      (event.shiftKey ? last : first)?.focus();
    }
  };

  const read = (form, ...names) => Object.fromEntries(
    names.map((name) => [name, form.elements[name].value]));

  find("agree").addEventListener("click", () => go("agree"));
  find("back").addEventListener("click", () => go("back"));
  find("close").addEventListener("click", askToExit);
  find("leave").addEventListener("click", exit);
  find("finish").addEventListener("click", finish);
  find("other").addEventListener("click", () => {
    failure = null;
    if (view.update) draw();
    else go("back");
  });
  find("confirm").addEventListener("close", () => {
    if (find("confirm").returnValue === "exit") exit();
  });
  find("query").addEventListener("input", () => search(find("query").value));
  find("login").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = read(event.target, "username", "password");
    go("login", given, `Logging in at ${view.institution.name}`);
  });
  find("mfa").addEventListener("submit", (event) => {
    event.preventDefault();
    go("mfa", { answers: Steps.readAnswers(view.mfa) });
  });
  find("accounts").addEventListener("submit", (event) => {
    event.preventDefault();
    const accounts = Steps.readAccounts();
    if (!accounts.length) return Steps.alert("Choose an account to go on.");
    go("choose", { accounts }, "Connecting your account");
  });
  for (const button of document.querySelectorAll("[data-oauth]"))
    button.addEventListener("click", () =>
      go("oauth", { allowed: button.dataset.oauth === "yes" }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !find("confirm").open) {
      event.preventDefault();
      askToExit();
    }
    if (framed && !embedded) keepFocus(event);
  });
  window.addEventListener("message", (event) => {
    const known = parentOrigin === "null" || event.origin === parentOrigin;
    if (!framed || event.source !== window.parent || !known) return;
    if (event.data?.plaidLink === "open") open();
    if (event.data?.plaidLink === "exit") event.data.force ? exit() : askToExit();
  });
  // Torn down in mid-flow: the session must not look as if it were still going on.
  window.addEventListener("pagehide", () => {
    if (!view || over || view.step === "success") return;
    const body = { link_token: token, link_session_id: view.link_session_id };
    const type = "application/json";
    navigator.sendBeacon(`${prefix}/_link/exit`, new Blob([JSON.stringify(body)], { type }));
  });

  if (framed) tell("ready");
  else open();
})();
