"use strict";
// Drawing the steps. What happens between them is in link.js.
const Steps = (() => {
  const find = (id) => document.getElementById(id);
  const sections = () => [...document.querySelectorAll("[data-step]")];

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const tag = (element, id) => {
    element.dataset.testid = id;
    return element;
  };

  const current = () => sections().find((section) => !section.hidden);

  // Shows one step and moves the focus into it, so that a keyboard or a screen reader follows.
  const show = (name) => {
    for (const section of sections()) section.hidden = section.dataset.step !== name;
    const section = current();
    const heading = section.querySelector("h1");
    find("announce").textContent = heading.textContent.trim();
    (section.querySelector("[data-focus]") ?? heading).focus({ preventScroll: true });
    document.scrollingElement.scrollTop = 0;
  };

  const alert = (text) => {
    for (const place of document.querySelectorAll("[data-alert]")) {
      const here = Boolean(text) && !place.closest("section").hidden;
      place.hidden = !here;
      place.textContent = here ? text : "";
    }
    for (const input of document.querySelectorAll("form input")) {
      const wrong = Boolean(text) && !input.closest("section").hidden;
      input.toggleAttribute("aria-invalid", false);
      if (wrong && input.type !== "checkbox" && input.type !== "radio")
        input.setAttribute("aria-invalid", "true");
    }
  };

  // The bank's colour goes on its mark alone; white on it is legible for every colour we ship.
  const paint = (mark, institution) => {
    mark.textContent = institution.name.slice(0, 1);
    mark.style.setProperty("--accent", institution.colour);
    mark.style.setProperty("--accent-ink", "#fff");
    return mark;
  };

  const name = (view) => {
    for (const place of document.querySelectorAll("[data-client]"))
      place.textContent = view.client_name;
    find("client-initial").textContent = view.client_name.slice(0, 1);
    for (const place of document.querySelectorAll("[data-update]")) place.hidden = !view.update;
    if (!view.institution) return;
    for (const place of document.querySelectorAll("[data-institution]"))
      place.textContent = view.institution.name;
    for (const place of document.querySelectorAll("[data-mark]")) paint(place, view.institution);
  };

  const drawInstitution = (institution, choose) => {
    const mark = paint(make("span", { className: "mark" }), institution);
    mark.setAttribute("aria-hidden", "true");
    const words = make("span", { className: "two-lines" }, institution.name,
      make("span", { className: "quiet small" }, institution.host));
    const button = make("button", { type: "button" }, mark, words);
    button.addEventListener("click", () => choose(institution));
    const row = make("li", {}, tag(button, `institution-${institution.institution_id}`));
    row.dataset.key = institution.institution_id;
    return row;
  };

  // A row that stays is left alone while somebody types: the focus may be on it, or a finger.
  const listInstitutions = (institutions, choose) => {
    const list = find("results");
    const shown = new Map([...list.children].map((row) => [row.dataset.key, row]));
    const rows = institutions.map((one) => shown.get(String(one.institution_id)) ?? drawInstitution(one, choose));
    for (const row of shown.values()) if (!rows.includes(row)) row.remove();
    rows.forEach((row, at) => {
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    find("none").hidden = rows.length > 0;
  };

  const choice = (type, group, value, id, checked, ...words) => {
    const input = tag(make("input", { type, name: group, value, checked }), id);
    return make("li", {}, make("label", {}, input, ...words));
  };

  const drawPrompt = (prompt, number) => {
    const group = `answer-${number}`;
    if (prompt.options.length) {
      const rows = prompt.options.map((option, at) =>
        choice("radio", group, option, `option-${number}-${at}`, false, option));
      return make("fieldset", { className: "plain" }, make("legend", {}, prompt.question),
        make("ul", { className: "choices" }, ...rows));
    }
    const input = make("input", {
      type: "text", name: group, autocomplete: "off", spellcheck: false, maxLength: 120,
    });
    return make("label", {}, prompt.question, tag(input, group));
  };

  const drawPrompts = (mfa) => {
    const drawn = mfa.prompts.map(drawPrompt);
    find("prompts").replaceChildren(...drawn);
    find("prompts").querySelector("input").dataset.focus = "";
    find("mfa-hint").textContent = mfa.prompts.map((prompt) => prompt.hint).join(", ");
  };

  const readAnswers = (mfa) => mfa.prompts.map((prompt, number) => {
    const inputs = [...document.getElementsByName(`answer-${number}`)];
    const picked = prompt.options.length ? inputs.find((input) => input.checked) : inputs[0];
    return picked ? picked.value : "";
  });

  const money = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

  const listAccounts = (view) => {
    const rows = view.accounts.map((account) => choice(
      view.single ? "radio" : "checkbox", "account", account.name, `account-${account.mask}`,
      account.shared,
      make("span", { className: "two-lines" }, account.name,
        make("span", { className: "quiet small" }, `${account.subtype} ····\u00a0${account.mask}`)),
      make("span", { className: "end" }, money.format(account.balance))));
    find("account-list").replaceChildren(...rows);
  };

  const readAccounts = () => [...document.getElementsByName("account")]
    .filter((input) => input.checked).map((input) => input.value);

  const summarize = (view) => {
    const names = view.success.metadata.accounts.map((one) => `${one.name} ····\u00a0${one.mask}`);
    find("summary").textContent = view.update
      ? `Your connection to ${view.institution.name} works again.`
      : `${view.institution.name}: ${names.join(", ")}`;
  };

  return {
    find, show, current, alert, name, listInstitutions, drawPrompts, readAnswers, listAccounts,
    readAccounts, summarize,
  };
})();
