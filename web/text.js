// SPDX-License-Identifier: Apache-2.0
//
// text.js: text on its way to a person. What a plugin, a label or an engine wrote is shown as text and never as HTML;
// what would hide it, reorder it or act on it is shown by its code.

// Control characters but tab and newline, marks of direction, what has no width, and lone surrogates.
const UNSEEN = new RegExp("[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f"
  + "\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\ud800-\\udfff]", "gu");

export function printable(text) {
  return String(text).replace(UNSEEN, (one) => {
    const code = one.codePointAt(0);
    return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u{" + code.toString(16) + "}";
  });
}

// Puts a text there, unless it stands there already: what does not change costs the browser nothing.
export function put(element, text) {
  const shown = printable(text ?? "");
  if (element.textContent !== shown) element.textContent = shown;
}

export function make(name, attributes = {}, text) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) put(element, text);
  return element;
}

const STEPS = [[86400, "d"], [3600, "h"], [60, "m"]];

export function duration(seconds) {
  for (const [length, unit] of STEPS) {
    if (seconds >= length) return (seconds / length).toFixed(seconds < 10 * length ? 1 : 0) + unit;
  }
  return seconds < 10 ? seconds.toFixed(1) + "s" : Math.round(seconds) + "s";
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count) {
  let step = 0;
  while (count >= 1024 && step < SIZES.length - 1) {
    count /= 1024;
    step += 1;
  }
  return (count >= 100 || step === 0 ? Math.round(count) : count.toFixed(1)) + " " + SIZES[step];
}

export function percent(share) {
  return (share * 100).toFixed(share < 0.1 ? 1 : 0) + "%";
}

export function clockTime(seconds) {
  const time = new Date(seconds * 1000);
  const today = time.toDateString() === new Date().toDateString();
  return (today ? "" : time.toLocaleDateString() + " ") + time.toLocaleTimeString();
}
