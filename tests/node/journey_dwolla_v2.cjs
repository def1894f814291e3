// The journey of Dwolla's own example applications, with npm dwolla-v2.
const { Client } = require("dwolla-v2");
const { url, key, secret, partner, consent, ownContract, idOf, CARD } = require("./shared.cjs");

async function main() {
  const dwolla = new Client({ key, secret, environment: "sandbox" });
  dwolla.apiUrl = url;
  dwolla.tokenUrl = `${url}/token`;
  const found = {};

  const created = await dwolla.post("customers", {
    firstName: "Ada",
    lastName: "Byron",
    email: `ada-${partner}@example.com`,
  });
  const customer = created.headers.get("location");

  const partners = await dwolla.get("exchange-partners");
  const href = partners.body._embedded["exchange-partners"].find(
    (each) => each.name.toUpperCase() === partner.toUpperCase(),
  )._links.self.href;
  const links = { "exchange-partner": { href } };

  let { proof } = await ownContract(partner);
  if (!proof) {
    const cardDetails = { firstName: "James", lastName: "Taylor", accountNameInquiry: true };
    const session = (
      await dwolla.post(`${customer}/exchange-sessions`, {
        _links: links,
        ...(partner === "Checkout.com" && { cardDetails }),
      })
    ).headers.get("location");
    const shown = (await dwolla.get(session)).body;
    found.token = shown.externalProviderSessionToken;
    found.page = shown._links["external-provider-session"]?.href;
    found.data = Object.keys(shown.externalProviderSessionData ?? {});
    ({ proof } = await consent(idOf(session), partner));
  }
  if (partner === "MX") {
    const listed = await dwolla.get(`${customer}/available-exchange-connections`);
    const offered = listed.body._embedded["available-exchange-connections"];
    found.offered = offered.map((each) => each.name);
    proof = { mx: { availableConnectionToken: offered[0].availableConnectionToken } };
  }
  const exchange = (
    await dwolla.post(`${customer}/exchanges`, { _links: links, ...proof })
  ).headers.get("location");
  const exchanged = (await dwolla.get(exchange)).body;
  found.exchange = exchanged.status;
  found.name = exchanged.cardDetails?.accountNameInquiry;

  // The example builds this link itself, from the host it believes it talks to.
  const believed = `https://api-sandbox.dwolla.com/exchanges/${idOf(exchange)}`;
  const source = (
    await dwolla.post(`customers/${idOf(customer)}/funding-sources`, {
      _links: { exchange: { href: believed } },
      ...(partner === "Checkout.com" ? { cardDetails: CARD } : { bankAccountType: "checking" }),
      name: "Ada - Checking",
    })
  ).headers.get("location");
  const bank = (await dwolla.get(source)).body;
  found.source = [bank.status, bank.type, bank.bankAccountType, bank.removed];

  const events = await dwolla.get("events", { limit: 5 });
  found.topics = events.body._embedded.events.map((each) => each.topic).reverse();

  found.refused = await dwolla
    .post(`${customer}/exchanges`, { _links: links, ...proof })
    .then(() => null, (error) => [error.status, error.body.code]);
  found.absent = await dwolla
    .get("customers/00000000-0000-4000-8000-000000000000")
    .then(() => null, (error) => [error.status, error.body.message]);
  found.removed = (await dwolla.post(source, { removed: true })).body.removed;
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
