// Files as tables, read in the browser: CSV and TSV with quotes, JSONL, a JSON list, or plain lines.

const SEPARATORS = [",", ";", "\t"];

export function parsed(bytes, name) {
  // Returns {columns, rows}; rows are lists of strings. Throws an Error that says what is wrong.
  const text = decoded(bytes);
  if (!text.trim()) throw new Error("it is empty.");
  const kind = name.toLowerCase().match(/\.(\w+)$/)?.[1] ?? "";
  if (["jsonl", "ndjson"].includes(kind)) return fromObjects(lines(text).map(json));
  if (kind === "json") {
    const value = json(text, 0);
    if (!Array.isArray(value)) throw new Error("its JSON is no list.");
    return fromObjects(value);
  }
  if (kind === "txt") return { columns: ["text"], rows: lines(text).map((line) => [line]) };
  return fromDelimited(text, kind === "tsv" ? "\t" : separator(text));
}

function decoded(bytes) {
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[[bytes[0], bytes[1]].join()];
  if (wide) return new TextDecoder(wide).decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

const lines = (text) => text.split(/\r\n|\n|\r/).filter((line) => line.trim());

function json(line, place) {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`row ${place + 1} is no JSON.`);
  }
}

function fromObjects(values) {
  const columns = [...new Set(values.flatMap((value) =>
    value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : ["text"]))];
  const cell = (value) => (value == null ? "" : typeof value === "string" ? value : JSON.stringify(value));
  return { columns, rows: values.map((value) => columns.map((column) =>
    cell(value !== null && typeof value === "object" ? (Object.hasOwn(value, column) ? value[column] : "") : column === "text" ? value : ""))) };
}

function separator(text) {
  const header = text.slice(0, text.search(/[\r\n]|$/));
  const found = SEPARATORS.map((sign) => header.split(sign).length);
  return SEPARATORS[found.indexOf(Math.max(...found))];
}

function fromDelimited(text, sign) {
  // RFC 4180: a quoted cell may hold separators, line breaks and doubled quotes.
  const rows = [];
  const special = new RegExp(`["\\r\\n${sign === "\t" ? "\\t" : sign}]`, "g");
  let row = [];
  let place = 0;
  while (place < text.length) {
    let cell = "";
    if (text[place] === '"') {
      let end = text.indexOf('"', place + 1);
      while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
      if (end < 0) throw new Error(`row ${rows.length + 1} opens a quote that is never closed.`);
      cell = text.slice(place + 1, end).replaceAll('""', '"');
      place = end + 1;
    }
    special.lastIndex = place;
    let stop = special.exec(text);
    while (stop?.[0] === '"') stop = special.exec(text);
    const end = stop ? stop.index : text.length;
    row.push(cell + text.slice(place, end));
    place = end + 1;
    if (stop?.[0] === sign) {
      if (place >= text.length) row.push("");
      continue;
    }
    if (stop?.[0] === "\r" && text[place] === "\n") place += 1;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  if (row.length) rows.push(row);
  const [columns, ...rest] = rows;
  if (!rest.length) throw new Error("it has a header and no rows.");
  return { columns: columns.map((name, number) => name.trim() || `column ${number + 1}`), rows: rest };
}

export function written(columns, rows) {
  // Returns the rows as CSV, with a byte-order mark so that spreadsheets read it as UTF-8.
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return `\ufeff${[columns, ...rows].map((row) => row.map((value) => cell(String(value))).join(",")).join("\r\n")}\r\n`;
}
