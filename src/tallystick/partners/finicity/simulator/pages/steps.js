"use strict";
// Drawing the steps. What happens between them is in connect.js.
const Steps = (() => {
  const find = (id) => document.getElementById(id);
  const sections = () => [...document.querySelectorAll("[data-step]")];

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const named = (element, id) => {
    element.dataset.testid = id;
    return element;
  };

  // Shows one step and moves the focus into it, so that a keyboard or a screen reader follows.
  const show = (name, { focus = true } = {}) => {
    for (const section of sections()) section.hidden = section.dataset.step !== name;
    const section = sections().find((one) => !one.hidden);
    const heading = section.querySelector("h1");
    find("announce").textContent = heading.textContent;
    if (focus) (section.querySelector("[data-focus]") ?? heading).focus();
  };

  const alert = (id, text) => {
    find(id).hidden = !text;
    find(id).textContent = text ?? "";
  };

  const nameInstitution = (institution) => {
    for (const place of document.querySelectorAll("[data-institution]"))
      place.textContent = institution.name;
  };

  const drawInstitution = (institution, choose) => {
    const mark = make("span", { className: "mark", ariaHidden: "true" }, institution.name[0]);
    const button = make("button", { type: "button" }, mark, institution.name);
    button.addEventListener("click", () => choose(institution));
    const row = make("li", {}, named(button, `institution-${institution.id}`));
    row.dataset.key = institution.id;
    return row;
  };

  // A row that stays is left alone while somebody types: the focus may be on it, or a finger.
  const listInstitutions = (institutions, choose) => {
    const list = find("results");
    const shown = new Map([...list.children].map((row) => [row.dataset.key, row]));
    const rows = institutions.map((one) => shown.get(String(one.id)) ?? drawInstitution(one, choose));
    for (const row of shown.values()) if (!rows.includes(row)) row.remove();
    rows.forEach((row, at) => {
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    find("none").hidden = rows.length > 0;
  };

  const pick = (type, name, value, id, ...words) => {
    const input = named(make("input", { type, name, value }), id);
    return make("li", {}, make("label", {}, input, ...words));
  };

  const drawChallenge = (challenge) => {
    const place = find("challenge");
    if (challenge.options.length > 0) {
      const rows = challenge.options.map((option) =>
        pick("radio", "answer", option, `option-${option}`, option));
      const list = make("ul", { className: "choices" }, ...rows);
      place.replaceChildren(make("fieldset", { className: "plain" },
        make("legend", {}, challenge.text), list));
      place.querySelector("input").dataset.focus = "";
      return;
    }
    const input = named(make("input", {
      type: "text", name: "answer", autocomplete: "off", spellcheck: false, maxLength: 120,
    }), "answer");
    input.dataset.focus = "";
    const picture = challenge.picture
      ? [make("img", { src: challenge.picture, alt: "A word to type", className: "picture" })]
      : [];
    place.replaceChildren(...picture, make("label", {}, challenge.text, input));
  };

  const listAccounts = (accounts) => {
    const rows = accounts.map((account) => pick(
      "checkbox", "account", account.name, `account-${account.name}`,
      make("span", { className: "two-lines" }, account.name,
        make("span", { className: "quiet small" }, `Ending in ${account.mask}`)),
      make("span", { className: "end" }, account.balance)));
    find("account-list").replaceChildren(...rows);
  };

  return { find, show, alert, nameInstitution, listInstitutions, drawChallenge, listAccounts };
})();
