// Small helpers for elements of the page.

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function button(text, attributes, action) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

export function canvasOf(width, height) {
  const made = element("canvas");
  made.width = width;
  made.height = height;
  return made;
}

// For canvases whose pixels are read: the browser then keeps them in memory.
export const pen = (canvas) => canvas.getContext("2d", { willReadFrequently: true });

export const press = (one, on) => one.setAttribute("aria-pressed", String(on));

export function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
  if (wrong) $("status").scrollIntoView({ block: "nearest" }); // on a phone it may be far below
}

// The colours of instances, the same as on pages of results.
let colors = ["rgb(200 200 200)"];

export function useColors(triples) {
  colors = triples.map((triple) => `rgb(${triple.join(" ")})`);
}

export const colorOf = (place) => colors[place % colors.length];

export function chip(text, color) {
  const made = element("span", { class: "chip" }, text);
  made.style.setProperty("--own", color);
  return made;
}

export const times = (size) => `${size[0]} × ${size[1]}`;
