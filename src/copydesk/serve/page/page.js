// The page: what happens when. Whatever a user or the server says becomes text nodes only.

import { inWords, showAnswer } from "./answer.js";
import { ask, Refused, useKey } from "./api.js";
import { askForm } from "./ask.js";
import { historyOf, showFacts } from "./beside.js";
import { byId } from "./dom.js";
import { count } from "./figures.js";
import { batches, showMany } from "./many.js";

let again = start; // what is done once more when a key was given
let running = null; // the AbortController of what is being asked
let form = null;
let history = null;
let model = null;

function say(message, { isShown = true } = {}) {
  byId("status").textContent = message;
  byId("status").classList.toggle("unseen", !isShown); // what the page shows anyway is said to screen readers only
}

function fail(message, field = null) {
  byId("notice").textContent = message;
  byId("notice").hidden = !message;
  if (message) say("");
  field?.focus();
}

function handle(error, retry) {
  if (error?.name === "AbortError") return say("Stopped.");
  if (!(error instanceof Refused)) {
    console.error(error);
    return fail(`This page has failed (${error.message}). Load it again.`);
  }
  if (error.status !== 401) return fail(error.message);
  again = retry;
  byId("key-form").hidden = false;
  byId("key").focus();
  return say("An API key is needed.");
}

const waiting = (seconds) => say(`The server is busy. Trying again in ${seconds} s …`);

async function attempt(work) {
  // Runs what the user asked for; what was asked before is stopped.
  running?.abort();
  const own = new AbortController();
  running = own;
  fail("");
  form?.busy(true);
  try {
    await work(own.signal);
  } catch (error) {
    if (running === own) handle(error, () => attempt(work));
  } finally {
    if (running === own) {
      form?.busy(false);
      byId("progress").hidden = true;
      running = null;
    }
  }
}

async function facts() {
  [model] = (await ask("v1/models", { waiting })).models;
  showFacts(model);
}

async function start() {
  fail("");
  try {
    await facts();
  } catch (error) {
    return handle(error, start);
  }
  history = historyOf(model.name, (text) => { form.put(text); one(text); scrollTo({ top: 0 }); });
  form = askForm(model, { submit, fail, say });
  return say("");
}

function submit({ texts, isOne, empty, long }) {
  if (isOne) return one(texts[0]);
  const left = [empty && `${count(empty)} without text`, long && `${count(long)} with too many characters`].filter(Boolean);
  return many(texts, left.length ? `Left out: ${left.join(", ")}.` : "");
}

function one(text, { keepMany = false } = {}) {
  return attempt(async (signal) => {
    say("Classifying …");
    const { predictions: [prediction], model: answered } =
      await ask("v1/classify?scores=true", { body: { text }, signal, waiting });
    if (!keepMany) byId("many").hidden = true;
    say(`Answer: ${inWords(prediction)}.`, { isShown: false });
    history.add(text, inWords(prediction));
    showAnswer({
      text, prediction, model, send: (body) => ask("v1/feedback", { body, waiting }),
      explain: (label) => explained(text, label, answered),
    });
    if (keepMany) byId("answer").focus();
    else if (byId("answer").getBoundingClientRect().top > innerHeight * 0.6) byId("answer").scrollIntoView();
    if (answered.version !== model.version) await facts();
  });
}

async function explained(text, label, answered) {
  try {
    const found = await ask("v1/explain", { body: { text, ...(label !== null && { label }) } });
    return found.model.version === answered.version ? found.explanations : [];
  } catch (error) {
    handle(error, () => one(text));
    return null;
  }
}

function many(texts, note) {
  return attempt(async (signal) => {
    byId("answer").hidden = true;
    const progress = byId("progress");
    progress.max = texts.length;
    progress.value = 0;
    progress.hidden = false;
    say(`Classifying ${count(texts.length)} texts …`);
    const shown = showMany({ total: texts.length, note, open: (text) => one(text, { keepMany: true }) });
    try {
      for (const part of batches(texts, model.limits.max_batch_texts)) {
        const { predictions } = await ask("v1/classify", { body: { texts: part }, signal, waiting });
        shown.add(part, predictions);
        progress.value += part.length;
      }
    } catch (error) {
      shown.end(signal.aborted ? ", then stopped" : "");
      throw error;
    }
    say(`${count(texts.length)} texts are classified.`);
  });
}

byId("stop").addEventListener("click", () => running?.abort());
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(byId("key").value.trim());
  byId("key").value = "";
  byId("key-form").hidden = true;
  again();
});

start();
