// The words that moved a label: marked in the text by colour and by line, and listed with their weights.

import { fill, make } from "./dom.js";
import { signed } from "./figures.js";

const LISTED = 6;
const FAINT = 0.06;
const HOW = {
  weights: "Exact: what each word adds to this model's sum.",
  keywords: "Exact: the keywords that matched.",
  leave_out: "What is lost when a word is left out; in long texts several words together.",
};

const columnsOf = (text) => (typeof text === "string" ? [["", text]] : Object.entries(text));

export function showText(box, text, explanation) {
  const several = columnsOf(text).filter(([, content]) => content).length > 1;
  const strongest = Math.max(...(explanation?.spans ?? []).map((span) => Math.abs(span.weight)), 1e-9);
  fill(box, ...columnsOf(text).filter(([, content]) => content).map(([column, content]) => make("p", { dir: "auto" },
    several && make("span", { class: "column" }, column), ...marked(content, column, explanation, strongest))));
  box.dataset.size = columnsOf(text).join("").length < 200 ? "short" : "long";
  if (box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

function marked(content, column, explanation, strongest) {
  const points = Array.from(content); // places are counted in code points
  const spans = (explanation?.spans ?? []).filter((span) => (span.column ?? "") === column);
  const pieces = [];
  let place = 0;
  for (const { start, end, weight } of spans) {
    const strength = Math.abs(weight) / strongest;
    if (strength < FAINT) continue;
    pieces.push(points.slice(place, start).join(""), make("mark", {
      class: weight > 0 ? "for" : "against", share: strength.toFixed(2),
      title: `${signed(weight)} ${weight > 0 ? "for" : "against"} ${explanation.label}`,
    }, points.slice(start, end).join("")));
    place = end;
  }
  return [...pieces, points.slice(place).join("")];
}

export function showWords(box, text, explanation, prediction) {
  if (!explanation) return fill(box, make("p", { class: "quiet" }, "There is no label to explain. Choose one above to see what speaks for it and against it."));
  const contents = Object.fromEntries(columnsOf(text).map(([column, content]) => [column, Array.from(content)]));
  const word = (span) => contents[span.column ?? ""]?.slice(span.start, span.end).join("") ?? "";
  const found = new Map();
  for (const span of explanation.spans) found.set(word(span), (found.get(word(span)) ?? 0) + span.weight);
  const least = FAINT / 3 * Math.max(...[...found.values()].map(Math.abs), 0);
  const ranked = [...found].filter(([, weight]) => Math.abs(weight) > least).sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
  const [up, down] = prediction.signals ? ["They raise the score", "They lower the score"] : ["They speak for it", "They speak against it"];
  const list = (title, kind, words) => words.length > 0 && make("div", { class: "side" }, make("h4", {}, title),
    make("ul", {}, ...words.slice(0, LISTED).map(([name, weight]) => make("li", {},
      make("span", { class: `word ${kind}`, dir: "auto" }, name.length > 60 ? `${name.slice(0, 60)}…` : name),
      make("span", { class: "num quiet" }, signed(weight))))));
  const rival = explanation.rival && [" rather than ", make("bdi", {}, explanation.rival)];
  const stage = explanation.stage && ` The ${explanation.stage} stage of the cascade answered.`;
  return fill(box,
    make("p", {}, "Words for ", make("strong", {}, make("bdi", {}, explanation.label)), ...(rival || []), ":"),
    make("div", { class: "sides" },
      list(up, "for", ranked.filter(([, weight]) => weight > 0)), list(down, "against", ranked.filter(([, weight]) => weight < 0)),
      !ranked.length && make("p", {}, "None: the model knows no word of this text.")),
    make("p", { class: "quiet" }, HOW[explanation.method], !prediction.signals && " Weights are in log-odds.", stage));
}
