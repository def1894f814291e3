"use strict";
// Tells the page that opened this tab how it went (MX, "OAuth in Browsers"). The Connect page asks
// the server instead, so it also learns of it where the browser has cut the tie to the opener.
(() => {
  const { status, member, reason } = document.getElementById("result").dataset;
  if (!window.opener) return;
  const metadata = { member_guid: member };
  if (reason) metadata.error_reason = reason;
  window.opener.postMessage({ mx: true, type: `oauthComplete/${status}`, metadata }, "*");
})();
