// SPDX-License-Identifier: Apache-2.0
//
// page.js: the page: looks at all plugins when something happened and every two seconds, for as long as it is seen.

import { Plugin } from "./plugin.js";
import { Plugins } from "./plugins.js";
import { ask, follow, Refusal } from "./server.js";
import { put } from "./text.js";

const PERIOD = 2000, SOON = 50, APART = 500; // milliseconds

const by = (id) => document.getElementById(id);
const plugins = new Plugins(by("plugins"), by("filter"), by("none"));
const plugin = new Plugin(tellFailure);
let watching = null; // ends what goes on while the page is seen
let soon = null;
let asked = 0, shown = 0; // looks: an answer that comes after that of a later one is out of date
let lookedAt = -APART;

function tell(text, isFailure) {
  put(by("link"), text);
  by("link").classList.toggle("failure", isFailure);
}

function tellFailure(error) {
  tell("not connected", true);
  if (!(error instanceof Refusal)) return;
  put(by("banner"), error.message);
  by("banner").hidden = false;
}

function selected() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function summary(list) {
  const counts = {};
  for (const one of list) counts[one.state] = (counts[one.state] ?? 0) + 1;
  return Object.entries(counts).sort().map(([state, count]) => `${count} ${state}`).join(", ");
}

async function look(sampled) {
  const mine = ++asked;
  let list;
  try {
    ({ plugins: list } = await ask("/v1/plugins?stats=1"));
  } catch (error) {
    tellFailure(error);
    return;
  }
  if (mine < shown) return;
  shown = mine;
  by("banner").hidden = true;
  plugins.show(list, sampled);
  plugins.select(selected());
  put(by("summary"), summary(list));
  if (selected()) plugin.show(plugins.row(selected()));
}

// Looks once for many events that come together, and not again at once for those that follow.
function lookSoon(events) {
  if (events.some((event) => event.plugin === selected())) plugin.isBehind = true;
  soon ??= setTimeout(() => {
    soon = null;
    lookedAt = performance.now();
    look(false);
    if (plugin.isBehind) plugin.showTimeline();
  }, Math.max(SOON, lookedAt + APART - performance.now()));
}

async function sample(signal) {
  while (!signal.aborted) {
    await look(true);
    await new Promise((resolve) => setTimeout(resolve, PERIOD));
  }
}

async function introduce() {
  try {
    const server = await ask("/v1");
    put(by("place"), `${server.directory}${server.engine ? " on " + server.engine : ""}, gantry ${server.version}`);
    plugin.setReadonly(server.readonly);
  } catch (error) {
    tellFailure(error);
  }
}

function watch() {
  watching = new AbortController();
  follow("/v1/events", watching.signal, {
    begin: () => {
      tell("live", false);
      introduce();
      if (selected()) plugin.showTimeline();
    },
    take: lookSoon,
    fail: tellFailure,
  });
  sample(watching.signal);
}

function onVisibility() {
  if (document.hidden) {
    watching?.abort();
    watching = null;
    plugin.pause();
    tell("paused", false);
  } else if (!watching) {
    watch();
    plugin.resume();
  }
}

function onHash() {
  plugin.open(selected());
  plugins.select(selected());
  document.body.classList.toggle("open", selected() !== "");
  const row = plugins.row(selected());
  if (row) plugin.show(row);
}

function close() {
  const row = plugins.row(selected());
  location.hash = "";
  row?.link.focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || by("ask").open) return;
  const typing = event.target.matches("input[type=search]");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (selected()) close();
    return;
  }
  const inList = by("list").contains(event.target) || event.target === document.body;
  if (event.key === "/" && !typing) by("filter").focus();
  else if (event.key === "ArrowDown" && inList) plugins.move(1);
  else if (event.key === "ArrowUp" && inList) plugins.move(-1);
  else return;
  event.preventDefault();
}

by("close").addEventListener("click", close);
addEventListener("hashchange", onHash);
addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", onVisibility);
onHash();
onVisibility();
