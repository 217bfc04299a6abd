// The review page: which texts, which of them now, and what the keys do. Everything is saved by the server before the
// next text is shown; nothing is decided here.

import { ask, memory, Refused } from "./api.js";
import { byId, fill, key, make } from "./dom.js";
import { EDITORS } from "./editors.js";
import { inWords, outcome, same } from "./labels.js";
import { highlight, inPast, showActions, showItem, showProgress } from "./show.js";

const AHEAD = 5;
const KEPT = 200;
const remembered = memory();
const filters = { reason: null, state: "", search: "" };
const items = new Map(); // by place: what the server said last
const drafts = new Map(); // by place: a label that was begun and is not saved
const decisions = new Map(); // by place, of the texts that are gone through
let overview = null;
let places = [];
let place = null;
let editor = null;
let queue = Promise.resolve();

// One thing after the other: a key that is hit while a decision is saved waits for the next text.
function run(action) {
  queue = queue.then(action).catch(fail);
  return queue;
}

async function fail(error) {
  if (!(error instanceof Refused)) {
    console.error(error);
    return notice(`This page has failed (${error.message}). What was decided is saved: load it again.`);
  }
  notice(error.message);
  if (error.status === 409) await reload().catch((then) => notice(then.message));
}

function notice(message) {
  byId("notice").textContent = message;
  byId("notice").hidden = !message;
}

const say = (message) => { byId("status").textContent = message; };

// Which texts

async function list() {
  const query = new URLSearchParams({ state: filters.state, search: filters.search });
  if (filters.reason !== null) query.set("reason", filters.reason);
  const found = await ask(`api/places?${query}`);
  places = found.places;
  decisions.clear();
  places.forEach((one, index) => decisions.set(one, found.decisions[index]));
}

async function filter(changes, { focus = false } = {}) {
  Object.assign(filters, changes);
  say("");
  await list();
  showProgress(overview, filters, (reason) => run(() => filter({ reason })));
  byId("state").value = filters.state;
  const open = filters.search ? places[0] : places.find((one) => !decisions.get(one));
  await go(places.includes(place) ? place : (open ?? places[0] ?? null), { focus });
}

async function reload() {
  overview = await ask("api/review");
  items.clear();
  await filter({});
}

// Which text

async function fetchItems(wanted) {
  const found = await ask(`api/items?places=${wanted.join(",")}`);
  for (const item of found.items) items.set(item.place, item);
}

async function go(to, { focus = true } = {}) {
  place = to;
  remembered.write({ ...filters, place });
  if (to === null) {
    byId("item").hidden = byId("evidence").hidden = true;
    byId("empty").hidden = false;
    editor = null;
    byId("empty").textContent = overview.all
      ? "No text matches. Show others, or search for something else."
      : "There is nothing to review in this file.";
    showActions(null, overview, false);
    return;
  }
  if (!items.has(to)) await fetchItems([to]);
  showNow();
  if (focus) byId("item").focus({ preventScroll: true });
  lookAhead();
}

function showNow() {
  const item = items.get(place);
  const shown = place;
  byId("item").hidden = false;
  byId("empty").hidden = true;
  showItem(item, places.indexOf(place), places.length);
  highlight(filters.search);
  editor = EDITORS[overview.task](item, overview, {
    draft: drafts.get(place),
    take: (name) => (shown === place ? decideLabel(name) : null),
    run,
    changed: (label) => { drafts.set(place, label); showActions(item, overview, isEdited()); },
  });
  const button = { type: "button", id: "save", onclick: () => run(save) };
  fill(byId("editor"), editor.element, editor.value && make("button", button, make("span", {}, "Save"), key("Enter")));
  showActions(item, overview, isEdited());
}

const isEdited = () => drafts.has(place) && !same(drafts.get(place), outcome(items.get(place)));

function lookAhead() {
  const from = places.indexOf(place) + 1;
  const wanted = places.slice(from, from + AHEAD).filter((one) => !items.has(one));
  const old = items.size > KEPT ? [...items.keys()].slice(0, KEPT / 2) : [];
  old.filter((one) => one !== place).forEach((one) => items.delete(one));
  if (wanted.length) fetchItems(wanted).catch(() => {}); // whoever shows one of them asks again, and says what is wrong
}

function step(by) {
  const index = places.indexOf(place);
  const later = places.findIndex((one) => one > place);
  const to = index >= 0 ? index + by : by > 0 ? later : (later < 0 ? places.length : later) - 1;
  if (to >= 0 && to < places.length) {
    say("");
    return go(places[to]);
  }
  say(by > 0 ? "This is the last text." : "This is the first text.");
}

function nextOpen() {
  const isOpen = (one) => !decisions.get(one) && one !== place;
  return places.find((one) => one > place && isOpen(one)) ?? places.find(isOpen);
}

async function goToNextOpen() {
  const open = nextOpen();
  if (open === undefined) return say("No other text is open here.");
  say("");
  await go(open);
}

// Decisions

async function decide(decision, newLabel = null) {
  if (place === null) return;
  const { revision } = items.get(place);
  const answer = await ask("api/decide", { place, revision, decision, new_label: newLabel });
  drafts.delete(place);
  took(answer);
  const index = places.indexOf(place);
  const to = decision === "change" ? ` to ${inWords(newLabel)}` : "";
  say(`Saved: ${inPast(decision)}${to}.${finished()}`);
  const next = nextOpen() ?? places[index + 1];
  if (next === undefined) showNow();
  else await go(next);
}

function took({ item, ...changes }) {
  notice("");
  overview = { ...overview, ...changes };
  items.set(item.place, item);
  if (decisions.has(item.place)) decisions.set(item.place, item.decision);
  showProgress(overview, filters, (reason) => run(() => filter({ reason })));
}

