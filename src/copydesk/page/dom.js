// Elements from plain values. Texts only ever become text nodes.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "share") element.style.setProperty("--share", value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export const key = (name) => make("kbd", { "aria-hidden": "true" }, String(name));

export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child != null && child !== false));
}
