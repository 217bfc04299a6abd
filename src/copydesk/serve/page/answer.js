// One answer: the decision, every score, the words that moved it, and the way to say that it is wrong.

import { correction } from "./correct.js";
import { byId, fill, make } from "./dom.js";
import { percent, signed } from "./figures.js";
import { showText, showWords } from "./words.js";

const BARS = 8;

export function inWords(prediction) {
  if (prediction.signals) {
    const present = prediction.signals.filter((signal) => signal.present);
    return present.map(({ category, score, tag }) => [category, signed(score), tag].filter(Boolean).join(" ")).join(", ") || "no signal";
  }
  if (prediction.labels) return prediction.labels.join(", ") || "no label";
  return prediction.label == null ? "no label: not sure enough" : `${prediction.label}, ${percent(prediction.score)}`;
}

export function showAnswer({ text, prediction, model, explain, send }) {
  // Draws the answer; `explain(label)` asks for the words behind a label, null for the answer's own.
  const words = make("div", { class: "words", "aria-live": "polite" });
  const read = make("div", { class: "read", role: "group", "aria-label": "The text" });
  const title = make("h2", { id: "answer-title", class: "unseen" }, "Answer");
  let found = [];

  function select(label) {
    for (const button of byId("answer").querySelectorAll("button[data-label]")) {
      button.setAttribute("aria-pressed", String(button.dataset.label === label));
    }
    const explanation = found.find((one) => one.label === label);
    showText(read, text, explanation);
    showWords(words, text, explanation, prediction);
  }

  async function why(label) {
    if (!found.some((one) => one.label === label)) {
      fill(words, make("p", { class: "quiet" }, "Looking for the words …"));
      const more = await explain(label);
      if (more === null) return;
      found = [...found, ...more.filter((one) => !found.some((other) => other.label === one.label))];
    }
    if (byId("answer").contains(read)) select(label ?? found[0]?.label);
  }

  showText(read, text);
  const shown = prediction.signals ? sheet(prediction, why) : [verdict(prediction, why), bars(prediction, why)];
  fill(byId("answer"), title, ...[shown].flat(), make("h3", {}, "Which words moved it"), read, words,
    correction({ text, prediction, model, send }));
  byId("answer").hidden = false;
  why(null);
}

const chosen = (label, why, ...children) => make("button", {
  type: "button", class: "label", "data-label": label, "aria-pressed": "false", title: `Which words moved ${label}`,
  onclick: () => why(label),
}, ...children);

function verdict(prediction, why) {
  if (prediction.labels) {
    const chips = prediction.labels.map((label) => make("li", {}, chosen(label, why, make("bdi", {}, label),
      make("span", { class: "num" }, percent(prediction.scores[label])))));
    return chips.length ? make("ul", { class: "given", "aria-label": "Labels" }, ...chips) :
      make("p", { class: "verdict none" }, "No label reaches its threshold");
  }
  if (prediction.label == null) {
    return make("p", { class: "verdict none" }, `Not sure enough for a label (${percent(prediction.score)})`);
  }
  return make("p", { class: "verdict" }, make("bdi", {}, prediction.label), " ",
    make("span", { class: "num sure" }, percent(prediction.score)));
}

function bars(prediction, why) {
  const scores = Object.entries(prediction.scores ?? {}).sort((one, other) => other[1] - one[1]);
  const given = new Set(prediction.labels ?? [prediction.label]);
  const row = ([label, score]) => make("li", { class: `bar-row${given.has(label) ? " given-row" : ""}`, share: score },
    chosen(label, why, make("bdi", {}, label)),
    make("span", { class: "bar", "aria-hidden": "true" }),
    make("span", { class: "num" }, percent(score)));
  const list = (rows) => make("ul", { class: "bars" }, ...rows.map(row));
  const rest = scores.slice(BARS);
  return make("section", { "aria-label": "All scores" }, list(scores.slice(0, BARS)),
    rest.length > 0 && make("details", {}, make("summary", {}, `${rest.length} more labels`), list(rest)));
}

function sheet(prediction, why) {
  const row = ({ category, score, tag, intensity, present }) => make("tr", { class: present ? false : "absent" },
    make("th", { scope: "row" }, chosen(category, why, make("bdi", {}, category))),
    make("td", {}, make("span", { class: `swing${score < 0 ? " bad" : ""}`, share: Math.abs(score), "aria-hidden": "true" })),
    make("td", { class: "num" }, present ? signed(score) : make("span", {}, "–", make("span", { class: "unseen" }, "not there"))),
    make("td", {}, present && tag ? make("span", { class: "chip" }, make("span", { class: "tag" }, tag)) : ""),
    make("td", { class: "intensity" }, present ? intensity : ""));
  const head = ["Category", "From −1 (bad) to 1 (good)", "Score", "Tag", "Intensity"];
  const none = !prediction.signals.some((signal) => signal.present);
  return [
    none && make("p", { class: "verdict none" }, "No signal in this text"),
    make("table", { class: "sheet" }, make("caption", { class: "unseen" }, "Signals"),
      make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...prediction.signals.map(row))),
  ];
}
