import "./app.css";
import { mount } from "svelte";
import { company } from "./alone";
import App from "./App.svelte";
import { start } from "./core.svelte";
import { arrival } from "./share/arrival.svelte";

const target = document.getElementById("app");
if (!target) throw new Error("the document has no place for the page");

function tell(text: string): void {
  const told = document.createElement("p");
  told.setAttribute("role", "alert");
  told.className = "broken";
  told.textContent = text;
  target?.replaceChildren(told);
}

const listeners = company();
if (listeners) {
  tell(`k8senc does not start: ${listeners}.`);
} else {
  arrival.listen();
  start()
    .then(() => {
      mount(App, { target });
      arrival.start();
    })
    .catch((error: unknown) => {
      tell(`k8senc cannot start in this browser: ${error instanceof Error ? error.message : String(error)}. It needs WebAssembly and a browser of 2023 or later.`);
    });
}
