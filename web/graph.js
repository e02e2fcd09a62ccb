// SPDX-License-Identifier: Apache-2.0
//
// graph.js: what plugins use over time: the readings of the last minutes, and a line of them.

const NS = "http://www.w3.org/2000/svg";
const KEPT = 90; // readings, two seconds apart

// The readings of one plugin. Those of another generation than the last one say nothing of its share of a CPU.
export class Readings {
  constructor() {
    this.cpu = [];
    this.memory = [];
  }

  add(stats, generation) {
    const before = this.last;
    this.last = { stats, generation };
    let share = null;
    if (before && before.generation === generation && stats.cpu_seconds >= before.stats.cpu_seconds) {
      const seconds = stats.clock - before.stats.clock;
      if (seconds > 0) share = (stats.cpu_seconds - before.stats.cpu_seconds) / seconds;
    }
    this.keep(this.cpu, share ?? stats.cpu_share ?? null);
    this.keep(this.memory, stats.memory_bytes ?? null);
  }

  keep(list, value) {
    list.push(value);
    if (list.length > KEPT) list.shift();
  }

  get share() {
    return this.cpu.at(-1) ?? null;
  }
}

// A graph of `width` by `height`, which draws a list of values, null where there is none.
export class Graph {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.element = document.createElementNS(NS, "svg");
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.element.setAttribute("class", "graph");
    this.line = document.createElementNS(NS, "path");
    this.element.append(this.line);
  }

  // `top` is at the upper edge, unless a value is higher. Without a label it is mere decoration.
  draw(values, top, label) {
    this.element.setAttribute(label ? "role" : "aria-hidden", label ? "img" : "true");
    if (label) this.element.setAttribute("aria-label", label);
    const highest = Math.max(top, ...values.filter((value) => value !== null)) || 1;
    const step = this.width / (KEPT - 1), from = KEPT - values.length;
    let path = "", pen = "M";
    values.forEach((value, i) => {
      if (value === null) {
        pen = "M";
        return;
      }
      const y = this.height - 1 - (value / highest) * (this.height - 2);
      path += `${pen}${((from + i) * step).toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    });
    if (this.line.getAttribute("d") !== path) this.line.setAttribute("d", path);
  }
}
