// An integrator's page as @mxenabled/web-widget-sdk's documentation has it.
import { ConnectWidget } from "@mxenabled/web-widget-sdk";

window.told = [];
const url = new URLSearchParams(location.search).get("url");
const note = (name) => (event) => window.told.push({ name, ...event });

window.widget = new ConnectWidget({
  url,
  container: "#root",
  onLoaded: note("loaded"),
  onMemberConnected: note("memberConnected"),
  onMemberStatusUpdate: note("memberStatusUpdate"),
  onConnectedPrimaryAction: note("primaryAction"),
  onInvalidMessageError: (_message, error) => window.told.push({ name: "invalid", error: String(error) }),
});
