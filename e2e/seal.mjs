// Seals values with the JavaScript package, in Node.js or in Chromium, which has no socket: it asks for every call to a KMS.
//
// The job is the first line of stdin: {"package": folder, "chromium": bool, "config": text, "kms": {name: [endpoint, version]},
// "values": [{"resource", "key", "plaintext": hex}]}. Out: {"encrypt": hex, "kms": name}, answered by a line
// {"ciphertext": hex, "keyId": text}; {"sealed": [hex]} for all values, in order; and in Chromium {"browser": version}.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => JSON.parse((await lines.next()).value);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** One call to a KMS, made by whoever started this. */
const askKms = async (kms, encrypt) => {
  say({ encrypt, kms });
  return line();
};

/** All values of a job, sealed. It is sent to the browser as text, so it leans on nothing around it but `askKms`. */
async function seal({ url, job }) {
  const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
  const hex = (some) => Array.from(some, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const { load } = await import(url);
  const k8senc = await load();
  const kms = {};
  for (const name of Object.keys(job.kms)) {
    kms[name] = {
      encrypt: async (key) => {
        const { ciphertext, keyId } = await globalThis.askKms(name, hex(key));
        return { ciphertext: bytes(ciphertext), keyId };
      },
    };
  }
  const config = k8senc.Config.parse(job.config);
  const sealed = [];
  for (const { resource, key, plaintext } of job.values) {
    const chain = config.chain(resource);
    sealed.push(hex(await chain.seal(bytes(plaintext), key, { kms })));
    chain.free();
  }
  return sealed;
}

const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

/** The package on a port of loopback, for a page that imports it. */
async function serve(folder) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    if (path === "/") {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>seal</title>");
      return;
    }
    try {
      const body = await readFile(join(folder, path));
      response.writeHead(200, { "content-type": TYPES[path.slice(path.lastIndexOf("."))] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

async function sealInChromium(job) {
  const { chromium } = createRequire(`${job.package}/package.json`)("playwright-core");
  const known = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = known.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("Chromium is needed: install it, or name it in CHROMIUM");
  const origin = await serve(job.package);
  // Root has no sandbox in Chromium; what runs here is ours.
  const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
  try {
    const page = await browser.newPage();
    await page.exposeFunction("askKms", askKms);
    await page.goto(origin);
    say({ browser: browser.version() });
    return await page.evaluate(seal, { url: "/js/index.js", job });
  } finally {
    await browser.close();
  }
}

const job = await line();
globalThis.askKms = askKms;
const sealed = job.chromium ? await sealInChromium(job) : await seal({ url: pathToFileURL(`${job.package}/js/index.js`).href, job });
process.stdout.write(`${JSON.stringify({ sealed })}\n`, () => process.exit(0));
