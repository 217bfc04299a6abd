// Requests to the server the page came from. A full queue is waited for; a key that is missing is asked for.

const KEY = "copydesk-key";
const TRIES = 6;
const LONGEST_WAIT_S = 30;
let own = ""; // where the browser keeps nothing, the key lives as long as the page

export class Refused extends Error {
  constructor(status, message, faults = []) {
    super(message);
    this.status = status;
    this.faults = faults;
  }
}

export function useKey(key) {
  own = key;
  try { sessionStorage.setItem(KEY, key); } catch { /* own has it */ }
}

function known() {
  try { return own || (sessionStorage.getItem(KEY) ?? ""); } catch { return own; }
}

export const hasKey = () => known() !== "";

function headers(body) {
  const key = known();
  return { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": "application/json" }) };
}

const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

export async function ask(path, { body, signal, waiting = () => {} } = {}) {
  // Returns the answer's JSON, null if there is none. `waiting` is told for how many seconds a full queue is waited.
  for (let tries = 1; ; tries += 1) {
    const response = await send(path, body, signal);
    if (response.ok) return response.status === 204 ? null : response.json();
    if (response.status === 429 && tries < TRIES) {
      const seconds = Math.min(Math.max(Number(response.headers.get("Retry-After")) || 1, 1), LONGEST_WAIT_S);
      waiting(seconds);
      await pause(seconds, signal);
    } else {
      throw await refusal(response);
    }
  }
}

async function send(path, body, signal) {
  try {
    const text = body && JSON.stringify(body);
    return await fetch(path, { method: body ? "POST" : "GET", headers: headers(body), body: text, signal });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new Refused(0, "The server cannot be reached. Is it running, and are you online? Then try again.");
  }
}

async function refusal(response) {
  const { detail } = await response.json().catch(() => ({}));
  const faults = Array.isArray(detail) ? detail : [];
  const said = typeof detail === "string" ? detail : faults.map(inWords).join(" ");
  return new Refused(response.status, (TITLES[response.status] ?? (() => `The server answered ${response.status}.`))(said,
    response.headers.get("Retry-After")), faults);
}

const TITLES = {
  401: () => "The server asks for an API key.",
  413: (said) => `That is too much for one request. ${said}`,
  422: (said) => `The server does not take this: ${said}`,
  429: () => "The server is busy and stayed so. What you wrote is still here: try again in a while.",
  503: (said, wait) => `The server is not ready${wait ? `; it asks to come again in ${wait} s` : ""}. ${said}`,
  504: () => "The server did not answer in time. Try again.",
};

function inWords({ loc = [], msg = "" }) {
  const place = loc.indexOf("texts");
  const text = place >= 0 && typeof loc[place + 1] === "number" ? `text ${loc[place + 1] + 1}: ` : "";
  return text + msg;
}
