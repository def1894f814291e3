// What the journeys of both Node clients have in common: where to go, and the person's consent.
const url = process.env.URL;

const SIGNS_IN = {
  Plaid: { institution: "ins_109508", user: "user_good", password: "pass_good" },
  MX: { institution: "mxbank", user: "mxuser", password: "any" },
};

async function consent(sessionId, partner) {
  const answer = await fetch(`${url}/_tallystick/control/sessions/${sessionId}/complete`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(SIGNS_IN[partner]),
  });
  if (!answer.ok) throw new Error(`consent: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const idOf = (location) => location.split("/").pop();

module.exports = {
  url,
  key: process.env.KEY,
  secret: process.env.SECRET,
  partner: process.env.PARTNER,
  consent,
  idOf,
};
