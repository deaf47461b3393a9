// The one state of the page: what a person entered, and what follows from it.

import type { Config, ConfigError, Finding, Verdict } from "../../js/index.js";
import { core } from "./core.svelte";
import { EXAMPLES } from "./examples";
import { planner } from "./plan/planner.svelte";

export const PLACES = ["configuration", "value", "plan", "snapshot"] as const;
export type Place = (typeof PLACES)[number];

export const TITLES: Record<Place, string> = { configuration: "Configuration", value: "Value", plan: "Plan", snapshot: "Snapshot" };

/** The releases that behave differently, newest first. */
export const RELEASES = ["1.37", "1.36", "1.35", "1.34", "1.33", "1.32", "1.31", "1.30", "1.29", "1.28", "1.27", "1.26", "1.25", "1.24", "1.20", "1.16", "1.13"];

export interface Judged {
  verdict: Verdict;
  findings: Finding[];
  /** Null when kube-apiserver refuses the text. */
  config: Config | null;
}

class Page {
  place = $state<Place>("configuration");
  text = $state(EXAMPLES[0]?.text ?? "");
  /** The file after a change; empty until a person plans one. */
  newer = $state("");
  version = $state(RELEASES[0] ?? "1.37");
  reload = $state(false);
  /** The feature gate KMSv1; off in releases since 1.29. */
  kmsv1 = $state(false);
  /** What the plan is for; empty for exactly the newer file. */
  goal = $state("");
  asked = $state("");
  servers = $state(3);
  /** Keys shown as dots. */
  masked = $state(true);
  /** What a screen reader is told next. */
  announcement = $state("");

  readonly judged = $derived(this.judge(this.text));
  readonly judgedNewer = $derived(this.newer.trim() ? this.judge(this.newer) : null);

  judge(text: string): Judged {
    // A new instance of the core knows none of the old handles.
    void core.generation;
    const options = { version: this.version, reload: this.reload, ...(this.kmsv1 ? { kmsv1: true } : {}) };
    const verdict = core.run((api) => api.validate(text, options));
    const findings = core.run((api) => api.lint(text, options));
    let config: Config | null = null;
    if (verdict.ok) {
      try {
        config = core.run((api) => api.Config.parse(text, options));
      } catch (error) {
        // The verdict said why it does not load.
        if ((error as ConfigError).name !== "ConfigError") throw error;
      }
    }
    return { verdict, findings, config };
  }

  announce(text: string): void {
    this.announcement = text;
  }

  wipe(): void {
    this.text = "";
    this.newer = "";
    core.wipe();
    planner.wipe();
    this.announce("Everything entered was removed and the memory of the core overwritten.");
  }
}

export const page = new Page();
