// The same journey with npm dwolla, whose parser checks every member of every answer.
import { Dwolla } from "dwolla";
import { RFCDate } from "dwolla/types/rfcdate.js";
import shared from "./shared.cjs";

const { url, key, secret, partner, consent, ownContract, idOf, CARD } = shared;
const found = {};
const dwolla = new Dwolla({ serverURL: url, security: { clientID: key, clientSecret: secret } });

const root = await dwolla.root.get();
found.account = Boolean(root.links.account.href);

const created = await dwolla.customers.create({
  firstName: "Ada",
  lastName: "Byron",
  email: `ada-ts-${partner}@example.com`,
  type: "unverified",
});
const id = idOf(created.headers.location[0]);
found.customer = (await dwolla.customers.get({ id })).status;

const partners = await dwolla.exchangePartners.list();
const chosen = partners.embedded.exchangePartners.find((each) => each.name === partner);
const links = { exchangePartner: { href: chosen.links.self.href } };

let { proof } = await ownContract(partner);
if (!proof) {
  const session = await dwolla.customers.exchangeSessions.create({ id, requestBody: { links } });
  const sessionId = idOf(session.headers.location[0]);
  const shown = await dwolla.exchangeSessions.get({ id: sessionId });
  found.token = shown.externalProviderSessionToken;
  found.page = shown.links.externalProviderSession?.href;
  found.data = Object.keys(shown.externalProviderSessionData ?? {});
  ({ proof } = await consent(sessionId, partner));
}
if (proof?.finicity) {
  // This SDK takes no receipt as it came: it wants its own types.
  const { receiptVersion, partnerId, products, timestamp } = proof.finicity;
  proof.finicity = {
    ...proof.finicity,
    receiptVersion: String(receiptVersion),
    partnerId: Number(partnerId),
    timestamp: new Date(timestamp),
    products: products.map(({ accessPeriod, ...product }) => ({
      ...product,
      accessPeriod: {
        ...accessPeriod,
        startTime: new RFCDate(accessPeriod.startTime.slice(0, 10)),
        endTime: new Date(accessPeriod.endTime),
      },
    })),
  };
}
if (partner === "MX") {
  const listed = await dwolla.customers.listAvailableConnections({ id });
  const offered = listed.embedded.availableExchangeConnections;
  found.offered = offered.map((each) => each.name);
  proof = { mx: { availableConnectionToken: offered[0].availableConnectionToken } };
}
const exchanged = await dwolla.customers.exchanges.create({ id, requestBody: { links, ...proof } });
const exchange = exchanged.headers.location[0];
found.exchange = (await dwolla.exchanges.get({ id: idOf(exchange) })).status;
const exchanges = await dwolla.customers.exchanges.list({ id });
found.exchanges = [exchanges.total, exchanges.embedded.exchanges.length];

const sourced = await dwolla.customers.fundingSources.create({
  id,
  createCustomerFundingSource: {
    links: { exchange: { href: exchange } },
    ...(partner === "Checkout.com" ? { cardDetails: CARD } : { bankAccountType: "checking" }),
    name: "Ada - Checking",
  },
});
const sourceId = idOf(sourced.headers.location[0]);
const bank = await dwolla.fundingSources.get({ id: sourceId });
found.source = [bank.status, bank.type, bank.bankAccountType, bank.removed];
const balance = await dwolla.fundingSources.balance
  .get({ id: sourceId })
  .catch((error) => ({ refused: error.statusCode }));
found.balance = balance.refused ?? JSON.stringify(balance).includes('"value"');
if (partner === "Checkout.com") {
  found.card = [bank.cardDetails.brand, bank.cardDetails.lastFour];
  const account = idOf(root.links.account.href);
  const listed = await dwolla.accounts.fundingSources.list({ id: account, removed: "false" });
  found.settlement = listed.embedded.fundingSources.map((each) => each.bankUsageType);
}
const sources = await dwolla.customers.fundingSources.list({ id, removed: "false" });
found.sources = sources.embedded.fundingSources.length;
const customers = await dwolla.customers.list({ limit: 5 });
found.customers = customers.total;

const events = await dwolla.events.list({ limit: 5 });
found.topics = events.embedded.events.map((each) => each.topic).reverse();

found.refused = await dwolla.customers.exchanges
  .create({ id, requestBody: { links, ...proof } })
  .then(() => null, (error) => [error.constructor.name, error.statusCode]);
found.absent = await dwolla.exchanges
  .get({ id: "00000000-0000-4000-8000-000000000000" })
  .then(() => null, (error) => [error.constructor.name, error.statusCode]);

// The one 201 with a body: this SDK parses it (contract 5.4). An unknown token shows the error.
found.own = await dwolla.accounts.exchanges
  .create({ links, token: "processor-sandbox-00000000-0000-4000-8000-000000000000" })
  .then(() => null, (error) => error.statusCode);
const own = await dwolla.accounts.exchanges.list();
found.ownExchanges = own.total;
await dwolla.fundingSources.updateOrRemove({ id: sourceId, requestBody: { removed: true } });
found.removed = (await dwolla.fundingSources.get({ id: sourceId })).removed;
console.log(JSON.stringify(found));
