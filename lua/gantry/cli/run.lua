-- SPDX-License-Identifier: Apache-2.0
--
--- cli/run.lua: `gantry run`: one plugin in the foreground. Progress and the plugin's log go to standard error, one
--- JSON line to standard output. A signal, or a terminal that is closed, stops it in order; a second one at once.

local core = require "gantry.core"
local exit_codes = require "gantry.cli.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local progress = require "gantry.cli.progress"
local pull_progress = require "gantry.cli.pull_progress"
local report = require "gantry.cli.report"
local task = require "gantry.task"
local writer = require "gantry.cli.writer"

local STDERR <const> = 2

local run = {
  summary = "Launch one plugin and keep it in the foreground until it ends or Ctrl-C is pressed.",
  examples = "  gantry run policies/demo.lua\n  gantry run --name blue policies/demo.lua | jq .address.string",
}

function run.configure(parser)
  parser:argument("policy", "The policy file."):argname("POLICY")
  parser:argument("arguments", "Passed to the policy as ctx.args."):args("*"):argname("ARGUMENT")
  parser:option("--name", "Name of this plugin, instead of the policy's.")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  parser:flag("--debug", "Keep the container for inspection when the plugin has ended.")
end

---@class gantry.Run what one `gantry run` holds
local Run = {}
Run.__index = Run

function Run:on_signal(name)
  if name == "PIPE" then return end -- a reader that went away: the plugin has not
  self.signals_seen = self.signals_seen + 1
  if self.signals_seen == 1 then
    self.stop_requested:set()
  elseif self.plugin then
    task.detach(self.plugin.stop, self.plugin, { at_once = true })
  end
end

function Run:event(kind, fields)
  if self.options.json then return end
  if kind == "pull" and core.system.is_terminal(STDERR) then
    self.pull = self.pull or pull_progress.new(self.name .. ": ", function(text) self.writer:write(text) end)
    return self.pull:feed(fields)
  end
  local line = progress.line(self.name, kind, fields)
  if line then self.writer:write(line) end
end

function Run:launch()
  local policy, err = gantry.load(self.options.policy, {
    engine = self.options.engine, name = self.options.name, args = self.options.arguments, verb = "run",
  })
  if not policy then return nil, err end
  self.name = self.options.name or policy.name
  if self.options.debug then policy.config.debug = policy.config.debug or true end
  self.log = progress.log(self.name, function(text) self.writer:write(text) end)
  return gantry.launch(policy, {
    engine = self.options.engine, name = self.name,
    on_event = function(kind, fields) self:event(kind, fields) end,
    on_output = function(stream, bytes) self.log:feed(stream, bytes) end,
  })
end

---Launches, unless a signal comes first.
---@return gantry.Plugin? plugin, gantry.Error? err nil, nil where it was interrupted
function Run:launch_or_stop()
  local which, plugin, err = task.first(
    function() return self:launch() end,
    function() return self.stop_requested:wait() end)
  if which == 2 then return nil, nil end
  return plugin, err
end

---@return integer exit_code
function Run:follow()
  task.first(function() return self.plugin:wait() end, function() return self.stop_requested:wait() end)
  if self.stop_requested:is_set() then self.plugin:stop() end
  self.log:finish()
  local ended = self.plugin.exit
  if ended.requested then return exit_codes.OK end
  return ended.code == 0 and exit_codes.OK or exit_codes.ENDED
end

---@return integer exit_code
function Run:main()
  local plugin, err = self:launch_or_stop()
  if not plugin then
    if self.log then self.log:finish() end
    self.writer:flush()
    return err and report.failure(err, self.options) or exit_codes.OK
  end
  self.plugin = plugin
  self.writer:settle(1)
  io.stdout:write(json.encode(plugin:describe()), "\n")
  io.stdout:flush()
  local code = self:follow()
  self.writer:flush()
  return code
end

function run.run(arguments)
  local self = setmetatable({ options = arguments, signals_seen = 0, stop_requested = task.event() }, Run)
  self.writer = writer.new(STDERR, {
    on_full = function() if self.plugin then self.plugin:pause_output() end end,
    on_drained = function() if self.plugin then self.plugin:resume_output() end end,
  })
  local signals <close> = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "PIPE" }, -- luacheck: ignore signals
    function(name) self:on_signal(name) end)
  return task.run(self.main, self)
end

return run
