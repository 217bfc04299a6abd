// Labels as values: a name, a list of names, or a list of signals; the same functions for each task.

import { signed } from "./figures.js";

export function parts(label) {
  // The words to show, one entry for each name or signal.
  if (label == null) return [];
  if (!Array.isArray(label)) return [{ name: String(label) }];
  return label.map((entry) =>
    typeof entry === "object" && entry !== null
      ? { name: String(entry.category), score: Number(entry.score), tag: entry.tag || "" }
      : { name: String(entry) });
}

export function inWords(label) {
  return parts(label).map(({ name, score, tag }) =>
    score === undefined ? name : [name, signed(score), tag].filter(Boolean).join(" ")).join(", ");
}

const canonical = (label) =>
  label == null ? "" : JSON.stringify(parts(label).map(({ name, score, tag }) => [name, score, tag]).sort());

export const same = (one, other) => canonical(one) === canonical(other);

export function outcome(item) {
  // The label as it stands after the decision; a dropped text keeps what it had.
  if (item.decision === "change") return item.new_label;
  return item.decision === "accept" ? item.suggested : item.label;
}

export function likely(item, names, most = 9) {
  // The names that anything speaks for, likeliest first; all of them, in their own order, where they are few.
  if (names.length <= most) return names;
  const voted = item.votes.map((vote) => vote.label);
  const scored = Object.entries(item.model).sort((one, other) => other[1] - one[1]).map(([name]) => name);
  const chosen = [...parts(item.label), ...parts(item.suggested)].map(({ name }) => name);
  const known = new Set(names);
  return [...new Set([...chosen, ...voted, ...scored])].filter((name) => known.has(name)).slice(0, most);
}
