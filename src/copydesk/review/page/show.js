// What the page shows of an item, and of how far the review has come.

import { byId, fill, make } from "./dom.js";
import { signed } from "./figures.js";
import { inWords, parts } from "./labels.js";

const COLUMN_SEPARATOR = "\u001f";
const BARS = 8;
const MARKS = 200;
const DECISIONS = { keep: "kept", accept: "suggestion accepted", change: "changed", drop: "dropped", skip: "skipped" };

export const inPast = (decision) => DECISIONS[decision];

const count = (number) => number.toLocaleString("en");

export function showProgress(overview, filters, choose) {
  const { all, decided, skipped } = overview;
  byId("progress-words").textContent =
    `${count(decided)} of ${count(all)} decided` + (skipped ? `, ${count(skipped)} skipped` : "");
  byId("progress-bar").style.setProperty("--share", all ? decided / all : 0);
  const whole = { reason: null, all, decided };
  const shown = overview.reasons.length > 1 ? [whole, ...overview.reasons] : [];
  const had = document.activeElement?.dataset?.reason;
  fill(byId("reasons"), ...shown.map(({ reason, all, decided }) => make("button", {
    type: "button", class: "reason-filter", "aria-pressed": String(filters.reason === reason), share: decided / all,
    "data-reason": String(reason), onclick: () => choose(reason),
  },
  make("span", {}, reason === null ? "all reasons" : reason || "no reason"),
  make("span", { class: "num quiet" },
    make("span", { class: "unseen" }, "decided "), `${count(decided)}/${count(all)}`))));
  if (had !== undefined) [...byId("reasons").children].find((button) => button.dataset.reason === had)?.focus();
}

export function showItem(item, position, length) {
  byId("position").textContent = position < 0 ? "Text" : `Text ${count(position + 1)} of ${count(length)}`;
  const suspicion = item.suspicion && `suspicion ${item.suspicion.toFixed(2)}`;
  byId("reason").textContent = [item.reason, suspicion].filter(Boolean).join(" · ");
  byId("where").textContent = item.where;
  byId("where").title = `id ${item.id}`;
  byId("decision").hidden = !item.decision;
  byId("decision").textContent = item.decision ? inPast(item.decision) : "";
  byId("decision").dataset.decision = item.decision ?? "";
  showText(item.text);
  fill(byId("labels"),
    row("Label", item.label, "none", "label"),
    item.suggested !== null && row("Suggested", item.suggested, "nothing", "suggested"),
    item.decision === "change" && row("Changed to", item.new_label, "", "changed"));
  showEvidence(item);
}

function row(title, label, nothing, kind) {
  const chips = parts(label).map(({ name, score, tag }) => make("span", { class: "chip" },
    make("bdi", {}, name),
    score !== undefined && make("span", { class: "num" }, ` ${signed(score)}`),
    tag && make("span", { class: "tag" }, ` ${tag}`)));
  if (!chips.length) chips.push(make("span", { class: "quiet" }, nothing));
  return make("div", { class: kind }, make("dt", {}, title), make("dd", {}, ...chips));
}

function showText(text) {
  const box = byId("text");
  const columns = text.split(COLUMN_SEPARATOR);
  box.dataset.size = text.length < 140 ? "short" : text.length < 600 ? "medium" : "long";
  fill(box, ...columns.map((column, place) =>
    make("p", { dir: "auto", class: columns.length > 1 && place === 0 ? "first" : false }, column)));
  box.scrollTop = 0;
  if (box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

export function highlight(search) {
  // Marks what was searched for without touching the text's elements.
  if (!globalThis.Highlight) return;
  const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const nodes = [...byId("text").children].map((paragraph) => paragraph.firstChild).filter(Boolean);
  CSS.highlights.set("search", new Highlight(...words.flatMap((word) => nodes.flatMap((node) => found(node, word)))));
}

function found(node, word) {
  const text = node.data.toLocaleLowerCase();
  const ranges = [];
  if (text.length !== node.length) return ranges; // lower case moved the letters
  for (let place = text.indexOf(word); place >= 0 && ranges.length < MARKS; place = text.indexOf(word, place + 1)) {
    const range = new Range();
    range.setStart(node, place);
    range.setEnd(node, place + word.length);
    ranges.push(range);
  }
  return ranges;
}

function showEvidence(item) {
  const said = [modelSection(item), votesSection(item)].filter(Boolean);
  fill(byId("evidence"), ...said);
  byId("evidence").hidden = said.length === 0;
}

export function mark(name, item) {
  // A small word beside a name: that it is the label, or else that it is suggested.
  const isIn = (label) => parts(label).some((part) => part.name === name);
  const word = isIn(item.label) ? "label" : isIn(item.suggested) ? "suggested" : null;
  return word && make("span", { class: `mark ${word}` }, ` ${word}`);
}

function bar(name, share, figure, item, note) {
  return make("li", { class: `evidence-row${share < 0 ? " negative" : ""}`, share: Math.min(Math.abs(share), 1) },
    make("span", { class: "evidence-name" }, make("bdi", {}, name), mark(name, item)),
    make("span", { class: "num" }, figure),
    make("span", { class: "bar", "aria-hidden": "true" }),
    note && make("span", { class: "quiet note" }, note));
}

function listed(title, rows) {
  const list = (some) => make("ul", { class: "bars" }, ...some);
  const more = rows.slice(BARS);
  return make("section", {}, make("h2", {}, title), list(rows.slice(0, BARS)),
    more.length > 0 && make("details", {}, make("summary", {}, `${more.length} more`), list(more)));
}

function modelSection(item) {
  const scores = Object.entries(item.model).sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
  if (!scores.length) return null;
  const figure = scores.some(([, score]) => score < 0) ? signed : (score) => score.toFixed(2);
  return listed("The model", scores.map(([name, score]) => bar(name, score, figure(score), item)));
}

function votesSection(item) {
  const byLabel = new Map();
  for (const { label, function: by } of item.votes) byLabel.set(label, [...(byLabel.get(label) ?? []), by]);
  if (!byLabel.size) return null;
  const ranked = [...byLabel].sort((one, other) => other[1].length - one[1].length);
  return listed("Labelling functions", ranked.map(([label, by]) =>
    bar(String(label), by.length / item.votes.length, String(by.length), item, by.join(", "))));
}

export function showActions(item, overview, isEdited) {
  byId("keep").disabled = !item || item.label === null;
  byId("accept").disabled = !item || item.suggested === null;
  for (const [id, label] of [["keep", item?.label], ["accept", item?.suggested]]) {
    byId(id).title = inWords(label) || (id === "keep" ? "There is no label" : "There is no suggestion");
    byId(id).querySelector("bdi").textContent = typeof label === "string" ? label : "";
  }
  byId("drop").disabled = byId("skip").disabled = !item;
  byId("undo").disabled = !overview.can_undo;
  for (const id of ["keep", "accept", "drop", "skip"]) {
    byId(id).setAttribute("aria-pressed", String(item?.decision === id));
  }
  byId("save")?.classList.toggle("edited", isEdited);
}
