declare module "*.css";

declare module "virtual:worker" {
  const text: string;
  export default text;
}

/** Base64 of the wasm modules, put there by scripts of their own: the page may fetch nothing. */
declare var k8sencCore: string;
declare var k8sencSnapshot: string | undefined;
