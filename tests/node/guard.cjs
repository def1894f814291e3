// Preloaded: whatever a client believes its host to be, nothing but this machine is reached.
const net = require("node:net");
const connect = net.Socket.prototype.connect;
const allowed = new Set(["127.0.0.1", "::1", "localhost", undefined]);

net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options && typeof options === "object" && !options.path && !allowed.has(options.host)) {
    throw new Error(`refused: a connection to ${options.host}`);
  }
  return connect.apply(this, args);
};
