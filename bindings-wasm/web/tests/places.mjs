// Every place with something to look at.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { load } from "../../js/index.js";
import { type } from "./page.mjs";

const sample = fileURLToPath(new URL("../../../conformance-vectors/sample/", import.meta.url));

const k8senc = await load();
const ETCD_KEY = "/registry/secrets/shop/db";
const OBJECT = '{"apiVersion":"v1","kind":"Secret","type":"Opaque","metadata":{"name":"db","namespace":"shop"},"data":{"password":"bm90IGEgc2VjcmV0","user":"c2hvcA=="}}';

/** What `etcdctl get -w json` prints for a value that the sample's older aescbc key wrote. */
export async function stored() {
  const chain = k8senc.chainWithKey("aescbc", "aescbckey", Buffer.from("2gt3oPxW5DXidmSoZ1AyEQL2fNL01pcJOvr81Jjd5wk=", "base64"));
  const value = await chain.seal(new TextEncoder().encode(OBJECT), ETCD_KEY);
  return JSON.stringify({ header: {}, kvs: [{ key: Buffer.from(ETCD_KEY).toString("base64"), value: Buffer.from(value).toString("base64") }], count: 1 });
}

export const PLACES = ["configuration", "value", "plan", "snapshot"];

/** A configuration, an opened value, a plan and a report. */
export async function furnish(frame) {
  await frame.click("#tab-configuration");
  await type(frame, await readFile(`${sample}encryption-config.yaml`, "utf8"));
  await frame.getByLabel("KMSv1 gate").check();
  await frame.click("#tab-value");
  await frame.locator("textarea").fill(await stored());
  await frame.locator("button.main:visible").click();
  await frame.waitForSelector(".opened");
  await frame.click("#tab-plan");
  await frame.getByLabel("I want").selectOption("rotate-key");
  await frame.waitForSelector(".steps li", { timeout: 60_000 });
  await frame.click("#tab-snapshot");
  await frame.setInputFiles(".snapshot input[type=file]", `${sample}snapshot.db`);
  await frame.waitForSelector(".snapshot .verdict", { timeout: 60_000 });
}
