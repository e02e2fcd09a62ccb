// SPDX-License-Identifier: Apache-2.0
//
// plugin.js: one plugin: what it is, what it uses, what happened to it and why, its output, and what can be done.

import { Graph } from "./graph.js";
import { Log } from "./log.js";
import { ask, pathOf } from "./server.js";
import { bytes, clockTime, duration, make, percent, put } from "./text.js";

const by = (id) => document.getElementById(id);
const WIDTH = 300, HEIGHT = 60;

const QUESTIONS = {
  stop: (name) => `Stop ${name}? It stays down until somebody starts it.`,
  restart: (name) => `Restart ${name}? Its connections end.`,
};

function factsOf(plugin) {
  const stats = plugin.stats ?? {};
  const causes = Object.entries(stats.restarts_by_cause ?? {}).map(([cause, count]) => `${cause} ${count}`).join(", ");
  const some = (value, text) => (value === undefined || value === null ? "" : text(value));
  return [
    ["Image", plugin.image], ["Policy", plugin.policy], ["Container", plugin.container?.slice(0, 12)],
    ["Address", some(plugin.address, (address) => `${address.network}:${address.string}`)],
    ["Protocol", some(plugin.protocol, (protocol) => `${protocol} ${plugin.protocol_version ?? ""}`)],
    ["Up", some(plugin.uptime, duration)], ["Generation", plugin.generation],
    ["Restarts", causes ? `${plugin.restarts} since a start by hand; in all: ${causes}` : plugin.restarts],
    ["Memory limit", some(stats.memory_limit_bytes ?? plugin.memory, bytes)],
    ["Processes", some(stats.pids, (pids) => pids + some(stats.pids_limit, (limit) => " of " + limit))],
    ["CPU time", some(stats.cpu_seconds, duration)],
    ["Last start", some(stats.ready_seconds, (seconds) => "ready after " + duration(seconds))],
    ["Health", some(stats.health_seconds, (seconds) =>
      `${(seconds * 1000).toFixed(1)} ms, ${stats.health_failures} of ${stats.health_checks} failed`)],
    ["Output", some(stats.output_bytes, bytes)],
    ["Calls", some(stats.calls, (calls) => `${calls}, ${stats.calls_failed} failed`)],
    ["Last exit", plugin.last_exit?.text],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
}

// The journal in generations: each begins with a start, or with what is taken over.
function generationsOf(entries) {
  const generations = [];
  for (const entry of entries) {
    if (generations.length === 0 || entry.kind === "start" || entry.kind === "adopt") generations.push([]);
    generations.at(-1).push(entry);
  }
  return generations.reverse();
}

function entryOf(entry) {
  const element = make("li");
  element.dataset.kind = entry.kind;
  element.append(make("time", { datetime: new Date(entry.time * 1000).toISOString() }, clockTime(entry.time)), " ",
    make("span", { class: "kind" }, entry.kind), " ", make("bdi", {}, entry.text));
  return element;
}

export class Plugin {
  constructor(fail) {
    this.fail = fail;
    this.log = new Log(by("log"), by("follow"));
    this.graphs = { cpu: new Graph(WIDTH, HEIGHT), memory: new Graph(WIDTH, HEIGHT) };
    for (const graph of Object.values(this.graphs)) {
      const figure = make("figure");
      figure.append(graph.element, graph.caption = make("figcaption"));
      by("graphs").append(figure);
    }
    for (const button of this.buttons()) button.addEventListener("click", () => this.act(button.dataset.verb));
    by("no").addEventListener("click", () => by("ask").close());
    by("yes").addEventListener("click", () => by("ask").close("yes"));
  }

  buttons() {
    return document.querySelectorAll("#actions button");
  }

  open(name) {
    if (this.name === name) return;
    this.name = name;
    by("plugin").hidden = !name;
    by("timeline").replaceChildren();
    put(by("outcome"), "");
    this.resume();
    if (!name) return;
    put(by("name"), name);
    by("name").focus();
    this.showTimeline();
  }

  // Output is read for as long as somebody can see it.
  resume() {
    this.log.open(this.name);
  }

  pause() {
    this.log.open(null);
  }

  show(row) {
    by("detail").hidden = !row || !row.plugin.detail;
    if (!row) {
      put(by("state"), "gone");
      return;
    }
    const { plugin, readings } = row;
    put(by("state"), plugin.state);
    by("state").dataset.state = plugin.state;
    put(by("detail"), plugin.detail);
    this.showFacts(factsOf(plugin));
    by("graphs").hidden = readings.cpu.length === 0;
    this.showGraph(this.graphs.cpu, readings.cpu, 0.1, "CPU", percent);
    const limit = plugin.stats?.memory_limit_bytes ?? plugin.memory ?? 0;
    this.showGraph(this.graphs.memory, readings.memory, limit, "Memory", bytes, true);
    for (const button of this.buttons()) {
      button.disabled = (button.dataset.verb === "start") === (plugin.wanted === "up" && plugin.state !== "failed");
    }
  }

  showGraph(graph, values, top, title, unit, isLimit) {
    const now = values.at(-1) ?? null;
    const most = isLimit && top > 0 ? " of " + unit(top) : "";
    const text = now === null ? `${title}: not known` : `${title}: ${unit(now)}${most}`;
    put(graph.caption, text);
    graph.draw(values, top, `${text}; the last three minutes`);
  }

  showFacts(facts) {
    const list = by("facts");
    while (list.childElementCount > facts.length) list.lastElementChild.remove();
    facts.forEach(([title, value], i) => {
      if (!list.children[i]) {
        const pair = make("div");
        pair.append(make("dt"), make("dd"));
        list.append(pair);
      }
      put(list.children[i].firstElementChild, title);
      put(list.children[i].lastElementChild, value);
    });
  }

  async showTimeline() {
    const name = this.name;
    this.isBehind = false;
    let entries;
    try {
      ({ entries } = await ask(pathOf(name, "why")));
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.name !== name) return;
    const shown = document.createDocumentFragment();
    for (const generation of generationsOf(entries)) {
      const list = make("ol");
      list.append(...generation.map(entryOf));
      shown.append(list);
    }
    by("timeline").replaceChildren(shown);
  }

  async confirmed(verb, name) {
    if (!QUESTIONS[verb]) return true;
    const dialog = by("ask");
    put(by("question"), QUESTIONS[verb](name));
    put(by("yes"), verb[0].toUpperCase() + verb.slice(1));
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    return dialog.returnValue === "yes";
  }

  async act(verb) {
    const name = this.name;
    if (!await this.confirmed(verb, name)) return;
    put(by("outcome"), `${verb}: asked …`);
    let text;
    try {
      const plugin = await ask(pathOf(name, verb), "POST");
      text = `${verb}: ${plugin.state}`;
    } catch (error) {
      text = `${verb}: ${error.message}`;
    }
    if (this.name === name) put(by("outcome"), text);
  }

  setReadonly(readonly) {
    by("actions").hidden = readonly;
  }
}
