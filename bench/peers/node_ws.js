// The same job with Node and `ws`: what comes in as a line goes to every client. Started by commands/peers.py.
// usage: node node_ws.js PORT CONTROL_PORT
const net = require("node:net");
const readline = require("node:readline");
const { WebSocket, WebSocketServer } = require("ws");

const [port, controlPort] = process.argv.slice(2).map(Number);
const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false, backlog: 4096 });

function broadcast(text) {
  for (const client of server.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(text);
  }
}

net
  .createServer((control) => readline.createInterface({ input: control }).on("line", broadcast))
  .listen(controlPort, "127.0.0.1");
