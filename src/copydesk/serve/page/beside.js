// Beside the answer: what is served and how good it is, and what was asked in this browser.

import { hasKey } from "./api.js";
import { byId, fill, make } from "./dom.js";
import { count, percent } from "./figures.js";

const KEPT = 30;
const LONGEST = 4_000;
const WORTH = ["accuracy", "macro_f1", "micro_f1", "macro_recall", "sign_accuracy", "tag_f1"];

const inWords = (metric) => metric.replaceAll("_", " ").replace(/\bf1\b/, "F1");

export function showFacts(model) {
  byId("name").firstElementChild.textContent = model.name;
  document.title = `${model.name} – Copydesk`;
  byId("report-link").hidden = !model.report || hasKey(); // a link sends no key
  if (model.report) byId("report-link").href = model.report.replace(/^\//, "");
  const facts = [
    ["Version", make("span", { class: "num" }, model.version)],
    ["Model", model.kind],
    ["Trained", model.created && new Date(model.created).toLocaleDateString("en", { dateStyle: "medium" })],
    ["Tested on", model.tested_on > 0 && `${count(model.tested_on)} texts`],
    ["Labels", count(model.labels.length)],
    ...WORTH.filter((metric) => metric in model.metrics && metric !== model.headline?.metric).slice(0, 3)
      .map((metric) => [inWords(metric), model.metrics[metric].toFixed(3)]),
  ];
  fill(byId("facts"), make("h2", { id: "facts-title" }, "The model"), headline(model.headline),
    make("dl", { class: "facts" }, ...facts.filter(([, value]) => value).map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", { class: "num" }, value)))),
    model.notes.length > 0 && make("details", { open: model.notes.some((note) => note.startsWith("These are not")) },
      make("summary", {}, `${model.notes.length} note${model.notes.length === 1 ? "" : "s"} on it`),
      make("ul", { class: "notes" }, ...model.notes.map((note) => make("li", {}, note)))));
}

function headline(found) {
  if (!found) return null;
  const range = found.interval && `95 % interval: ${found.interval.map(percent).join(" to ")}`;
  return make("p", { class: "headline" }, make("strong", { class: "num" }, percent(found.value)), " ",
    make("span", {}, inWords(found.metric)), range && make("span", { class: "quiet num" }, range));
}

export function historyOf(name, open) {
  // What was asked of this model here: the newest first, in this browser only.
  const key = `copydesk-history-${name}`;
  let entries = [];
  try { entries = JSON.parse(localStorage.getItem(key) ?? "[]"); } catch { /* none, or not ours */ }
  if (!Array.isArray(entries)) entries = [];

  function keep() {
    try { localStorage.setItem(key, JSON.stringify(entries)); } catch { /* full or forbidden: it lasts as long as the page */ }
    show();
  }

  function show() {
    const title = make("h2", { id: "history-title" }, "Asked before");
    const clear = make("button", { type: "button", class: "plain", onclick: () => { entries = []; keep(); byId("main").focus(); } }, "Clear");
    fill(byId("history"), make("div", { class: "line" }, title, entries.length > 0 && clear),
      entries.length === 0 ? make("p", { class: "quiet" }, "Texts you classify are listed here, in this browser only.") :
        make("ul", { class: "history" }, ...entries.map(({ text, answer }) => make("li", {},
          make("button", { type: "button", class: "plain", onclick: () => open(text) },
            make("span", { class: "asked", dir: "auto" }, String(typeof text === "string" ? text : Object.values(text).filter(Boolean).join(" · ")).slice(0, 160)),
            make("span", { class: "quiet num" }, make("bdi", {}, String(answer))))))));
  }

  show();
  return {
    add(text, answer) {
      const same = JSON.stringify(text);
      if (same.length > LONGEST) return;
      entries = [{ text, answer }, ...entries.filter((entry) => JSON.stringify(entry.text) !== same)].slice(0, KEPT);
      keep();
    },
  };
}
