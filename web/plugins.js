// SPDX-License-Identifier: Apache-2.0
//
// plugins.js: the table of the plugins. Rows are kept from one look to the next, and only what changed is touched.

import { Graph, Readings } from "./graph.js";
import { escaped } from "./server.js";
import { bytes, duration, make, percent, put } from "./text.js";

const GRAPH_WIDTH = 90, GRAPH_HEIGHT = 20;

function exitOf(plugin) {
  const exit = plugin.last_exit;
  const text = exit ? (exit.requested ? "stopped" : exit.text) : "";
  if (plugin.next_start !== undefined) return `${text}, next try in ${duration(plugin.next_start)}`;
  return text;
}

function memoryOf(plugin) {
  const used = plugin.stats?.memory_bytes, limit = plugin.stats?.memory_limit_bytes ?? plugin.memory;
  const most = limit === undefined ? "" : "of " + bytes(limit);
  return used === undefined ? most : `${bytes(used)} ${most}`;
}

// What columns there are: a heading, the text of a cell, what is sorted by, and whether it is a number.
const COLUMNS = [
  { id: "name", title: "Name", text: (plugin) => plugin.name },
  { id: "state", title: "State", text: (plugin) => plugin.state },
  { id: "up", title: "Up", number: (plugin) => plugin.uptime ?? -1,
    text: (plugin) => (plugin.uptime === undefined ? "" : duration(plugin.uptime)) },
  { id: "cpu", title: "CPU", number: (plugin, readings) => readings.share ?? -1,
    text: (plugin, readings) => (readings.share === null ? "" : percent(readings.share)),
    values: (readings) => readings.cpu, top: () => 0.1 },
  { id: "memory", title: "Memory", number: (plugin) => plugin.stats?.memory_bytes ?? -1, text: memoryOf,
    values: (readings) => readings.memory, top: (plugin) => plugin.stats?.memory_limit_bytes ?? plugin.memory ?? 0 },
  { id: "pids", title: "Pids", number: (plugin) => plugin.stats?.pids ?? -1,
    text: (plugin) => plugin.stats?.pids ?? "" },
  { id: "generation", title: "Gen.", number: (plugin) => plugin.generation, text: (plugin) => plugin.generation },
  { id: "restarts", title: "Restarts", number: (plugin) => plugin.restarts, text: (plugin) => plugin.restarts },
  { id: "exit", title: "Last exit", text: exitOf },
];

class Row {
  constructor(name) {
    this.name = name;
    this.readings = new Readings();
    this.element = make("tr");
    this.cells = COLUMNS.map((column) => this.cell(column));
  }

  cell(column) {
    const element = make(column.id === "name" ? "th" : "td", { class: "of-" + column.id });
    if (column.id === "name") element.setAttribute("scope", "row");
    if (column.number) element.classList.add("number");
    const text = column.id === "name" ? make("a", { href: "#" + escaped(this.name) }) : make("span");
    if (column.id === "state") text.className = "state";
    element.append(text);
    const graph = column.values && new Graph(GRAPH_WIDTH, GRAPH_HEIGHT);
    if (graph) element.append(graph.element);
    this.element.append(element);
    return { text, graph };
  }

  get link() {
    return this.cells[0].text;
  }

  show(plugin, sampled) {
    this.plugin = plugin;
    if (sampled && plugin.stats) this.readings.add(plugin.stats, plugin.generation);
    COLUMNS.forEach((column, i) => {
      const { text, graph } = this.cells[i];
      put(text, column.text(plugin, this.readings));
      if (graph) graph.draw(column.values(this.readings), column.top(plugin));
    });
    this.cells[1].text.dataset.state = plugin.state;
    this.element.dataset.state = plugin.state;
  }
}

export class Plugins {
  constructor(table, filter, none) {
    this.body = table.tBodies[0];
    this.filter = filter;
    this.none = none;
    this.rows = new Map();
    this.order = { column: COLUMNS[0], descending: false };
    this.heads = COLUMNS.map((column) => this.head(column, table.tHead.rows[0]));
    this.showOrder();
    filter.addEventListener("input", () => this.arrange());
    this.body.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;
      location.hash = event.target.closest("tr").querySelector("a").getAttribute("href");
    });
  }

  head(column, row) {
    const element = make("th", { scope: "col", class: column.number ? "number" : "" });
    const button = make("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      const same = this.order.column === column;
      this.order = { column, descending: same ? !this.order.descending : column.number !== undefined };
      this.showOrder();
      this.arrange();
    });
    element.append(button);
    row.append(element);
    return { column, element };
  }

  showOrder() {
    for (const { column, element } of this.heads) {
      if (column === this.order.column) {
        element.setAttribute("aria-sort", this.order.descending ? "descending" : "ascending");
      } else {
        element.removeAttribute("aria-sort");
      }
    }
  }

  // `sampled`: whether these readings are the next ones of the graphs, which are evenly apart.
  show(plugins, sampled) {
    const there = new Set(plugins.map((plugin) => plugin.name));
    for (const [name, row] of this.rows) {
      if (there.has(name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    for (const plugin of plugins) {
      if (!this.rows.has(plugin.name)) this.rows.set(plugin.name, new Row(plugin.name));
      this.rows.get(plugin.name).show(plugin, sampled);
    }
    this.arrange();
  }

  compare(left, right) {
    const { column, descending } = this.order;
    const { number, text } = column;
    const order = number ? number(left.plugin, left.readings) - number(right.plugin, right.readings)
      : String(text(left.plugin, left.readings)).localeCompare(String(text(right.plugin, right.readings)));
    if (order === 0) return left.name < right.name ? -1 : 1;
    return descending ? -order : order;
  }

  arrange() {
    const wanted = this.filter.value.trim().toLowerCase();
    const shown = [...this.rows.values()].filter((row) =>
      row.name.toLowerCase().includes(wanted) || row.plugin.state.includes(wanted));
    shown.sort((left, right) => this.compare(left, right));
    for (const row of this.rows.values()) if (!shown.includes(row)) row.element.remove();
    shown.forEach((row, i) => {
      const there = this.body.rows[i];
      if (there !== row.element) this.body.insertBefore(row.element, there ?? null);
    });
    this.none.hidden = shown.length > 0;
  }

  select(name) {
    for (const row of this.rows.values()) {
      if (row.name === name) row.link.setAttribute("aria-current", "true");
      else row.link.removeAttribute("aria-current");
      row.element.classList.toggle("selected", row.name === name);
    }
  }

  // The keyboard goes up and down by so many rows.
  move(by) {
    const rows = [...this.body.rows];
    const now = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[now < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, now + by))];
    next?.querySelector("a").focus();
  }

  row(name) {
    return this.rows.get(name);
  }
}
