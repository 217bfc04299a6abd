// Many texts: sent in several requests one after the other, shown as a table as they are answered.

import { inWords } from "./answer.js";
import { byId, fill, make } from "./dom.js";
import { count, percent } from "./figures.js";
import { written } from "./table.js";

const CHARS_AT_ONCE = 400_000;
const ROWS = 100;

export function batches(texts, most) {
  // Cuts texts, in order, into requests that are neither too many texts nor too many characters.
  const found = [];
  let size = Infinity;
  for (const text of texts) {
    const own = typeof text === "string" ? text.length : Object.values(text).join("").length;
    if (size + own > CHARS_AT_ONCE || found.at(-1).length >= most) {
      found.push([]);
      size = 0;
    }
    found.at(-1).push(text);
    size += own;
  }
  return found;
}

const namesOf = (prediction) => prediction.signals?.filter((signal) => signal.present).map((signal) => signal.category) ??
  prediction.labels ?? [prediction.label];

export function showMany({ total, note, open }) {
  // Returns {add, end}: `add(texts, predictions)` shows more; `end(problem)` says that no more will come.
  const rows = [];
  const tally = new Map();
  let only = null;
  let shown = ROWS;
  let ended = "";
  const heading = make("h2", { id: "many-title" });
  const summary = make("ul", { class: "bars tally", "aria-label": "How many of each" });
  const body = make("tbody", {});
  const more = make("button", { type: "button", onclick: () => { shown += ROWS; draw(); } });
  const save = make("button", { type: "button", onclick: () => download(rows) }, "Download CSV");
  const table = make("div", { class: "scroll" }, make("table", { class: "results" },
    make("thead", {}, make("tr", {}, ...["#", "Text", "Answer"].map((name) => make("th", { scope: "col" }, name)))), body));
  fill(byId("many"), make("div", { class: "line" }, heading, save), note && make("p", { class: "quiet" }, note), summary, table, more);
  byId("many").hidden = false;

  function add(texts, predictions) {
    texts.forEach((text, place) => {
      const prediction = predictions[place];
      const names = namesOf(prediction);
      for (const name of names.length ? names : [null]) tally.set(name, (tally.get(name) ?? 0) + 1);
      rows.push({ text, prediction, names, number: rows.length + 1 });
    });
    draw();
  }

  function draw() {
    heading.textContent = rows.length < total ? `${count(rows.length)} of ${count(total)} texts${ended}` : `${count(total)} texts`;
    const ranked = [...tally].sort((one, other) => other[1] - one[1]).slice(0, 12);
    fill(summary, ...ranked.map(([name, number]) => make("li", { class: "bar-row", share: number / rows.length },
      make("button", { type: "button", class: "label", "aria-pressed": String(only?.name === name),
        onclick: () => { only = only?.name === name ? null : { name }; draw(); } }, make("bdi", {}, name ?? "none")),
      make("span", { class: "bar", "aria-hidden": "true" }),
      make("span", { class: "num" }, `${count(number)} · ${percent(number / rows.length)}`))));
    const wanted = only ? rows.filter(({ names }) => (only.name === null ? !names.length || names[0] === null : names.includes(only.name))) : rows;
    fill(body, ...wanted.slice(0, shown).map(line));
    more.hidden = wanted.length <= shown;
    more.textContent = `Show ${count(Math.min(ROWS, wanted.length - shown))} more of ${count(wanted.length)}`;
    save.disabled = !rows.length;
  }

  function line({ text, prediction, number }) {
    const whole = typeof text === "string" ? text : Object.values(text).filter(Boolean).join(" · ");
    const words = Array.from(whole).slice(0, 160).join("") + (whole.length > 160 ? "…" : "");
    return make("tr", {}, make("td", { class: "num quiet" }, count(number)),
      make("td", {}, make("button", { type: "button", class: "plain open", dir: "auto", onclick: () => open(text) }, words)),
      make("td", { class: "num" }, make("bdi", {}, inWords(prediction))));
  }

  draw();
  return { add, end(problem) { ended = problem; draw(); } };
}

function download(rows) {
  const columns = typeof rows[0].text === "string" ? ["text"] : Object.keys(rows[0].text);
  const cells = ({ text, prediction }) => [
    ...(typeof text === "string" ? [text] : Object.values(text)),
    prediction.signals ? JSON.stringify(prediction.signals.filter((signal) => signal.present)) :
      prediction.labels ? prediction.labels.join(" ") : prediction.label ?? "",
    ...(prediction.score == null ? [] : [prediction.score]),
  ];
  const { signals, labels } = rows[0].prediction;
  const answer = signals ? ["signals"] : labels ? ["labels"] : ["label", "score"];
  const url = URL.createObjectURL(new Blob([written([...columns, ...answer], rows.map(cells))], { type: "text/csv" }));
  const link = make("a", { href: url, download: "classified.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
