// A field to find one of many labels by typing: arrows choose, Enter takes.

import { make } from "./dom.js";

const SHOWN = 8;

function found(names, typed) {
  const wanted = typed.trim().toLocaleLowerCase();
  const matching = names.filter((name) => name.toLocaleLowerCase().includes(wanted));
  const begins = (name) => name.toLocaleLowerCase().startsWith(wanted);
  return [...matching.filter(begins), ...matching.filter((name) => !begins(name))].slice(0, SHOWN);
}

export function chooser(names, title, take, { hint = "" } = {}) {
  let options = [];
  let active = 0;
  const list = make("ul", { role: "listbox", id: "chooser-list", "aria-label": title, hidden: true });
  const field = make("input", {
    type: "text", id: "chooser", role: "combobox", autocomplete: "off", spellcheck: "false",
    "aria-autocomplete": "list", "aria-controls": "chooser-list", "aria-expanded": "false",
    placeholder: title + hint, "aria-label": title,
  });

  function show(open) {
    options = open ? found(names, field.value) : [];
    active = Math.min(active, Math.max(options.length - 1, 0));
    list.replaceChildren(...options.map((name, place) => make("li", {
      role: "option", id: `chooser-${place}`, "aria-selected": String(place === active), dir: "auto",
      onmousedown: (event) => { event.preventDefault(); choose(name); },
    }, name)));
    list.hidden = options.length === 0;
    field.setAttribute("aria-expanded", String(options.length > 0));
    if (options.length) field.setAttribute("aria-activedescendant", `chooser-${active}`);
    else field.removeAttribute("aria-activedescendant");
  }

  function choose(name) {
    field.value = "";
    show(false);
    take(name);
  }

  function move(by) {
    active = (active + by + options.length) % Math.max(options.length, 1);
    show(true);
  }

  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => { if (options.length) choose(options[active]); },
  };
  field.addEventListener("input", () => { active = 0; show(true); });
  field.addEventListener("focus", () => show(true));
  field.addEventListener("blur", () => show(false));
  field.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(keys, event.key) || event.isComposing) return;
    if (event.key === "Enter" && !field.value.trim()) return; // an empty field's Enter saves, as everywhere
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });
  return make("div", { class: "chooser" }, field, list);
}
