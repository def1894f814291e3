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

  const tag = (element, id) => {
    element.dataset.testid = id;
    return element;
  };

  // Shows one step and moves the focus into it, so that a keyboard or a screen reader follows. On
  // loading the focus stays with the host's page.
  const show = (name, { focus = true } = {}) => {
    for (const section of sections()) section.hidden = section.dataset.step !== name;
    const section = sections().find((one) => !one.hidden);
    const heading = section.querySelector("h1");
    find("announce").textContent = heading.textContent;
    if (focus) (section.querySelector("[data-focus]") ?? heading).focus();
  };

  const nameInstitution = (institution) => {
    for (const place of document.querySelectorAll("[data-institution]"))
      place.textContent = institution.name;
    for (const place of document.querySelectorAll("[data-initial]"))
      place.textContent = institution.name.slice(0, 1);
  };

  const drawInstitution = (institution, choose) => {
    const mark = make("span", { className: "mark", ariaHidden: "true" });
    mark.textContent = institution.name.slice(0, 1);
    const words = make("span", { className: "two-lines" }, institution.name);
    words.append(make("span", { className: "quiet small" }, new URL(institution.url).host));
    const button = make("button", { type: "button" }, mark, words);
    button.addEventListener("click", () => choose(institution));
    const row = make("li", {}, tag(button, `institution-${institution.code}`));
    row.dataset.key = institution.code;
    return row;
  };

  // A row that stays is left alone while somebody types: the focus may be on it, or a finger.
  const listInstitutions = (institutions, choose) => {
    const list = find("results");
    const shown = new Map([...list.children].map((row) => [row.dataset.key, row]));
    const rows = institutions.map((one) => shown.get(String(one.code)) ?? drawInstitution(one, choose));
    for (const row of shown.values()) if (!rows.includes(row)) row.remove();
    rows.forEach((row, at) => {
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    find("none").hidden = rows.length > 0;
  };

  const alert = (id, text) => {
    find(id).hidden = !text;
    find(id).textContent = text ?? "";
  };

  const radio = (name, value, id, ...words) => {
    const input = tag(make("input", { type: "radio", name, value }), id);
    return make("li", {}, make("label", {}, input, ...words));
  };

  const drawChallenge = (challenge) => {
    const place = find("challenge");
    if (challenge.type === "OPTIONS") {
      const rows = challenge.options.map((option) =>
        radio("answer", option.value, `option-${option.value}`, option.label));
      const legend = make("legend", {}, challenge.label);
      const list = make("ul", { className: "choices" }, ...rows);
      place.replaceChildren(make("fieldset", { className: "plain" }, legend, list));
      place.querySelector("input").dataset.focus = "";
      return;
    }
    const input = make("input", {
      type: "text", name: "answer", autocomplete: "off", spellcheck: false, maxLength: 120,
    });
    input.dataset.focus = "";
    const label = make("label", {}, challenge.label, tag(input, "answer"));
    const picture = challenge.image_data
      ? [make("img", { src: challenge.image_data, alt: "A word to type", className: "picture" })]
      : [];
    place.replaceChildren(...picture, label);
  };

  const listAccounts = (accounts) => {
    const rows = accounts.map((account) => radio(
      "account", account.guid, `account-${account.name.toLowerCase()}`,
      make("span", { className: "two-lines" }, account.name,
        make("span", { className: "quiet small" }, `Ending in ${account.mask}`)),
      make("span", { className: "end" }, account.balance)));
    find("account-list").replaceChildren(...rows);
  };

  return { find, show, nameInstitution, listInstitutions, alert, drawChallenge, listAccounts };
})();
