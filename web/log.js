// SPDX-License-Identifier: Apache-2.0
//
// log.js: the output of one plugin, as it comes. Only the last of it is kept here.

import { follow, pathOf } from "./server.js";
import { clockTime, make } from "./text.js";

const KEPT = 1000; // lines

function lineOf(entry) {
  const level = entry.level ?? "";
  const element = make("div", { class: "line" });
  element.dataset.level = level;
  element.append(make("time", { datetime: new Date(entry.time * 1000).toISOString() }, clockTime(entry.time)), " ");
  if (level) element.append(make("span", { class: "level" }, level), " ");
  const fields = Object.entries(entry.fields ?? {}).map(([key, value]) => ` ${key}=${value}`).join("");
  const text = entry.message === undefined ? entry.line
    : (entry.module ? entry.module + ": " : "") + entry.message + fields;
  element.append(make("bdi", {}, text));
  return element;
}

export class Log {
  constructor(element, following) {
    this.element = element;
    this.following = following;
    following.addEventListener("change", () => this.toEnd());
  }

  // Shows the output of a plugin, of none where there is no name.
  open(name) {
    this.stop?.abort();
    this.stop = null;
    this.element.replaceChildren();
    if (!name) return;
    this.stop = new AbortController();
    follow(pathOf(name, "logs") + "?tail=200&follow=1", this.stop.signal, {
      begin: () => this.element.replaceChildren(),
      take: (entries) => this.take(entries),
      fail: () => {},
    });
  }

  take(entries) {
    const lines = document.createDocumentFragment();
    for (const entry of entries.slice(-KEPT)) lines.append(lineOf(entry));
    this.element.append(lines);
    while (this.element.childElementCount > KEPT) this.element.firstElementChild.remove();
    this.toEnd();
  }

  toEnd() {
    if (this.following.checked) this.element.scrollTop = this.element.scrollHeight;
  }
}
