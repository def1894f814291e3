// The card fields in their frame. They talk to index.js through a port, and to the simulator.
import { digitsOf, grouped, groupedExpiry, problemsWith, readExpiry, schemeOf } from "./fields.js";

const form = document.getElementById("card");
const origin = form.dataset.origin;
const base = form.dataset.prefix;
const field = Object.fromEntries(
  ["number", "expiry", "code", "name"].map((name) => [name, document.getElementById(name)]));
const alertBox = document.getElementById("alert");
const complete = document.getElementById("complete");
const button = document.getElementById("pay");

const state = { config: null, port: null, busy: false, done: false, bin: "", refusedBin: null, asked: 0 };
const answers = new Map();

const tell = (tells, more = {}) => state.port.postMessage({ tells, ...more });
const ask = (name, value) => new Promise((resolve) => {
  answers.set(++state.asked, resolve);
  tell("ask", { id: state.asked, name, value });
});

// ── texts and looks ─────────────────────────────────────────────────────────────────────────────

const TEXTS = {
  "pay_button.payment_processing": "Processing…",
  "pay_button.payment_complete": "Done",
  "pay_button.payment_failed": "Try again",
};
const DECLINED = {
  not_enough_funds: "The card does not have enough funds. Try another card.",
  invalid_customer_data: "The card was declined. Check the details, or try another card.",
};
const REFUSED = {
  card_number_invalid: ["number", "Only Checkout.com’s test cards are accepted here."],
  card_expired: ["expiry", "The card has expired."],
  cvv_invalid: ["code", "Enter the 3 digits on the back."],
};
const FAILED = {
  payment_session_expired: "This took too long. Start again.",
  payment_session_paid: "This is done already.",
  payment_attempts_exceeded: "Too many tries. Start again.",
};

const price = () => state.config.amount
  ? `Pay ${(state.config.amount / 100).toLocaleString("en", { style: "currency", currency: state.config.currency })}`
  : "Save card";
const label = (key) => {
  const text = state.config.texts[`pay_button.${key}`];
  return typeof text === "string" ? text : TEXTS[`pay_button.${key}`] || price();
};

const showProblem = (name, text) => {
  field[name].setAttribute("aria-invalid", String(Boolean(text)));
  const place = document.getElementById(`${name}-problem`);
  place.textContent = text || "";
  place.hidden = !text;
};
const showAlert = (text) => {
  alertBox.textContent = text || "";
  alertBox.hidden = !text;
};

// ── what is entered ─────────────────────────────────────────────────────────────────────────────

const read = () => ({
  number: digitsOf(field.number.value),
  expiry: field.expiry.value,
  code: state.config.code ? field.code.value : null,
});
const problems = () => {
  const found = problemsWith(read());
  if (state.refusedBin) found.number = state.refusedBin;
  return found;
};
const check = () => {
  const found = problems();
  for (const name of ["number", "expiry", "code"]) showProblem(name, found[name]);
  const first = ["number", "expiry", "code"].find((name) => found[name]);
  if (first) field[first].focus();
  return !first;
};

// Regroup what is in a field, and leave the caret at its digit: past a gap that was typed up to, but
// before one that is being erased, which would else come back for ever.
const keepCaret = (input, regroup, erasing) => {
  const before = digitsOf(input.value.slice(0, input.selectionStart)).length;
  input.value = regroup(input.value);
  let at = 0;
  for (let seen = 0; at < input.value.length && seen < before; at += 1)
    if (/\d/.test(input.value[at])) seen += 1;
  if (!erasing && /\D/.test(input.value[at] || "0")) at += 1;
  input.setSelectionRange(at, at);
};

const changed = async (input, erasing) => {
  if (input === field.number) keepCaret(input, grouped, erasing);
  if (input === field.expiry) keepCaret(input, groupedExpiry, erasing);
  if (input.getAttribute("aria-invalid") === "true") showProblem(input.id, problems()[input.id]);
  tell("change", { valid: Object.keys(problems()).length === 0 });
  const number = digitsOf(field.number.value);
  const bin = number.length >= 8 ? number.slice(0, 8) : "";
  if (bin === state.bin) return;
  state.bin = bin;
  state.refusedBin = null;
  if (!bin) return;
  const answer = await ask("onCardBinChanged", { bin, scheme: schemeOf(bin) });
  if (answer.continue || bin !== state.bin) return;
  state.refusedBin = answer.errorMessage || "This card is not accepted.";
  showProblem("number", state.refusedBin);
};

// ── paying ──────────────────────────────────────────────────────────────────────────────────────

// An error of Flow's, told to the page as it is.
class Failure extends Error {
  constructor(type, code, message, details = {}) {
    super(message);
    this.told = { type, code, message, details };
  }
}

