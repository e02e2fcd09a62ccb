-- SPDX-License-Identifier: Apache-2.0
--
--- cli/aliases.lua: what users of docker, systemctl and their like type, and which verb does that here. They are no
--- second names: each thing has one.

local PS <const> = "`gantry ps` lists the plugins"
local INSPECT <const> = "`gantry inspect NAME` shows all that is known of a plugin"
local STOP <const> = "`gantry stop NAME` stops a plugin"
local REMOVE <const> = "`gantry stop NAME` stops a plugin; taking its policy out of the directory removes it"
local LOGS <const> = "`gantry logs NAME` shows a plugin's output"
local CHECK <const> = "`gantry check POLICY` checks policies"
local CALL <const> = "`gantry call NAME METHOD` calls a plugin"
local UP <const> = "`gantry up DIR` keeps the plugins of a directory running"
local GC <const> = "`gantry gc` removes what killed gantries left behind"
local PULL <const> = "`gantry image pull IMAGE` fetches an image; a plugin's start does so by itself"
local NO_BUILD <const> = "gantry builds and pushes no images; `binary = \"PATH\"` in a policy needs none"
local SESSION <const> = "`gantry repl` is a Lua session"
local PLAN <const> = "`gantry plan POLICY` shows what would be created"
local COMPLETION <const> = "completions for bash, zsh and fish are installed with gantry"
local UNIT <const> = "a policy in the directory of `gantry up` is enabled; `gantry stop NAME` keeps it down"

---@type table<string, string>
local aliases = {
  status = "`gantry ps` lists the plugins, `gantry why NAME` tells what happened to one",
  list = PS, ls = PS, stats = PS, plugins = PS, ["list-units"] = PS, ["is-active"] = PS, containers = PS, get = PS,
  ["is-failed"] = PS, ["is-enabled"] = UNIT, ["reset-failed"] = "`gantry start NAME` starts a plugin that has given up",
  show = INSPECT, describe = INSPECT, info = "`gantry doctor` tells of engine and machine",
  explain = "`gantry why NAME` tells what happened to a plugin",
  kill = STOP, pause = STOP, rm = REMOVE, remove = REMOVE, delete = REMOVE, destroy = REMOVE,
  create = "`gantry run POLICY` launches one plugin, `gantry up DIR` a directory of them",
  launch = "`gantry run POLICY` launches a plugin", attach = "`gantry logs -f NAME` follows a plugin's output, "
    .. "`gantry reattach NAME` prints what another host needs to use it",
  log = LOGS, journal = LOGS, tail = LOGS, journalctl = LOGS, output = LOGS,
  invoke = CALL, rpc = CALL, request = CALL, services = "`gantry call --list NAME` shows services and methods",
  methods = "`gantry call --list NAME` shows services and methods",
  wait = "`gantry start --wait NAME` waits until a plugin is ready", watch = "`gantry events` shows what happens",
  monitor = "`gantry events` shows what happens",
  validate = CHECK, lint = CHECK, verify = CHECK, config = CHECK, cat = PLAN, diff = PLAN,
  apply = UP, supervise = UP, daemon = UP, serve = UP, compose = UP, shutdown = "`gantry down` stops all of them",
  quit = "`gantry down` stops all of them", ["daemon-reload"] = "`gantry reload` reads the policies again",
  edit = "a policy is a file: edit it, and `gantry reload` reads it again",
  refresh = "`gantry reload` reads the policies again", enable = UNIT, disable = UNIT, mask = UNIT,
  prune = GC, clean = GC, cleanup = GC, system = GC,
  pull = PULL, push = NO_BUILD, build = NO_BUILD, images = "`gantry image list` lists the engine's images",
  load = "`gantry image load ARCHIVE` loads an image", rmi = "`gantry image remove IMAGE` removes an image",
  shell = SESSION, sh = SESSION, lua = SESSION, console = SESSION, eval = "`gantry -e CODE` runs a chunk of Lua",
  completion = COMPLETION, completions = COMPLETION,
  diagnose = "`gantry doctor` looks for what would stop a plugin",
}

return aliases
