// An integrator's page as react-plaid-link's documentation has it. Told what happens, in order.
import { createElement as h, useCallback } from "react";
import { createRoot } from "react-dom/client";
import { usePlaidLink } from "react-plaid-link";

window.told = [];
const token = new URLSearchParams(location.search).get("token");

function App() {
  const onSuccess = useCallback((publicToken, metadata) => {
    window.told.push({ name: "success", publicToken, metadata });
  }, []);
  const onExit = useCallback((error, metadata) => {
    window.told.push({ name: "exit", error, metadata });
  }, []);
  const { open, ready, error } = usePlaidLink({ token, onSuccess, onExit });
  if (error) window.told.push({ name: "script-error" });
  return h("button", { id: "link", disabled: !ready, onClick: () => open() }, "Link a bank");
}

createRoot(document.getElementById("root")).render(h(App));