function finished() {
  if (overview.decided + overview.skipped < overview.all) return "";
  const skipped = overview.skipped ? ` (${overview.skipped} skipped)` : "";
  return ` Every text was looked at${skipped}: press Ctrl-C in the terminal, and it says how to go on.`;
}

async function decideLabel(label) {
  const item = items.get(place);
  if (same(label, item.label)) return decide("keep");
  if (same(label, item.suggested)) return decide("accept");
  return decide("change", label);
}

async function save() {
  const label = editor.value();
  if (overview.task === "multi" && !label.length) {
    return notice("A text has at least one label. Choose one, or drop the text.");
  }
  return decideLabel(label);
}

async function undo() {
  if (!overview.can_undo) return say("There is nothing to undo.");
  const answer = await ask("api/undo", { revision: overview.revision });
  drafts.delete(answer.item.place);
  took(answer);
  await go(answer.item.place);
  say("Taken back.");
}

const press = (id) => run(() => (byId(id).disabled ? null : decide(id)));

// Keys

const KEYS = {
  k: () => press("keep"), a: () => press("accept"), d: () => press("drop"), s: () => press("skip"),
  u: () => run(undo), n: () => run(goToNextOpen),
  ArrowRight: () => run(() => step(1)), j: () => run(() => step(1)),
  ArrowLeft: () => run(() => step(-1)), p: () => run(() => step(-1)),
  c: () => run(() => editor?.focus()), Enter: () => run(() => (editor?.value ? save() : null)),
  "/": () => byId("search").focus(), "?": () => byId("help").showModal(),
  Escape: () => { notice(""); byId("item").focus(); },
};
const SHORTCUTS = [
  ["K", "keep the label"], ["A", "accept the suggestion"],
  ["1 – 9", { single: "take this label", multi: "switch this label on or off", signals: "go to this category" }],
  ["C", { single: "go to the labels", multi: "go to the labels", signals: "go to the scores" }],
  ["Enter", { multi: "save the labels", signals: "save the signals" }],
  ["Delete", { signals: "say nothing about this category" }],
  ["D", "drop the text from the data"], ["S", "skip it for now"], ["U  Ctrl Z", "undo the last decision"],
  ["→  ←  J  P", "next, previous text"], ["N", "next text nobody has looked at"],
  ["Space", "scroll a long text"], ["/", "search"], ["Esc", "back to the text"], ["?", "this list"],
];
const IN_ARROWS = ["range", "number"];

function onKey(event) {
  if (event.isComposing || byId("help").open) return;
  const on = event.target;
  const isTyping = on.matches("input:not([type=checkbox]):not([type=range]), select");
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isTyping) return act(event, () => run(undo));
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const saves = event.key === "Enter" && editor?.value && byId("editor").contains(on);
  if (isTyping && event.key !== "Escape" && !saves) return;
  if (IN_ARROWS.includes(on.type) && event.key.startsWith("Arrow")) return;
  if (event.key === "Enter" && on.matches("button, summary")) return;
  if (event.key === " ") return scroll(event, on);
  const name = nameOf(event);
  if (name.length === 1 && name !== "?" && !byId("single-keys").checked) return;
  if (/^[1-9]$/.test(name)) return act(event, () => run(() => editor?.digit(Number(name))));
  if (Object.hasOwn(KEYS, name)) act(event, KEYS[name]);
}

function nameOf(event) {
  // On keyboards of other scripts the letters are where they are on a Latin one.
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return /^[^\x00-\x7f]$/.test(name) && event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : name;
}

function act(event, action) {
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) action(); // a key that is held down decides once
}

function scroll(event, on) {
  const box = byId("text");
  if (on.matches("button, input, summary") || box.scrollHeight <= box.clientHeight) return;
  event.preventDefault();
  box.scrollBy({ top: (event.shiftKey ? -0.85 : 0.85) * box.clientHeight });
}

function showShortcuts() {
  const known = SHORTCUTS.map(([keys, what]) => [keys, what[overview.task] ?? what])
    .filter(([, what]) => typeof what === "string");
  fill(byId("shortcuts"), ...known.map(([keys, what]) => make("div", {},
    make("dt", {}, ...keys.split("  ").map((one) => make("kbd", {}, one))), make("dd", {}, what))));
}

function listen() {
  document.addEventListener("keydown", onKey);
  for (const id of ["keep", "accept", "drop", "skip"]) byId(id).addEventListener("click", () => press(id));
  byId("undo").addEventListener("click", () => run(undo));
  byId("previous").addEventListener("click", () => run(() => step(-1)));
  byId("next").addEventListener("click", () => run(() => step(1)));
  byId("next-undecided").addEventListener("click", () => run(goToNextOpen));
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("state").addEventListener("change", () => run(() => filter({ state: byId("state").value })));
  let typing;
  byId("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => run(() => filter({ search: byId("search").value })), 200);
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    clearTimeout(typing);
    run(() => filter({ search: byId("search").value }, { focus: true }));
  });
  byId("single-keys").checked = localStorage.getItem("copydesk-single-keys") !== "off";
  byId("single-keys").addEventListener("change", (event) => {
    localStorage.setItem("copydesk-single-keys", event.target.checked ? "on" : "off");
  });
}

async function start() {
  const before = remembered.read();
  overview = await ask("api/review");
  fill(byId("title"), make("bdi", {}, overview.file));
  byId("kicker").textContent = ["Review", overview.recipe].filter(Boolean).join(" · ");
  document.body.dataset.task = overview.task;
  document.title = `${overview.file} – review`;
  showShortcuts();
  listen();
  place = before.place ?? null;
  byId("search").value = before.search ?? "";
  const { reason = null, state = "", search = "" } = before;
  await filter({ reason, state, search }, { focus: true });
}

run(start);
