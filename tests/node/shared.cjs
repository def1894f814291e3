// What the journeys of both Node clients have in common: where to go, and the person's consent.
const url = process.env.URL;

const SIGNS_IN = {
  Plaid: { institution: "ins_109508", user: "user_good", password: "pass_good" },
  MX: { institution: "mxbank", user: "mxuser", password: "any" },
};

// Partners with which the integrator has a contract of its own: no session of ours.
const OWN = { Flinks: "flinks", Finicity: "finicity" };

const CARD = {
  firstName: "Ada",
  lastName: "Byron",
  billingAddress: {
    address1: "1 Main St",
    city: "Des Moines",
    stateProvinceRegion: "IA",
    country: "US",
    postalCode: "50309",
  },
};

async function complete(path, body = {}) {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`consent: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const consent = (sessionId, partner) =>
  complete(`/_tallystick/control/sessions/${sessionId}/complete`, SIGNS_IN[partner]);

const ownContract = async (partner) =>
  OWN[partner] ? complete(`/_partners/${OWN[partner]}/_control/complete`) : {};

const idOf = (location) => location.split("/").pop();

module.exports = {
  url,
  key: process.env.KEY,
  secret: process.env.SECRET,
  partner: process.env.PARTNER,
  consent,
  ownContract,
  idOf,
  CARD,
};
