// Where a label is changed. Each editor has `digit` (what 1 to 9 do), `focus` (where C leads) and, where several
// things are chosen before they are saved together, `value`.

import { chooser } from "./chooser.js";
import { key, make } from "./dom.js";
import { likely, mark, outcome, parts } from "./labels.js";

export function singleEditor(item, overview, { take }) {
  const names = likely(item, overview.labels);
  const now = outcome(item);
  const buttons = names.map((name, place) => make("button", {
    type: "button", class: "choice", "aria-pressed": String(item.decision !== null && name === now),
    onclick: () => take(name),
  }, key(place + 1), make("bdi", {}, name), mark(name, item)));
  const all = names.length < overview.labels.length && chooser(overview.labels, "Another label", take);
  return {
    element: make("div", { role: "group", "aria-label": "Labels" }, make("h2", {}, "It is"),
      make("div", { class: "choices" }, ...buttons), all),
    digit: (number) => names[number - 1] !== undefined && take(names[number - 1]),
    focus: () => (all ? all.querySelector("input") : buttons[0])?.focus(),
  };
}

export function multiEditor(item, overview, { draft, changed }) {
  const chosen = new Set(draft ?? parts(outcome(item)).map(({ name }) => name));
  const value = () => [...overview.labels.filter((name) => chosen.has(name)),
    ...[...chosen].filter((name) => !overview.labels.includes(name))];
  const names = [...new Set([...likely(item, overview.labels), ...value()])];
  const choices = make("div", { class: "choices" });

  function add(name) {
    const place = choices.querySelectorAll("label").length;
    const box = make("input", { type: "checkbox", checked: chosen.has(name), "data-name": name, onchange: () => {
      if (box.checked) chosen.add(name);
      else chosen.delete(name);
      changed(value());
    } });
    choices.append(make("label", { class: "choice" }, box, place < 9 ? key(place + 1) : "", make("bdi", {}, name), mark(name, item)));
    return box;
  }

  function toggle(name) {
    const box = [...choices.querySelectorAll("input")].find((other) => other.dataset.name === name) ?? add(name);
    box.click();
  }

  names.forEach(add);
  const all = names.length < overview.labels.length && chooser(overview.labels, "Find a label", toggle);
  return {
    element: make("div", { role: "group", "aria-label": "Labels" }, make("h2", {}, "It is"), choices, all),
    digit: (number) => choices.querySelectorAll("input")[number - 1]?.click(),
    focus: () => (all || choices).querySelector("input")?.focus(),
    value,
  };
}

export function signalsEditor(item, overview, { draft, changed }) {
  const given = new Map(parts(draft ?? outcome(item)).map(({ name, score, tag }) => [name, { score, tag }]));
  const value = () => overview.labels.filter((name) => given.has(name)).map((category) => ({ category, ...given.get(category) }));
  const rows = overview.labels.map((name, place) => signalRow(name, place, overview.categories[name] ?? [], given, () => changed(value())));
  return {
    element: make("div", { role: "group", "aria-label": "Signals" },
      make("h2", {}, "It is"),
      make("p", { class: "quiet" }, "From −1 (bad) to 1 (good). A row without a number says nothing about its category."),
      ...rows.map((row) => row.element)),
    digit: (number) => rows[number - 1]?.slider.focus(),
    focus: () => rows[0]?.slider.focus(),
    value,
  };
}

function signalRow(name, place, tags, given, changed) {
  const slider = make("input", { type: "range", min: -1, max: 1, step: 0.05, "aria-label": `${name}, score` });
  const number = make("input", { type: "number", min: -1, max: 1, step: 0.05, "aria-label": `${name}, score as a number` });
  const tag = make("select", { "aria-label": `${name}, tag` }, ...["", ...tags].map((tag) => make("option", { value: tag }, tag || "no tag")));
  const clear = make("button", { type: "button", class: "plain", "aria-label": `${name}: say nothing`, title: "Say nothing about it (Delete)" }, "×");
  const element = make("div", { class: "signal", role: "group", "aria-label": name },
    make("span", { class: "name" }, place < 9 ? key(place + 1) : "", make("bdi", {}, name)), slider, number, tag, clear);

  function show() {
    const signal = given.get(name);
    element.classList.toggle("unset", !signal);
    slider.value = signal?.score ?? 0;
    slider.style.setProperty("--score", signal?.score ?? 0);
    slider.classList.toggle("bad", (signal?.score ?? 0) < 0);
    slider.setAttribute("aria-valuetext", signal ? String(signal.score) : "not said");
    if (document.activeElement !== number) number.value = signal ? String(signal.score) : "";
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
