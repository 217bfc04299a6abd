// "That is wrong": the right label, in the form of the model's task, sent to the server with the answer's id.

import { chooser } from "./chooser.js";
import { fill, make } from "./dom.js";

const FEW = 12;

export function correction({ text, prediction, model, send }) {
  const box = make("div", { class: "correct" });
  const open = make("button", { type: "button", "aria-expanded": "false", onclick: () => show() }, "That is wrong");
  const id = make("span", { class: "quiet id" }, `answer ${prediction.id}`);

  function show() {
    const editor = EDITORS[model.task](prediction, model);
    const keep = make("input", { type: "checkbox", id: "keep-text", checked: true });
    const comment = make("input", { type: "text", id: "comment", maxlength: "2000", autocomplete: "off" });
    const wrong = make("p", { class: "fault", role: "alert" });
    const form = make("form", { class: "correction", "aria-label": "What is right" },
      make("h3", {}, "What is right?"), editor.element,
      make("p", {}, make("label", { for: "comment" }, "Comment (optional)"), comment),
      make("p", {}, make("label", {}, keep, " Send the text with it")), wrong,
      make("div", { class: "line" }, make("button", { type: "submit", class: "strong" }, "Send"),
        make("button", { type: "button", onclick: () => close() }, "Cancel")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const value = editor.value();
      if (value === null) { wrong.textContent = "Choose what is right first."; return; }
      try {
        await send({ id: prediction.id, ...value, ...(keep.checked && { text }), ...(comment.value && { comment: comment.value }) });
        fill(box, make("p", { role: "status", class: "thanks", tabindex: "-1" }, "Thank you. The correction is saved."));
        box.querySelector(".thanks").focus();
      } catch (error) {
        wrong.textContent = error.message;
      }
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    fill(box, form);
    form.querySelector("input, select, button").focus();
  }

  function close() {
    fill(box, open, id);
    open.focus();
  }

  fill(box, open, id);
  return box;
}

function single(prediction, model) {
  const names = model.labels.filter((name) => name !== prediction.label);
  const likely = names.length <= FEW ? names : [...names].sort((one, other) =>
    (prediction.scores?.[other] ?? 0) - (prediction.scores?.[one] ?? 0)).slice(0, 5);
  const choices = make("div", { class: "choices", role: "radiogroup", "aria-label": "The right label" });
  const add = (name, checked = false) => choices.append(make("label", { class: "choice" },
    make("input", { type: "radio", name: "right", value: name, checked }), make("bdi", {}, name)));
  likely.forEach((name) => add(name, likely.length === 1));
  const find = (name) => {
    const there = [...choices.querySelectorAll("input")].find((input) => input.value === name);
    if (there) there.checked = true;
    else add(name, true);
  };
  const all = likely.length < names.length && chooser(names, "Another label", find);
  return {
    element: make("div", {}, choices, all),
    value: () => { const right = choices.querySelector(":checked"); return right && { label: right.value }; },
  };
}

function multi(prediction, model) {
  const choices = make("div", { class: "choices", role: "group", "aria-label": "The right labels" });
  const add = (name, checked) => choices.append(make("label", { class: "choice" },
    make("input", { type: "checkbox", value: name, checked }), make("bdi", {}, name)));
  const likely = Object.entries(prediction.scores ?? {}).sort((one, other) => other[1] - one[1]).map(([name]) => name);
  const names = model.labels.length <= FEW ? model.labels : [...new Set([...prediction.labels, ...likely])].slice(0, FEW);
  names.forEach((name) => add(name, prediction.labels.includes(name)));
  const find = (name) => {
    const there = [...choices.querySelectorAll("input")].find((input) => input.value === name);
    if (there) there.checked = true;
    else add(name, true);
  };
  const all = names.length < model.labels.length && chooser(model.labels, "Find a label", find);
  return {
    element: make("div", {}, choices, all),
    value: () => ({ labels: [...choices.querySelectorAll(":checked")].map((input) => input.value) }),
  };
}

function signals(prediction, model) {
  const rows = prediction.signals.map(({ category, score, tag, present }) => {
    const there = make("input", { type: "checkbox", checked: present, "aria-label": `${category} is there` });
    const number = make("input", {
      type: "number", min: -1, max: 1, step: 0.05, value: (Math.round(score * 20) / 20).toFixed(2), "aria-label": `${category}, score`,
    });
    const options = ["", ...(model.tags[category] ?? [])].map((name) => make("option", { value: name }, name || "no tag"));
    const tags = make("select", { "aria-label": `${category}, tag` }, ...options);
    tags.value = present ? tag : "";
    const sync = () => { number.disabled = tags.disabled = !there.checked; };
    there.addEventListener("change", sync);
    sync();
    const element = make("div", { class: "right-signal" }, make("label", {}, there, " ", make("bdi", {}, category)), number, tags);
    return { element, value: () => there.checked && { category, score: Number(number.value), tag: tags.value } };
  });
  return {
    element: make("div", { role: "group", "aria-label": "The right signals" },
      make("p", { class: "quiet" }, "Tick what is there; scores go from −1 (bad) to 1 (good)."), ...rows.map((row) => row.element)),
    value: () => ({ signals: rows.map((row) => row.value()).filter(Boolean) }),
  };
}

const EDITORS = { single, multi, signals };

