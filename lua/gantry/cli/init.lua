-- SPDX-License-Identifier: Apache-2.0
--
--- cli/init.lua: the command: finds the verb, parses its line, runs it. A verb's file is loaded only when it is used.

local argparse = require "argparse"
local command_line = require "gantry.cli.command_line"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local nearest = require "gantry.base.nearest"

local cli = {}

local GROUPS = {
  { title = "One plugin", verbs = {
    { "run", "launch one plugin and keep it in the foreground" },
    { "init", "write a first policy", file = "init_policy" },
    { "plan", "show what would be created, with nothing started" },
    { "call", "launch a plugin for one call: JSON in, JSON out" },
    { "check", "check policies" },
    { "test", "run the tests of policies" },
    { "exec", "stand in for a plugin's binary, for OpenTofu, Vault and other hosts" },
    { "wrap", "put policies in the place of plugins' binaries" },
    { "unwrap", "put the binaries back" },
    { "host", "run such a host with a private temporary directory" },
    { "simulate", "show what a policy would decide when its plugin ends" },
  } },
  { title = "Many plugins", verbs = {
    { "up", "keep the plugins of a directory of policies running" },
    { "ps", "list them" },
    { "top", "watch them on one screen, and start, stop and restart them there" },
    { "start", "start some that were stopped" },
    { "stop", "stop some, until they are started again" },
    { "restart", "stop some and start them anew" },
    { "reload", "read the policies again" },
    { "logs", "show a plugin's output" },
    { "why", "tell what happened to a plugin, and what was decided" },
    { "inspect", "show all that is known of a plugin, and who set what" },
    { "events", "show what happens, as it happens" },
    { "reattach", "print what a host needs to use a running plugin" },
    { "down", "stop all of them, and the supervisor" },
  } },
  { title = "Try things out", verbs = {
    { "repl", "a Lua session with gantry in it; `gantry -e CODE` runs one chunk" },
  } },
  { title = "This machine", verbs = {
    { "doctor", "look for what would stop a plugin here" },
    { "image", "fetch, load, list and remove an engine's images" },
    { "gc", "remove what killed gantries left behind" },
  } },
  { title = "Other machines", verbs = {
    { "export", "print policies as sidecars of a Kubernetes pod" },
  } },
  { title = "About", verbs = { { "version", "show the version" } } },
}

---The verbs in groups, for the manual.
cli.groups = GROUPS

---@param name string
---@return { [1]: string, [2]: string, file: string? }? entry of GROUPS
local function find_verb(name)
  for _, group in ipairs(GROUPS) do
    for _, verb in ipairs(group.verbs) do
      if verb[1] == name then return verb end
    end
  end
end

---@param name string a verb's
---@return { configure: fun(parser: table), run: fun(arguments: table): integer, examples: string, summary: string }
function cli.verb(name)
  return require("gantry.cli." .. (find_verb(name).file or name))
end

