// Seals values with the JavaScript package, as a page would: it has no socket, so it asks for every call to a KMS.
//
// The job is the first line of stdin: {"package": folder, "config": text, "kms": {name: [endpoint, version]},
// "values": [{"resource", "key", "plaintext": hex}]}. Out: {"encrypt": hex, "kms": name}, answered by a line
// {"ciphertext": hex, "keyId": text}; and {"sealed": hex} for each value, in order.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => JSON.parse((await lines.next()).value);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const hex = (bytes) => Buffer.from(bytes).toString("hex");

const job = await line();
const { load } = await import(pathToFileURL(`${job.package}/js/index.js`));
const k8senc = await load();
const kms = Object.fromEntries(
  Object.keys(job.kms).map((name) => [
    name,
    {
      encrypt: async (key) => {
        say({ encrypt: hex(key), kms: name });
        const { ciphertext, keyId } = await line();
        return { ciphertext: Buffer.from(ciphertext, "hex"), keyId };
      },
    },
  ]),
);
const config = k8senc.Config.parse(job.config);
for (const { resource, key, plaintext } of job.values) {
  const chain = config.chain(resource);
  say({ sealed: hex(await chain.seal(Buffer.from(plaintext, "hex"), key, { kms })) });
  chain.free();
}
process.exit(0);
