"use strict";
// The journey through the page: search, log in, answer, choose an account, done.
(() => {
  const { find, show, alert } = Steps;
  const root = find("connect");
  const boot = JSON.parse(root.dataset.boot);
  const SEARCH_PAUSE_MS = 200, SPINNER_MS = 350, POLL_MS = 1000;

  let step = boot.step;
  let institution = boot.institution;
  let member = boot.member;
  let number = member ? member.number : null;
  let polling = null;
  let chosen = null;

  const call = async (verb, body = {}) => {
    const answer = await fetch(`${root.dataset.prefix}/_connect/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${boot.token}` },
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error.message);
    return said;
  };

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const brief = () => ({ code: institution.code, guid: institution.guid });

  // MX's names for the steps; where it has none for ours, the nearest word.
  const WIRE_NAMES = {
    oauth: "enterCreds", accounts: "singleAccountSelect", failed: "actionableError",
  };
  const wireName = (name) => WIRE_NAMES[name] ?? name;

  const canGoBack = () => {
    if (step === "mfa" || step === "failed") return !boot.repair;
    return ["enterCreds", "oauth"].includes(step) && !boot.repair;
  };

  const go = (next) => {
    const previous = wireName(step), current = wireName(next);
    step = next;
    show(next);
    find("back").hidden = !canGoBack();
    if (previous !== current) Host.post("mx/connect/stepChange", { previous, current });
  };

  const fail = (message) => {
    alert("failure", message);
    find("other").hidden = boot.repair || !boot.search;
    go("failed");
  };

  // Search

  const search = async (query) => {
    const found = await call("search", { query });
    if (query !== find("query").value.trim()) return; // an answer that was overtaken
    Steps.listInstitutions(found.institutions, select);
    const count = found.institutions.length;
    find("announce").textContent = count === 1 ? "1 bank found" : `${count} banks found`;
    if (query) Host.post("mx/connect/institutionSearch", { query });
  };

  const searchSoon = async () => {
    const query = find("query").value.trim();
    await pause(SEARCH_PAUSE_MS);
    if (query === find("query").value.trim()) await attempt(() => search(query));
  };

  const searchAgain = async () => {
    go("search");
    await search(find("query").value.trim());
  };

  const select = async (found) => {
    const { code, guid, name, url } = found;
    institution = found;
    member = null;
    number = null;
    Steps.nameInstitution(institution);
    Host.post("mx/connect/selectedInstitution", { code, guid, name, url });
    await attempt(enter);
  };

  const enter = async () => {
    alert("refused", null);
    alert("turned-back", null);
    if (institution.oauth) await prepareOAuth();
    else go("enterCreds");
  };

  const backToSearch = () => {
    stopPolling();
    Host.post("mx/connect/backToSearch", {});
    if (boot.search) go("search");
  };

  // Logging in

  const keep = (shown) => {
    member = shown;
    if (member.number === number) return;
    number = member.number;
    Host.post("mx/connect/memberStatusUpdate", {
      member_guid: member.guid, connection_status: number,
    });
  };

  const logIn = async (form) => {
    const username = form.username.value.trim(), password = form.password.value;
    for (const field of [form.username, form.password])
      field.setAttribute("aria-invalid", String(!field.value));
    if (!username || !password) {
      alert("refused", "Enter your username and password.");
      (username ? form.password : form.username).focus();
      return;
    }
    const guid = member?.guid;
    if (boot.repair)
      Host.post("mx/connect/updateCredentials", { member_guid: guid, institution: brief() });
    else Host.post("mx/connect/enterCredentials", { institution: brief() });
    alert("refused", null); // of the try before: who comes back here is to find it clean
    go("connecting");
    form.password.value = "";
    const body = { institution_code: institution.code, username, password, member_guid: guid };
    const [said] = await Promise.all([call("login", body).catch(report), pause(SPINNER_MS)]);
    if (said) await arrive(said.member);
  };

  // A member that could not be made at all; MX has a message for it.
  const report = (error) => {
    Host.post("mx/connect/createMemberError", {
      institution_guid: institution.guid, institution_code: institution.code,
    });
    fail(error.message);
  };

  // Shows what the member's state asks for.
  const arrive = async (shown) => {
    keep(shown);
    const { status } = member;
    if (status === "CONNECTED") return connected();
    if (member.challenge) return ask();
    if (status === "DENIED" || status === "PREVENTED") {
      alert("refused", member.message);
      go("enterCreds");
      return null;
    }
    return fail(member.message);
  };

  const ask = () => {
    Steps.drawChallenge(member.challenge);
    alert("wrong", member.status === "REJECTED" ? member.message : null);
    go("mfa");
  };

  const answer = async (form) => {
    const value = new FormData(form).get("answer")?.trim();
    if (!value) {
      alert("wrong", "An answer is needed to go on.");
      form.querySelector("[data-focus]").focus();
      return;
    }
    Host.post("mx/connect/submitMFA", { member_guid: member.guid });
    go("connecting");
    const body = { member_guid: member.guid, answer: value };
    const [said] = await Promise.all([call("answer", body), pause(SPINNER_MS)]);
    await arrive(said.member);
  };

  // The bank's own site

  const prepareOAuth = async () => {
    const said = await call("invite", { institution_code: institution.code });
    keep(said.member);
    find("leave").href = said.url;
    find("waiting").hidden = true;
    go("oauth");
  };

  const leave = (event) => {
    if (boot.webview) event.preventDefault(); // there the app opens the device's browser
    const { href } = find("leave");
    Host.post("mx/connect/oauthRequested", { url: href, member_guid: member.guid });
    find("waiting").hidden = false;
    stopPolling();
    polling = setInterval(() => attempt(look), POLL_MS);
  };

  const stopPolling = () => {
    clearInterval(polling);
    polling = null;
  };

  const look = async () => {
    const mine = polling;
    const said = await call("member", { member_guid: member.guid });
    if (polling !== mine || !said.member.decided) return; // or an answer that was overtaken
    stopPolling();
    if (!said.member.refused) {
      await arrive(said.member);
      return;
    }
    keep(said.member);
    Host.post("mx/connect/oauthError", { member_guid: member.guid });
    await prepareOAuth();
    alert("turned-back", `${institution.name} has not shared your accounts. You can try again.`);
  };

  // Accounts, and the end

  const connected = async () => {
    if (member.accounts.length === 0) {
      Host.post("mx/connect/invalidData", { member_guid: member.guid, code: 1000 });
      fail("There is no checking or savings account to connect.");
      return;
    }
    if (!member.choose) {
      finish();
      return;
    }
    Steps.listAccounts(member.accounts);
    go("accounts");
  };

  const choose = async (form) => {
    const guid = new FormData(form).get("account");
    find("choose-one").hidden = Boolean(guid);
    if (!guid) return;
    chosen = member.accounts.find((account) => account.guid === guid);
    await call("choose", { member_guid: member.guid, account_guids: [guid] });
    finish();
  };

  const finish = () => {
    if (!boot.repair)
      for (const account of chosen ? [chosen] : member.accounts)
        Host.post("mx/account/created", { guid: account.guid });
    Host.post("mx/connect/memberConnected", { member_guid: member.guid });
    conclude();
  };

  const conclude = () => {
    const what = chosen ? `${chosen.name} ending in ${chosen.mask} at ` : "";
    find("summary").textContent = `${what}${institution.name} is connected.`;
    go("connected");
  };

  const done = () => {
    Host.post("mx/connect/connected/primaryAction");
    if (Host.framed || boot.webview) return;
    if (!boot.redirect) {
      find("closing").hidden = false;
      find("done").hidden = true;
      return;
    }
    const result = new URLSearchParams({ status: "success", member_guid: member.guid });
    window.location.assign(boot.redirect + (boot.redirect.includes("?") ? "&" : "?") + result);
  };

  // Wiring

  const attempt = async (work) => {
    try {
      await work();
    } catch (error) {
      stopPolling();
      fail(error.message);
    }
  };

  const goBack = () => {
    if (!canGoBack()) return false;
    if (step === "mfa") go("enterCreds");
    else backToSearch();
    return true;
  };

  const onSubmit = (id, work) =>
    find(id).addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => work(event.target));
    });

  const wire = () => {
    onSubmit("login", logIn);
    onSubmit("mfa", answer);
    onSubmit("accounts", choose);
    find("query").addEventListener("input", searchSoon);
    find("leave").addEventListener("click", leave);
    find("back").addEventListener("click", goBack);
    find("again").addEventListener("click", () => attempt(institution ? enter : searchAgain));
    find("other").addEventListener("click", backToSearch);
    find("done").addEventListener("click", done);
  };

  // The first step is drawn in place: no step change, and the focus stays where it is.
  const begin = async () => {
    if (institution) Steps.nameInstitution(institution);
    if (boot.step === "enterCreds" && institution.oauth) step = "oauth";
    if (boot.step === "mfa") Steps.drawChallenge(member.challenge);
    if (boot.step === "connected") find("summary").textContent = member.message;
    if (boot.step === "loginError") {
      alert("failure", member.message);
      find("other").hidden = true;
      step = "failed";
    }
    show(step, { focus: !Host.framed });
    find("back").hidden = !canGoBack();
    if (step === "oauth") await attempt(prepareOAuth);
    if (boot.search && !boot.repair) await attempt(() => search(""));
  };

  wire();
  Host.start(boot, { back: goBack, ping: () => call("ping").catch(() => {}) });
  Host.post("mx/connect/loaded", { initial_step: boot.step });
  begin();
})();
