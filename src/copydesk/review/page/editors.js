// Where a label is changed. Each editor has `digit` (what 1 to 9 do), `focus` (where C leads) and, where several
// things are chosen before they are saved together, `value`.

import { chooser } from "./chooser.js";
import { key, make } from "./dom.js";
import { likely, outcome, parts } from "./labels.js";
import { mark } from "./show.js";

const HINT = { hint: "  C" };

export function singleEditor(item, overview, { take, run }) {
  const names = likely(item, overview.labels);
  const now = outcome(item);
  const buttons = names.map((name, place) => make("button", {
    type: "button", class: "choice", "aria-pressed": String(item.decision !== null && name === now),
    onclick: () => run(() => take(name)),
  }, key(place + 1), make("bdi", {}, name), mark(name, item)));
  const all = names.length < overview.labels.length &&
    chooser(overview.labels, "Another label", (name) => run(() => take(name)), HINT);
  return {
    element: group("Labels", make("div", { class: "choices" }, ...buttons), all),
    digit: (number) => names[number - 1] !== undefined && take(names[number - 1]),
    focus: () => (all ? all.querySelector("input") : buttons[0])?.focus(),
  };
}

export function multiEditor(item, overview, { draft, changed }) {
  const chosen = new Set(draft ?? parts(outcome(item)).map(({ name }) => name));
  const value = () => [
    ...overview.labels.filter((name) => chosen.has(name)),
    ...[...chosen].filter((name) => !overview.labels.includes(name)),
  ];
  const names = [...new Set([...likely(item, overview.labels), ...value()])];
  const choices = make("div", { class: "choices" });

  function add(name) {
    const place = choices.children.length;
    const box = make("input", { type: "checkbox", checked: chosen.has(name), "data-name": name });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(name);
      else chosen.delete(name);
      changed(value());
    });
    const title = make("bdi", {}, name);
    choices.append(make("label", { class: "choice" }, box, place < 9 && key(place + 1), title, mark(name, item)));
    return box;
  }

  function toggle(name) {
    const box = [...choices.querySelectorAll("input")].find((other) => other.dataset.name === name) ?? add(name);
    box.click();
  }

  names.forEach(add);
  const all = names.length < overview.labels.length && chooser(overview.labels, "Find a label", toggle, HINT);
  return {
    element: group("Labels", choices, all),
    digit: (number) => choices.querySelectorAll("input")[number - 1]?.click(),
    focus: () => (all || choices).querySelector("input")?.focus(),
    value,
  };
}

export function signalsEditor(item, overview, { draft, changed }) {
  const given = new Map(parts(draft ?? outcome(item)).map(({ name, score, tag }) => [name, { score, tag }]));
  const value = () =>
    overview.labels.filter((name) => given.has(name)).map((category) => ({ category, ...given.get(category) }));
  const rows = overview.labels.map((name, place) =>
    signalRow(name, { place, tags: overview.categories[name] ?? [], given, changed: () => changed(value()) }));
  const how = "From −1 (bad) to 1 (good). A row without a number says nothing about its category.";
  return {
    element: group("Signals", make("p", { class: "quiet" }, how), ...rows.map((row) => row.element)),
    digit: (number) => rows[number - 1]?.slider.focus(),
    focus: () => rows[0]?.slider.focus(),
    value,
  };
}

function group(name, ...children) {
  return make("div", { role: "group", "aria-label": name }, make("h2", {}, "It is"), ...children);
}

function signalRow(name, { place, tags, given, changed }) {
  const range = { min: -1, max: 1, step: 0.05 };
  const slider = make("input", { type: "range", ...range, "aria-label": `${name}, score` });
  const number = make("input", { type: "number", ...range, "aria-label": `${name}, score as a number` });
  const options = ["", ...tags].map((tag) => make("option", { value: tag }, tag || "no tag"));
  const tag = make("select", { "aria-label": `${name}, tag` }, ...options);
  const clear = make("button", {
    type: "button", class: "plain", "aria-label": `${name}: say nothing`, title: "Say nothing about it (Delete)",
  }, "×");
  const title = make("span", { class: "name" }, place < 9 && key(place + 1), make("bdi", {}, name));
  const row = { class: "signal", role: "group", "aria-label": name };
  const element = make("div", row, title, slider, number, tag, clear);

  function show() {
    const signal = given.get(name);
    const score = signal?.score ?? 0;
    element.classList.toggle("unset", !signal);
    slider.value = score;
    slider.style.setProperty("--score", score);
    slider.classList.toggle("bad", score < 0);
    slider.setAttribute("aria-valuetext", signal ? String(score) : "not said");
    if (document.activeElement !== number) number.value = signal ? String(score) : "";
    tag.value = signal?.tag ?? "";
    clear.disabled = !signal;
  }

  function set(score) {
    given.set(name, { score, tag: tag.value });
    show();
    changed();
  }

  function unset() {
    given.delete(name);
    number.value = "";
    show();
    changed();
  }

  slider.addEventListener("input", () => set(Number(slider.value)));
  number.addEventListener("input", () => (number.value === "" ? unset() : set(Number(number.value))));
  tag.addEventListener("change", () => set(given.get(name)?.score ?? 0));
  clear.addEventListener("click", () => { unset(); slider.focus(); });
  slider.addEventListener("keydown", (event) => { if (event.key === "Delete" || event.key === "Backspace") unset(); });
  show();
  return { element, slider };
}

export const EDITORS = { single: singleEditor, multi: multiEditor, signals: signalsEditor };
