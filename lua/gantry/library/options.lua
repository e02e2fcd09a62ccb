-- SPDX-License-Identifier: Apache-2.0
--
--- library/options.lua: the options that a program gives: a name that is none, and a value of the wrong type, are
--- mistakes of the program, which are raised.

local nearest = require "gantry.base.nearest"
local words = require "gantry.base.words"

local options = {}

---@alias gantry.OptionTypes table<string, string> by name, Lua's types with blanks between them

---@type gantry.OptionTypes
options.ATTACH = { engine = "string table", environment = "table", protocol = "string", on_event = "function",
  on_output = "function" }
options.LAUNCH = { engine = "string table", environment = "table", on_event = "function", on_output = "function",
  name = "string", unique = "boolean", args = "table", verb = "string", ctx = "string table", offline = "boolean",
  runtime_dir = "string", print = "function" }
options.SUPERVISE = { directory = "string", engine = "string table", control = "string boolean",
  control_group = "string", control_descriptor = "number", state_dir = "string", runtime_dir = "string",
  log_dir = "string", policy_process = "table", on_event = "function", on_lines = "function", on_state = "function",
  on_started = "function", on_waiting = "function", fault_point = "string", serve_hosts = "boolean",
  web = "table" }
options.WEB = { address = "string", readonly = "boolean", names = "table", certificate = "string", key = "string" }
options.POOL = { size = "number", engine = "string table", environment = "table", on_event = "function",
  on_output = "function", name = "string", args = "table", verb = "string", ctx = "string table", print = "function",
  runtime_dir = "string" }
options.HANDLERS = { on_event = "function", on_output = "function" }
options.PLUGINS = { stats = "boolean" }

---@param known gantry.OptionTypes
---@return string[]
local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  return names
end

---Raises where something is wrong with them, with the caller of `what` to blame.
---@param given table?
---@param known gantry.OptionTypes
---@param what string such as "gantry.launch"
---@return table given, or none
function options.check(given, known, what)
  if given ~= nil and type(given) ~= "table" then
    error(("%s: the options must be a table, got %s"):format(what, words.show(given)), 3)
  end
  for name, value in pairs(given or {}) do
    local types = known[name]
    if not types then
      local near = type(name) == "string" and nearest.find(name, names_of(known))
      error(("%s has no option %s%s"):format(what, words.show(name), near and (", but '%s'"):format(near) or ""), 3)
    end
    if not (" " .. types .. " "):find(" " .. type(value) .. " ", 1, true) then
      error(("%s: %s must be a %s, got %s"):format(what, name, types:gsub(" ", " or a "), words.show(value)), 3)
    end
  end
  return given or {}
end

return options
