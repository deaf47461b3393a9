// Text files that a person chose or dropped.

export interface Picked {
  name: string;
  /** With the line ends that the editor keeps. */
  text: string;
  /** As it was, where its line ends are others. */
  raw?: string;
  /** Which of the configurations that it holds is shown; the first that is refused unless chosen. */
  chosen?: number;
}

const MOST = 16 << 20;
const MOST_FILES = 7;

/** The files, and a sentence about those that were not taken. */
export async function pick(list: FileList | undefined | null): Promise<{ files: Picked[]; refused: string }> {
  const all = [...(list ?? [])];
  const large = all.filter((file) => file.size > MOST);
  const fit = all.filter((file) => file.size <= MOST).slice(0, MOST_FILES);
  const files: Picked[] = [];
  const refused = large.map((file) => `${file.name} has ${Math.round(file.size / 1e6)} MB, and a configuration has at most ${MOST >> 20} MiB; a snapshot belongs in the place Snapshot`);
  for (const file of fit) {
    const text = await file.text();
    if (text.includes("\0")) refused.push(`${file.name} is no text; a snapshot belongs in the place Snapshot, a stored value in Value`);
    else if (text.includes("\r")) files.push({ name: file.name, text: text.replaceAll(/\r\n?/g, "\n"), raw: text });
    else files.push({ name: file.name, text });
  }
  if (all.length - large.length > MOST_FILES) refused.push(`only the first ${MOST_FILES} files were read`);
  return { files, refused: refused.join("; ") };
}
