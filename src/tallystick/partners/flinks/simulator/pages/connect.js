"use strict";
// The journey through Flinks Connect, and what it tells the page that framed it: an object with
// `step` for everything that happens ("Use an event listener"), last of all REDIRECT.
(() => {
  const { find, show, alert } = Steps;
  const root = find("connect");
  const boot = JSON.parse(root.dataset.boot);
  const SPINNER_MS = 350;

  // After these the person may correct what was typed; all others end the attempt.
  const WRONG_CREDENTIAL = new Set(["INVALID_USERNAME", "INVALID_PASSWORD", "INVALID_LOGIN"]);
  const WRONG_ANSWER = "INVALID_SECURITY_RESPONSE";

  // What the host calls an address may still be none.
  const landing = URL.canParse(boot.redirectUrl) ? boot.redirectUrl : null;

  let step = "consent";
  let institution = boot.chosen ? boot.institutions[0] : null;
  let login = null;

  // The host's address is not known here; the messages carry ids and step names only.
  const post = (name, more = {}) => {
    const about = institution ? { institution: institution.code } : {};
    window.parent.postMessage({ step: name, ...about, ...more }, "*");
  };

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const call = async (verb, body) => {
    const answer = await fetch(`${root.dataset.prefix}/_connect/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${boot.token}` },
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(said.Message), { code: said.FlinksCode });
    return said;
  };

  const canGoBack = () =>
    boot.backEnable && (step === "mfa" || (step === "credential" && !boot.chosen));

  const go = (next) => {
    step = next;
    show(next);
    find("back").hidden = !canGoBack();
  };

  const fail = (error) => {
    post(error.code ?? "ERROR", error.code ? { flinksCode: error.code } : {});
    alert("failure", error.message);
    go("failed");
  };

  // Consent and bank

  const selectBank = () => {
    institution = null;
    go("institutions");
    post("COMPONENT_LOAD_INSTITUTION_SELECTOR");
    listBanks();
  };

  const listBanks = () => {
    const query = find("query").value.trim().toLowerCase();
    const found = boot.institutions.filter(({ name }) => name.toLowerCase().includes(query));
    Steps.listInstitutions(found, select);
    find("announce").textContent = found.length === 1 ? "1 bank found" : `${found.length} banks found`;
  };

  const select = (found) => {
    institution = found;
    post("INSTITUTION_SELECTED");
    enter();
  };

  const enter = (retry = null) => {
    Steps.nameInstitution(institution);
    alert("refused", retry);
    go("credential");
    post(retry ? "COMPONENT_LOAD_CREDENTIAL_RETRY" : "COMPONENT_LOAD_CREDENTIAL");
  };

  const accept = () => {
    post("COMPONENT_ACCEPT_CONSENT");
    begin();
  };

  const decline = () => {
    post("COMPONENT_DENY_CONSENT");
    go("denied");
  };

  // Logging in

  const logIn = async (form) => {
    const username = form.username.value.trim(), password = form.password.value;
    for (const field of [form.username, form.password])
      field.setAttribute("aria-invalid", String(!field.value.trim()));
    if (!username || !password.trim()) {
      alert("refused", "Enter your username and password.");
      (username ? form.password : form.username).focus();
      return;
    }
    post("SUBMIT_CREDENTIAL");
    go("connecting");
    form.password.value = "";
    try {
      const body = { institution: institution.code, username, password };
      const [said] = await Promise.all([call("login", body), pause(SPINNER_MS)]);
      arrive(said);
    } catch (error) {
      if (!WRONG_CREDENTIAL.has(error.code)) throw error;
      post(error.code, { flinksCode: error.code });
      enter(error.message);
    }
  };

  const ask = (wrong = null) => {
    alert("wrong", wrong);
    go("mfa");
    post(wrong ? "COMPONENT_LOAD_MFA_RETRY" : "COMPONENT_LOAD_MFA");
  };

  const answer = async (form) => {
    const value = form.answer.value.trim();
    if (!value) {
      alert("wrong", "An answer is needed to go on.");
      form.answer.focus();
      return;
    }
    post("SUBMIT_MFA");
    go("connecting");
    form.answer.value = "";
    try {
      const [said] = await Promise.all([call("answer", { answer: value }), pause(SPINNER_MS)]);
      arrive(said);
    } catch (error) {
      if (error.code !== WRONG_ANSWER) throw error;
      post(error.code, { flinksCode: error.code });
      ask(error.message);
    }
  };

  const arrive = (said) => {
    if (said.prompt) {
      find("prompt").textContent = said.prompt;
      ask();
      return;
    }
    login = said;
    if (!boot.accountSelectorEnable) {
      finish(null);
      return;
    }
    const shown = login.accounts.filter((one) => !boot.currency || one.currency === boot.currency);
    Steps.listAccounts(shown);
    go("accounts");
    post("COMPONENT_LOAD_ACCOUNT_SELECTION", {
      totalAccounts: login.accounts.length, displayedAccounts: shown.length,
    });
  };

  const choose = async (form) => {
    const accountId = new FormData(form).get("account");
    find("choose-one").hidden = Boolean(accountId);
    if (!accountId) return;
    post("ACCOUNT_SELECTED", { accountId });
    finish(accountId);
  };

  // The end

  const finish = (accountId) => {
    const chosen = accountId ? { accountId } : {};
    const tagged = boot.tag ? { tag: boot.tag } : {};
    const url = new URL(landing ?? boot.result);
    const found = { loginId: login.loginId, ...chosen, institution: institution.code, ...tagged };
    for (const [name, value] of Object.entries(found)) url.searchParams.set(name, value);
    post("REDIRECT", { url: url.href, loginId: login.loginId, ...chosen, ...tagged });
    go("done");
    if (!landing || boot.jsRedirect) return;
    try {
      (boot.innerRedirect ? window : window.top).location.assign(url.href);
    } catch {
      // The browser or the host forbids it; the host has the message.
    }
  };

  // Wiring

  const onSubmit = (id, work) =>
    find(id).addEventListener("submit", (event) => {
      event.preventDefault();
      work(event.target).catch(fail);
    });

  const onClick = (id, work) => find(id).addEventListener("click", work);

  const wire = () => {
    onSubmit("login", logIn);
    onSubmit("mfa", answer);
    onSubmit("accounts", choose);
    onClick("accept", accept);
    onClick("decline", decline);
    onClick("reconsider", () => go("consent"));
    onClick("again", () => enter());
    onClick("back", () => (step === "mfa" ? enter() : selectBank()));
    onClick("close", () => post("COMPONENT_CLOSE_SESSION"));
    find("query").addEventListener("input", listBanks);
    find("close").hidden = !boot.closeEnable;
  };

  const begin = () => {
    if (boot.chosen) enter();
    else selectBank();
  };

  wire();
  post("APP_MOUNTED");
  if (!boot.token) {
    step = "expired";
    show(step, { focus: false });
    post("TOKEN_INVALID");
  } else if (boot.consentEnable) {
    show(step, { focus: window.parent === window });
    post("COMPONENT_LOAD_CONSENT");
  } else begin();
})();
