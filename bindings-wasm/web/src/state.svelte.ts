// The one state of the page: what a person entered, and what follows from it.

import type { EntryPlaces } from "../../js/index.js";
import { core } from "./core.svelte";
import { EXAMPLES } from "./examples";
import { type Judged, judge, outline } from "./judge";
import type { Picked } from "./parts/picked";
import { planner } from "./plan/planner.svelte";

export const PLACES = ["configuration", "value", "plan", "snapshot"] as const;
export type Place = (typeof PLACES)[number];

export const TITLES: Record<Place, string> = { configuration: "Configuration", value: "Value", plan: "Plan", snapshot: "Snapshot" };

/** The releases that behave differently, newest first. */
export const RELEASES = ["1.37", "1.36", "1.35", "1.34", "1.33", "1.32", "1.31", "1.30", "1.29", "1.28", "1.27", "1.26", "1.25", "1.24", "1.20", "1.16", "1.13"];

class Page {
  place = $state<Place>("configuration");
  /** The files of the first place: one, or one of each server. */
  files = $state<Picked[]>([{ name: "", text: EXAMPLES[0]?.text ?? "" }]);
  /** Which of them is in the editor. */
  active = $state(0);
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
  /** How often everything was wiped: places start anew. */
  wiped = $state(0);
  /** What a screen reader is told next. */
  announcement = $state("");

  readonly judged = $derived(this.judge(this.text, this.name, this.others, this.chosen));
  readonly judgedNewer = $derived(this.newer.trim() ? this.judge(this.newer) : null);
  /** Of each file; what stands in the editor is judged once. */
  readonly all = $derived(this.files.map((file, at) => (at === this.active ? this.judged : this.judge(file.text, file.name, [], file.chosen))));

  /** The text in the editor. */
  get text(): string {
    return this.files[this.active]?.text ?? "";
  }

  set text(text: string) {
    const file = this.files[this.active];
    if (file) file.text = text;
  }

  get name(): string {
    return this.files[this.active]?.name ?? "";
  }

  private get chosen(): number | undefined {
    return this.files[this.active]?.chosen;
  }

  /** Shows another one of the configurations that the file in the editor holds. */
  choose(index: number): void {
    const file = this.files[this.active];
    if (file) file.chosen = index;
  }

  private get others(): string[] {
    return this.files.filter((_, at) => at !== this.active).map((file) => file.text);
  }

  private get options() {
    return { version: this.version, reload: this.reload, ...(this.kmsv1 ? { kmsv1: true } : {}) };
  }

  judge(text: string, name = "", others: string[] = [], chosen?: number): Judged {
    // A new instance of the core knows none of the old handles.
    void core.generation;
    const begin = performance.now();
    const judged = judge(text, name, others, this.options, chosen);
    // For a profiler; only the last one is kept.
    performance.clearMeasures("k8senc judges");
    performance.measure("k8senc judges", { start: begin, end: performance.now() });
    return judged;
  }

  /** Whether there is anything that a person entered. */
  get touched(): boolean {
    const shown = EXAMPLES.some(({ text }) => text === this.text);
    return this.files.length > 1 || this.newer !== "" || (!shown && this.text !== "");
  }

  /** Where the judged configuration says what it says. */
  outline(): EntryPlaces[] {
    return outline(this.text, this.name, this.judged, this.options);
  }

  /** Puts files in the place of all that were there; one is for the editor, several are of several servers. */
  take(files: Picked[]): void {
    if (!files.length) return;
    this.files = files;
    this.active = 0;
  }

  /** One text in the editor, of no file. */
  put(text: string, name = ""): void {
    this.take([{ name, text }]);
  }

  announce(text: string): void {
    this.announcement = text;
  }

  wipe(): void {
    this.put("");
    this.newer = "";
    this.asked = "";
    this.wiped += 1;
    core.wipe();
    planner.wipe();
    this.announce("Everything entered was removed and the memory of the core overwritten.");
  }
}

export const page = new Page();
