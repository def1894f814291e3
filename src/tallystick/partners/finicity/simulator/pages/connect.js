"use strict";
// The journey through the page: agree, find a bank, sign in, answer, choose accounts, submit.
(() => {
  const { find, show, alert } = Steps;
  const root = find("connect");
  const boot = JSON.parse(root.dataset.boot);
  const SEARCH_PAUSE_MS = 200, SPINNER_MS = 350, GONE = 401;
  // The step before, for the button that goes back.
  const BACK = { search: "share", login: "search", mfa: "login", accounts: "login" };
  // `connect-web-sdk` integrators know the screens by these names (SDK Route Events).
  const SCREENS = { search: "Search", accounts: "Add-Accounts", review: "Done" };

  const fixed = boot.institution;
  let institution = fixed;
  let step = null;
  let ended = false;

  const call = async (verb, body = {}) => {
    const answer = await fetch(`${root.dataset.prefix}/_connect/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${boot.token}` },
      body: JSON.stringify(body),
    });
    if (answer.status === 204) return null;
    const said = await answer.json();
    if (answer.ok) return said;
    throw Object.assign(new Error(said.user_message), { status: answer.status });
  };

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const go = (next, options) => {
    step = next;
    show(next, options);
    find("back").hidden = !BACK[next] || (Boolean(fixed) && BACK[next] === "search");
    if (SCREENS[next]) Host.route(SCREENS[next]);
    if (next === "login") Host.route("Add-Institution", { id: String(institution.id) });
  };

  // Nothing works from here on: the session is over, or the simulator is.
  const end = (report) => {
    if (ended) return;
    ended = true;
    report();
  };

  const attempt = async (work) => {
    try {
      await work();
    } catch (error) {
      alert("failure", error.message || "The page could not reach its server.");
      find("again").hidden = error.status === GONE;
      go("failed");
      if (error.status === GONE) end(Host.timeout);
    }
  };

  // Finding a bank

  const search = async (query) => {
    const found = await call("search", { query });
    if (query !== find("query").value.trim()) return; // an answer that was overtaken
    Steps.listInstitutions(found.institutions, select);
    const count = found.institutions.length;
    find("announce").textContent = count === 1 ? "1 bank found" : `${count} banks found`;
    if (query) Host.route("Search", { query, found: count });
  };

  const searchSoon = async () => {
    const query = find("query").value.trim();
    await pause(SEARCH_PAUSE_MS);
    if (query === find("query").value.trim()) await attempt(() => search(query));
  };

  const openSearch = async () => {
    find("query").value = "";
    go("search");
    await search("");
  };

  const select = (found) => {
    institution = found;
    Steps.nameInstitution(found);
    Host.user("SelectInstitution", {
      institutionId: String(found.id), institutionName: found.name, supported: true,
    });
    alert("refused", null);
    go("login");
  };

  // Signing in

  const logIn = async (form) => {
    const username = form.username.value.trim(), password = form.password.value;
    for (const field of [form.username, form.password])
      field.setAttribute("aria-invalid", String(!field.value));
    if (!username || !password) {
      alert("refused", "Enter your user id and password.");
      (username ? form.password : form.username).focus();
      return;
    }
    alert("refused", null); // of the try before: who comes back here is to find it clean
    go("wait");
    form.password.value = "";
    const body = { institutionId: institution.id, username, password };
    const [said] = await Promise.all([call("login", body), pause(SPINNER_MS)]);
    arrive(said);
  };

  const answer = async (form) => {
    const value = new FormData(form).get("answer")?.trim();
    if (!value) {
      alert("wrong", "An answer is needed to go on.");
      form.querySelector("[data-focus]").focus();
      return;
    }
    go("wait");
    const [said] = await Promise.all([call("answer", { answer: value }), pause(SPINNER_MS)]);
    arrive(said);
  };

  // Shows what the bank's answer asks for.
  const arrive = (said) => {
    if (said.code === 0 && boot.type === "fix") {
      conclude(`${institution.name} is connected again.`);
    } else if (said.code === 0) {
      Steps.listAccounts(said.accounts);
      find("choose-one").hidden = true;
      go("accounts");
    } else if (said.challenge) {
      Steps.drawChallenge(said.challenge);
      alert("wrong", null);
      go("mfa");
    } else {
      alert("refused", said.message);
      go("login");
    }
  };

  // Accounts, and the end

  const share = async (form) => {
    const accounts = new FormData(form).getAll("account");
    find("choose-one").hidden = accounts.length > 0;
    if (accounts.length === 0) return;
    Host.user("AddAccounts", { success: null, accounts: null, errorCode: null });
    const added = await call("add", { accounts });
    Host.user("AddAccounts", { success: true, accounts: added.accounts, errorCode: null });
    conclude(`${accounts.join(" and ")} at ${institution.name}.`);
  };

  const conclude = (summary) => {
    find("summary").textContent = summary;
    find("more").hidden = Boolean(fixed);
    go("review");
  };

  const submit = async () => {
    await call("done");
    end(Host.done);
    if (Host.framed) return;
    if (boot.redirect) {
      const result = new URLSearchParams({ code: "200", reason: "complete" });
      window.location.assign(boot.redirect + (boot.redirect.includes("?") ? "&" : "?") + result);
      return;
    }
    find("closing").hidden = false;
    find("submit").hidden = find("more").hidden = find("exit").hidden = true;
  };

  const exit = () => {
    end(step === "failed" ? Host.error : Host.cancel);
    if (!Host.framed && boot.redirect) {
      const result = new URLSearchParams({ code: "100", reason: "exit" });
      window.location.assign(boot.redirect + (boot.redirect.includes("?") ? "&" : "?") + result);
    }
  };

  const begin = async () => {
    if (fixed) select(fixed);
    else await openSearch();
  };

  const goBack = () => {
    if (BACK[step] === "search") attempt(openSearch);
    else if (BACK[step]) go(BACK[step]);
  };

  // Wiring

  const onSubmit = (id, work) =>
    find(id).addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => work(event.target));
    });

  onSubmit("login", logIn);
  onSubmit("mfa", answer);
  onSubmit("accounts", share);
  find("agree").addEventListener("click", () => attempt(begin));
  find("query").addEventListener("input", searchSoon);
  find("submit").addEventListener("click", () => attempt(submit));
  find("more").addEventListener("click", () => attempt(openSearch));
  find("again").addEventListener("click", () => attempt(begin));
  find("leave").addEventListener("click", exit);
  find("exit").addEventListener("click", exit);
  find("back").addEventListener("click", goBack);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && Host.framed) exit();
  });

  // On loading the focus stays with the host's page, which moves it here when it wants to.
  go("share", { focus: !Host.framed });
})();
