// The other side of a leak: a web server and a UDP port on loopback that write down whatever reaches them.

import { createServer } from "node:http";
import { createSocket } from "node:dgram";

export async function listen() {
  const seen = new Map();
  const note = (token, how) => seen.set(token, [...(seen.get(token) ?? []), how]);
  let connections = 0;
  const server = createServer((request, response) => {
    note(new URL(request.url ?? "/", "http://localhost").searchParams.get("t") ?? "unnamed", request.method ?? "?");
    response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Content-Type": "text/plain" }).end("seen");
  });
  server.on("connection", () => (connections += 1));
  server.on("upgrade", (request, socket) => {
    note(new URL(request.url ?? "/", "http://localhost").searchParams.get("t") ?? "unnamed", "upgrade");
    socket.destroy();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const udp = createSocket("udp4");
  let packets = 0;
  udp.on("message", () => (packets += 1));
  await new Promise((done) => udp.bind(0, "127.0.0.1", done));
  return {
    seen,
    packets: () => packets,
    connections: () => connections,
    address: (token) => `http://127.0.0.1:${server.address().port}/?t=${encodeURIComponent(token)}`,
    stun: () => `stun:127.0.0.1:${udp.address().port}`,
    close: () => {
      udp.close();
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
