// Serves dist/ on loopback with the headers a real server should send. `node build/serve.mjs [PORT]`

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { HEADERS, innerPolicy, outerPolicy } from "../src/policy.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };
const dist = fileURLToPath(new URL("../dist/", import.meta.url));

function policyOf(name) {
  if (name === "app.html") return `${innerPolicy()}; frame-ancestors 'self'`;
  if (name === "index.html") return `${outerPolicy()}; frame-ancestors 'none'`;
  return undefined;
}

/** A server on 127.0.0.1; port 0 takes a free one. */
export async function serve(port = 0) {
  const server = createServer(async (request, response) => {
    const name = new URL(request.url ?? "/", "http://localhost").pathname.slice(1) || "index.html";
    const headers = { ...HEADERS, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" };
    const policy = policyOf(name);
    if (policy) headers["Content-Security-Policy"] = policy;
    // The inner document has an opaque origin, so its scripts and styles come from another one than its own.
    headers["Cross-Origin-Resource-Policy"] = policy ? "same-origin" : "cross-origin";
    if (!/^[A-Za-z0-9-]+\.[a-z]+$/.test(name)) return void response.writeHead(404).end();
    try {
      const body = await readFile(dist + name);
      response.writeHead(200, headers).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((listening) => server.listen(port, "127.0.0.1", listening));
  return server;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.argv[2] ?? 8744));
  console.log(`the page is at http://127.0.0.1:${server.address().port}/ (Ctrl-C ends it)`);
  process.once("SIGINT", () => {
    server.close();
    server.closeAllConnections();
  });
}
