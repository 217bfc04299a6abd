// What is to be classified: one text in its columns, lines, or a file.

import { byId, fill, make } from "./dom.js";
import { count } from "./figures.js";
import { parsed } from "./table.js";

const LARGEST_FILE = 64 * 1024 * 1024;
const length = (text) => Array.from(text).length; // code points, as the server counts

export function askForm(model, { submit, fail, say }) {
  // `submit` gets {texts, isOne, skipped}; the texts are strings, or objects where the model reads several columns.
  const several = model.text.length > 1;
  const limits = model.limits;
  let table = null;
  let picks = [];

  const mode = () => byId("ask").elements.mode.value;
  const areas = () => [...byId("fields").querySelectorAll("textarea")];

  function show() {
    const wanted = mode();
    const kept = new Map(areas().map((area) => [area.name, area.value]));
    const names = wanted === "one" && several ? model.text : ["text"];
    fill(byId("fields"), ...(wanted === "file" ? [] : names.map((name, place) => field(name, place, names.length, kept))));
    byId("file-fields").hidden = wanted !== "file";
    byId("classify").disabled = wanted === "file" && !table;
    measure();
  }

  function field(name, place, all, kept) {
    const title = all > 1 ? name : mode() === "many" ? "Texts, one a line" : "Text";
    const area = make("textarea", {
      id: `field-${place}`, name, rows: all > 1 && place === 0 ? 2 : 5, dir: "auto", spellcheck: "false",
      placeholder: mode() === "many" ? "One text a line" : all > 1 ? "" : "Paste or write a text",
    });
    area.value = kept.get(name) ?? "";
    area.addEventListener("input", measure);
    return make("div", { class: "field" }, make("label", { for: area.id, class: all > 1 ? false : "unseen" }, title), area);
  }

  function measure() {
    const lines = areas()[0]?.value.split("\n").filter((line) => line.trim()) ?? [];
    const size = areas().reduce((sum, area) => sum + length(area.value), 0);
    const says = {
      one: size ? `${count(size)} of ${count(limits.max_text_chars)} characters` : "",
      many: lines.length ? `${count(lines.length)} text${lines.length === 1 ? "" : "s"}` : "",
      file: table ? `${count(table.rows.length)} rows` : "",
    };
    byId("size").textContent = says[mode()];
    byId("size").classList.toggle("over", mode() === "one" && size > limits.max_text_chars);
  }

  function one() {
    const values = areas().map((area) => [area.name, area.value.toWellFormed()]);
    return several ? Object.fromEntries(values) : values[0][1];
  }

  function wanted() {
    if (mode() === "one") return { texts: [one()], isOne: true };
    if (mode() === "many") return { texts: areas()[0].value.toWellFormed().split("\n") };
    const columns = picks.map((pick) => pick.value);
    const cell = (row, column) => (column === "" ? "" : row[Number(column)] ?? "");
    return {
      texts: table.rows.map((row) => several
        ? Object.fromEntries(model.text.map((name, place) => [name, cell(row, columns[place])]))
        : cell(row, columns[0])),
    };
  }

  const sizeOf = (text) => (typeof text === "string" ? [text] : Object.values(text)).reduce((sum, part) => sum + length(part), 0);
  const isEmpty = (text) => (typeof text === "string" ? [text] : Object.values(text)).every((part) => !part.trim());

  function send(event) {
    event.preventDefault();
    const { texts, isOne = false } = wanted();
    const filled = texts.filter((text) => !isEmpty(text));
    const taken = filled.filter((text) => sizeOf(text) <= limits.max_text_chars);
    if (!filled.length) return fail("There is no text yet. Write or paste one.", areas()[0]);
    if (!taken.length) {
      return fail(`The text has ${count(sizeOf(filled[0]))} characters; at most ${count(limits.max_text_chars)} are read.`, areas()[0]);
    }
    if (taken.length > limits.max_job_texts) {
      return fail(`These are ${count(taken.length)} texts; at most ${count(limits.max_job_texts)} are taken at once. Divide them.`);
    }
    return submit({ texts: taken, isOne, empty: isOne ? 0 : texts.length - filled.length, long: filled.length - taken.length });
  }

  async function open(file) {
    if (!file) return;
    if (file.size > LARGEST_FILE) return fail(`The file '${file.name}' is larger than 64 MB. Divide it, or use copydesk score.`);
    try {
      table = parsed(new Uint8Array(await file.arrayBuffer()), file.name);
    } catch (error) {
      table = null;
      fill(byId("columns"));
      show();
      return fail(`The file '${file.name}' cannot be read: ${error.message}`);
    }
    choose(file.name);
    show();
    say(`${file.name}: ${count(table.rows.length)} rows. Choose the column, then classify.`);
  }

  function choose(name) {
    picks = model.text.map((wantedName, place) => {
      const pick = make("select", { id: `column-${place}` },
        several && make("option", { value: "" }, "(none)"),
        ...table.columns.map((column, number) => make("option", { value: number }, column)));
      pick.value = guess(wantedName, place);
      return pick;
    });
    const first = table.rows.slice(0, 3).map((row) => make("li", { dir: "auto" }, row.join(" · ").slice(0, 200)));
    fill(byId("columns"),
      make("p", {}, make("strong", {}, name), ` ${count(table.rows.length)} rows`),
      ...picks.map((pick, place) => make("div", { class: "line" },
        make("label", { for: pick.id }, several ? `Column for ${model.text[place]}` : "Column with the texts"), pick)),
      make("ul", { class: "preview quiet", "aria-label": "The first rows" }, ...first));
  }

  function guess(wantedName, place) {
    const names = table.columns.map((column) => column.trim().toLowerCase());
    const named = names.indexOf(wantedName.toLowerCase());
    if (named >= 0) return String(named);
    if (place > 0) return "";
    const width = (column) => table.rows.slice(0, 50).reduce((sum, row) => sum + (row[column] ?? "").length, 0);
    const widths = names.map((_, column) => width(column));
    return String(widths.indexOf(Math.max(...widths)));
  }

  byId("modes").addEventListener("change", () => { show(); areas()[0]?.focus(); });
  byId("ask").addEventListener("submit", send);
  byId("file").addEventListener("change", (event) => open(event.target.files[0]));
  document.addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    byId("ask").elements.mode.value = "file";
    show();
    open(event.dataTransfer.files[0]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      if (!byId("classify").disabled) byId("ask").requestSubmit();
    }
  });
  show();
  areas()[0]?.focus();

  return {
    put(text) {
      byId("ask").elements.mode.value = "one";
      show();
      for (const area of areas()) area.value = typeof text === "string" ? (area === areas()[0] ? text : "") : text[area.name] ?? "";
      measure();
    },
    busy(isBusy) {
      byId("classify").disabled = isBusy || (mode() === "file" && !table);
      byId("stop").hidden = !isBusy;
    },
  };
}
