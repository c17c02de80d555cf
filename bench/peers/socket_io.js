// The same job with Socket.IO: what comes in as a line is emitted to everybody. Started by commands/peers.py.
// usage: node socket_io.js PORT CONTROL_PORT
const http = require("node:http");
const net = require("node:net");
const readline = require("node:readline");
const { Server } = require("socket.io");

const [port, controlPort] = process.argv.slice(2).map(Number);
const web = http.createServer();
const io = new Server(web, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
web.listen({ host: "127.0.0.1", port, backlog: 4096 });

net
  .createServer((control) =>
    readline.createInterface({ input: control }).on("line", (line) => io.emit("item", JSON.parse(line))),
  )
  .listen(controlPort, "127.0.0.1");
