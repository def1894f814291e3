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

  const alert = (id, text) => {
    find(id).hidden = !text;
    find(id).textContent = text ?? "";
  };

  const nameInstitution = ({ name }) => {
    for (const place of document.querySelectorAll("[data-institution]")) place.textContent = name;
    for (const place of document.querySelectorAll("[data-initial]"))
      place.textContent = name.slice(0, 1);
  };

  const listInstitutions = (institutions, choose) => {
    const rows = institutions.map((institution) => {
      const mark = make("span", { className: "mark", ariaHidden: "true" });
      mark.textContent = institution.name.slice(0, 1);
      const button = make("button", { type: "button" }, mark, institution.name);
      button.addEventListener("click", () => choose(institution));
      return make("li", {}, tag(button, `institution-${institution.code}`));
    });
    find("results").replaceChildren(...rows);
    find("none").hidden = rows.length > 0;
  };

  const listAccounts = (accounts) => {
    const rows = accounts.map((account) => {
      const input = make("input", { type: "radio", name: "account", value: account.id });
      const words = make("span", { className: "two-lines" }, account.title,
        make("span", { className: "quiet small" }, `Ending in ${account.mask}`));
      const amount = make("span", { className: "end" }, `${account.balance} ${account.currency}`);
      return make("li", {}, make("label", {}, tag(input, `account-${account.mask}`), words, amount));
    });
    find("account-list").replaceChildren(...rows);
  };

  return { find, show, alert, nameInstitution, listInstitutions, listAccounts };
})();
