// Small helpers for the document.

export const $ = (id) => document.getElementById(id);

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

// Writes only what differs: the browser then has nothing to lay out anew.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name, on) {
  if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
}

// Red, green, blue from 0 to 1, as the server's scene has them.
export function css(colour) {
  return `rgb(${colour.map((part) => Math.round(part * 255)).join(" ")})`;
}

export function toast(text, level) {
  const line = make("div", `toast ${level}`, text);
  $("toasts").append(line);
  while ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  setTimeout(() => line.remove(), level === "bad" ? 9000 : 3500);
}