local function verb_names()
  local names = {}
  for _, group in ipairs(GROUPS) do
    for _, verb in ipairs(group.verbs) do names[#names + 1] = verb[1] end
  end
  return names
end

local function overview()
  local lines = { "Usage: gantry VERB [OPTIONS]", "",
    "Launches go-plugin plugins in containers, as Lua policies say.", "" }
  for _, group in ipairs(GROUPS) do
    lines[#lines + 1] = group.title .. ":"
    for _, verb in ipairs(group.verbs) do lines[#lines + 1] = ("  %-10s %s"):format(verb[1], verb[2]) end
    lines[#lines + 1] = ""
  end
  lines[#lines + 1] = "`gantry help VERB` tells more of each, with examples."
  return table.concat(lines, "\n") .. "\n"
end

---Options that every verb has.
local function add_common(parser)
  parser:flag("--json", "Print for programs.")
  parser:flag("-v --verbose", "Say more of errors: code and cause.")
end

---@param name string
---@param verb { configure: fun(parser: table), examples: string, summary: string }
local function verb_parser(name, verb)
  local parser = argparse("gantry " .. name, verb.summary, "Examples:\n" .. verb.examples)
  verb.configure(parser)
  add_common(parser)
  return parser
end

---@param name string a verb's
---@return table parser of argparse's
function cli.parser(name)
  return verb_parser(name, cli.verb(name))
end

---A verb's options and arguments, for the manual.
---@param name string
---@return gantry.Taken[]
function cli.options(name)
  return require("gantry.cli.takes").of(cli.verb(name).configure)
end

local function usage_error(text)
  io.stderr:write(require("gantry.text.color").complaint(), text, "\n")
  return exit_codes.USAGE
end

---An error object says what the machine refused, such as a descriptor for the loop; all else is a fault.
local function trace(raised)
  return errors.is(raised) and raised or debug.traceback(tostring(raised), 2)
end

---@param name string
---@param ... string its arguments
---@return integer exit_code
local function run_verb(name, ...)
  local verb = cli.verb(name)
  local ok, arguments = command_line.parse(verb_parser(name, verb), { ... })
  if not ok then return usage_error(("%s (see gantry %s --help)"):format(arguments, name)) end
  if arguments.site then require("gantry.policy.site").choose(arguments.site) end
  local ended, code = xpcall(verb.run, trace, arguments)
  if ended then return code end
  if errors.is(code) then return require("gantry.text.report").failure(code, arguments) end
  error(code, 0)
end

---@param name string that is no verb
---@return string hint what was meant, as far as can be told; may be empty
local function meant_verb(name)
  local aliases = require "gantry.cli.aliases"
  local lower = name:lower()
  if aliases[lower] then return ": " .. aliases[lower] end
  if name:find "%.lua$" then
    return (": `gantry run %s` launches a policy's plugin"):format(require("gantry.base.shell").quote(name))
  end
  local near = nearest.find(name, verb_names())
  if near then return ("; did you mean '%s'?"):format(near) end
  local known = {}
  for alias in pairs(aliases) do known[#known + 1] = alias end
  near = nearest.find(name, known)
  return near and ": " .. aliases[near] or ""
end

---@param name string
---@return integer exit_code
local function unknown_verb(name)
  if command_line.is_early(name) then
    return usage_error(("no verb comes after %s (`gantry` lists the verbs)"):format(name))
  elseif name:find "^%-" then
    return usage_error(("unknown option '%s' before the verb; options of a verb come after it (`gantry` lists the "
      .. "verbs)"):format(name))
  end
  return usage_error(("unknown verb '%s'%s (`gantry` lists the verbs)"):format(name, meant_verb(name)))
end

---@param ... string __complete, and the words after `gantry`
---@return integer exit_code
local function complete(...)
  local verbs = {}
  for _, group in ipairs(GROUPS) do table.move(group.verbs, 1, #group.verbs, #verbs + 1, verbs) end
  return require("gantry.cli.complete").run({ select(2, ...) }, { verbs = verbs, configure = function(name)
    return find_verb(name) and function(parser)
      cli.verb(name).configure(parser)
      add_common(parser)
    end
  end })
end

---The whole command.
---@param ... string its arguments
---@return integer exit_code
function cli.main(...)
  local words = command_line.verb_first { ... }
  local name, first = words[1], words[2]
  if name == "help" and first and first ~= "help" then
    if not find_verb(first) then return unknown_verb(first) end
    return run_verb(first, "--help")
  end
  if not name or name == "--help" or name == "-h" or name == "help" then
    io.stdout:write(overview())
    return exit_codes.OK
  end
  if name == "--version" then name = "version" end
  if name == "repl-guardian" then return require("gantry.repl.guardian").main() end -- gantry itself calls this
  if name == "__complete" then return complete(...) end -- the shells call this
  if find_verb(name) then return run_verb(name, table.unpack(words, 2)) end
  return unknown_verb(name)
end

return cli
