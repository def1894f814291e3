// Preloaded: whatever a client believes its host to be, nothing but this machine is reached.
const net = require("node:net");
const connect = net.Socket.prototype.connect;
const allowed = new Set(["127.0.0.1", "::1", "localhost", undefined]);

net.Socket.prototype.connect = function (...args) {
  // Called with options, with (port, host), or by net.connect with all of that in one array.
  const [first, second] = Array.isArray(args[0]) ? args[0] : args;
  const options = first && typeof first === "object" ? first : { port: first };
  const host = options === first ? options.host : typeof second === "string" ? second : undefined;
  if (!options.path && !allowed.has(host)) {
    throw new Error(`refused: a connection to ${host}`);
  }
  return connect.apply(this, args);
};
