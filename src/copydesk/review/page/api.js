// Requests to the review's own server. The token stands behind the address's # and goes with each of them.

const KEY = "copydesk-token";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function token() {
  const given = location.hash.slice(1);
  if (given) sessionStorage.setItem(KEY, given);
  return given || sessionStorage.getItem(KEY) || "";
}

export function memory() {
  // What this window remembers over reloads, apart for each review: the place, and what it looks for.
  const key = `copydesk-review-${token()}`;
  return {
    read: () => JSON.parse(sessionStorage.getItem(key) ?? "{}"),
    write: (value) => sessionStorage.setItem(key, JSON.stringify(value)),
  };
}

export async function ask(path, body) {
  const headers = { "X-Copydesk-Token": token() };
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Refused(0, "The review has ended, or cannot be reached. Whatever was decided is saved; to go on, start " +
      "it again in the terminal.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer.error);
  return answer;
}