const post = async (path, body, code) => {
  const headers = { Authorization: `Bearer ${state.config.publicKey}`, "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Failure("Request", "network_error", "The network did not answer. Try again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const codes = Array.isArray(answer.error_codes) ? answer.error_codes : [];
  const text = response.status === 401 ? "The public key was not accepted." : FAILED[codes[0]] || "This did not work. Try again.";
  throw new Failure("Request", code, text, {
    requestErrorCodes: codes, requestId: response.headers.get("Cko-Request-Id"), status: response.status,
  });
};

const tokenize = async () => {
  const { number, expiry, code } = read();
  const when = readExpiry(expiry);
  const asked = { type: "card", number, expiry_month: when.month, expiry_year: when.year };
  if (code !== null) asked.cvv = code;
  if (field.name.value.trim()) asked.name = field.name.value.trim();
  const data = await post("/tokens", asked, "tokenize_request_failed");
  const type = data.card_type.toLowerCase().replace(/ /g, "_");
  const { types, schemes } = state.config;
  if ((types && !types.includes(type)) || (schemes && !schemes.includes(data.scheme.toLowerCase())))
    throw new Failure("Request", "payment_request_aborted", "This kind of card is not accepted.",
      { abortReason: "card_not_supported" });
  return { type: "card", data };
};

const pay = async () => {
  tell("submit");
  const tokenized = await tokenize();
  const answer = await ask("onTokenized", tokenized);
  if (!answer.continue)
    throw new Failure("Request", "payment_request_aborted", answer.errorMessage || "The page stopped it.",
      answer.errorMessage ? { customMessage: answer.errorMessage } : {});
  const { session } = state.config;
  const payment = await post(`/payment-sessions/${encodeURIComponent(session.id)}/pay`,
    { type: "card", payment_session_secret: session.secret, token: tokenized.data.token },
    "payment_request_failed");
  if (payment.status !== "Approved")
    throw new Failure("Request", "payment_request_declined",
      DECLINED[payment.decline_reason] || "The card was declined. Try again, or use another card.",
      { paymentId: payment.id, requestErrorCodes: [payment.decline_reason] });
  return payment;
};

const tellFailure = (failure) => {
  const told = failure instanceof Failure ? failure.told
    : { type: "PaymentMethod", code: "payment_method_attempt_failed", message: "This did not work.", details: {} };
  const [name, text] = REFUSED[(told.details.requestErrorCodes || [])[0]] || [null, told.message];
  if (name) {
    showProblem(name, text);
    field[name].focus();
  } else {
    showAlert(text);
  }
  tell("failed", { error: told });
};

const lock = (locked) => {
  state.busy = locked;
  for (const input of Object.values(field)) input.readOnly = locked;
  button.disabled = locked;
};

// One attempt at a time, from the fields as they are: `work` gets its own answer told.
const attempt = async (work, failing) => {
  if (state.busy || state.done) return;
  showAlert("");
  if (!check()) {
    tell("failed", { error: { type: "Submit", code: "component_invalid", message: "The card details are not complete.", details: {} } });
    return;
  }
  lock(true);
  try {
    await work();
  } catch (failure) {
    if (failing) button.textContent = label(failing);
    lock(false);
    tellFailure(failure);
  }
};

const submit = () => attempt(async () => {
  button.textContent = label("payment_processing");
  const payment = await pay();
  state.done = true;
  form.reset();
  form.classList.add("done");
  complete.textContent = state.config.amount ? "Your payment is complete." : "Your card is saved.";
  complete.hidden = false;
  for (const input of Object.values(field)) input.disabled = true;
  button.textContent = label("payment_complete");
  tell("completed", { payment: { id: payment.id, status: payment.status, type: payment.type } });
}, "payment_failed");

const tokenizeOnly = () => attempt(async () => {
  tell("tokenized", { value: await tokenize() });
  lock(false);
});

// ── beginning ───────────────────────────────────────────────────────────────────────────────────

const begin = () => {
  const { config } = state;
  document.getElementById("name-row").hidden = config.name === "hidden";
  document.getElementById("code-row").hidden = !config.code;
  if (config.name === "top") alertBox.after(document.getElementById("name-row"));
  field.name.value = config.nameGiven;
  button.hidden = !config.payButton;
  button.textContent = label("pay");
  document.getElementById("loading").hidden = true;
  form.hidden = false;
  for (const input of Object.values(field)) 
    input.addEventListener("input", (event) => changed(input, /^delete/.test(event.inputType || "")));
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  new ResizeObserver(() => tell("height", { height: document.body.offsetHeight })).observe(document.body);
  tell("ready");
};

const update = ({ value: { amount, currency } }) => {
  Object.assign(state.config, { amount, currency });
  if (!state.busy && !state.done) button.textContent = label("pay");
};

const heard = { submit, tokenize: tokenizeOnly, update };

window.addEventListener("message", (event) => {
  if (state.port || event.source !== window.parent || event.origin !== origin) return;
  if (!event.data || event.data.checkoutFlow !== "init" || !event.ports[0]) return;
  state.config = event.data.config;
  [state.port] = event.ports;
  state.port.onmessage = ({ data }) => {
    if (Object.hasOwn(data, "answer")) {
      answers.get(data.answer)?.(data.value);
      answers.delete(data.answer);
    } else if (Object.hasOwn(heard, data.asks)) {
      heard[data.asks](data);
    }
  };
  begin();
});

// Nothing secret is in it; the answer is only taken from the origin that this page was made for.
if (window.parent !== window) window.parent.postMessage({ checkoutFlow: "hello" }, "*");
