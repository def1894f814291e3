// Preloaded into every Node process of `tallystick exec`, because Node's own clients do not ask for
// a proxy. Everything that opens a connection ends in net.Socket.prototype.connect: https, fetch,
// http2. A host that the gateway plays is led to the proxy; TLS still checks its name. Any other
// host but this machine and those allowed is refused.
"use strict";
const net = require("net");
const plan = require("./plan.json");

const routes = new Set(plan.routes);
const allowed = new Set(plan.allowed);
const normal = (host) => String(host).replace(/^\[|\]$/g, "").replace(/\.+$/, "").toLowerCase();
const isLoopback = (host) =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "0.0.0.0" ||
  host === "::" ||
  host === "::1" ||
  (net.isIPv4(host) && host.startsWith("127.")) ||
  /^::ffff:127\.\d+\.\d+\.\d+$/.test(host);

const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...args) {
  // Called with (options), (port, host), (path), or by net.connect with those in one array.
  const given = Array.isArray(args[0]) ? args[0] : args;
  const listener = given.find((each) => typeof each === "function");
  let [options] = given;
  if (options === null || typeof options !== "object") {
    const isPath = typeof options === "string" && !(Number(options) >= 0);
    options = isPath ? { path: options } : { port: options };
    if (typeof given[1] === "string") options.host = given[1];
  }
  if (options.path) return connect.apply(this, args); // a socket of this machine
  const host = normal(options.host || "localhost");
  if (routes.has(host)) {
    const port = Number(options.port) === 80 ? plan.port : plan.tlsPort;
    return connect.call(this, { ...options, host: "127.0.0.1", port }, listener);
  }
  if (isLoopback(host) || allowed.has(host)) return connect.apply(this, args);
  const refused = new Error(`tallystick exec refused a connection to ${host}`);
  refused.code = "EACCES";
  this.connecting = true; // what a socket says between connect() and its error
  process.nextTick(() => this.destroy(refused));
  return this;
};
