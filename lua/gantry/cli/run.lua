-- SPDX-License-Identifier: Apache-2.0
--
--- cli/run.lua: `gantry run`: one plugin in the foreground. Progress and the plugin's log go to standard error, one
--- JSON line to standard output. A signal, or a terminal that is closed, stops it in order; a second one at once.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local policy_options = require "gantry.cli.policy_options"
local printable = require "gantry.text.printable"
local progress = require "gantry.text.progress"
local pull_progress = require "gantry.text.pull_progress"
local report = require "gantry.text.report"
local site = require "gantry.policy.site"
local task = require "gantry.task"
local writer = require "gantry.text.writer"

local STDOUT <const>, STDERR <const> = 1, 2

-- Seconds without progress after which a reader of what is left gets no more: after one signal, and after several.
local TIMEOUT <const>, LAST_MOMENT <const> = 3, 0.5

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
  policy_options.site(parser)
end

---@class gantry.Run what one `gantry run` holds
---@field printable fun(text: string): string what text of the plugin's and of the engine's goes through
local Run = {}
Run.__index = Run

function Run:on_signal(name)
  if name == "PIPE" then return end -- a reader that went away: the plugin has not
  self.signals_seen = self.signals_seen + 1
  if self.draining then
    self.draining:set()
  elseif self.signals_seen == 1 then
    self.stop_requested:set()
  elseif self.signals_seen > 2 then
    self:abandon()
  elseif self.plugin then
    task.detach(self.plugin.stop, self.plugin, { at_once = true })
  end
end

---Leaves whatever still waits, such as for an engine that does not answer. What stays behind, the next run removes.
function Run:abandon()
  if self.writer.empty:is_set() then
    io.stderr:write(("gantry: left at once; what '%s' leaves behind, its next run removes\n"):format(self.name
      or self.options.policy))
  end
  os.exit(exit_codes.FAILED)
end

---Gives up on readers that have stopped reading.
---@param give_up gantry.Event
function Run:watch_readers(give_up)
  local timeout = self.signals_seen > 1 and LAST_MOMENT or TIMEOUT
  local held
  repeat
    held = self.out.held + self.writer.held
    task.sleep(timeout)
  until self.out.held + self.writer.held == held
  give_up:set()
end

---Waits until both outputs are read; a reader that reads nothing holds nobody up who wants an end.
---@return boolean read
function Run:drain()
  local scope <close> = task.scope()
  self.draining = task.event()
  if self.signals_seen > 0 then scope:spawn(self.watch_readers, self, self.draining) end
  return self.out:drain(self.draining) and self.writer:drain(self.draining)
end

function Run:event(kind, fields)
  if self.options.json then return end
  if kind == "pull" and core.system.is_terminal(STDERR) then
    self.pull = self.pull or pull_progress.new(self.name .. ": ", function(text) self.writer:write(text) end)
    return self.pull:feed(fields)
  end
  local line = progress.line(self.name, kind, fields)
  if line then self.writer:write(self.printable(line)) end
end

function Run:launch()
  local policy, err = gantry.load(self.options.policy, {
    engine = self.options.engine, name = self.options.name, args = self.options.arguments, verb = "run",
    print = function(text, path) self.writer:write(self.printable(("%s: %s\n"):format(path, text))) end,
  })
  if not policy then return nil, err end
  self.name = self.options.name or policy.name
  for _, change in ipairs(self.options.debug and policy.site or {}) do
    if change.field == "debug" then return nil, errors.new("SITE_REFUSED", "--debug: " .. site.describe(change)) end
  end
  if self.options.debug then policy.config.debug = policy.config.debug or true end
  self.log = progress.log(self.name, function(text) self.writer:write(self.printable(text)) end)
  return gantry.launch(policy, {
    engine = self.options.engine, name = self.name,
    on_event = function(kind, fields) self:event(kind, fields) end,
    on_output = function(stream, bytes, plugin) self:output(plugin, stream, bytes) end,
  })
end

---@param plugin gantry.Plugin maybe not ready yet
---@param stream "stdout"|"stderr"
---@param bytes string
function Run:output(plugin, stream, bytes)
  self.source = plugin
  self.log:feed(stream, bytes)
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
  if self.stop_requested:is_set() then self.plugin:end_life() end
  self.log:finish()
  local ended = self.plugin.exit
  if ended.requested and ended.cause ~= "engine_error" then return exit_codes.OK end
  return ended.code == 0 and exit_codes.OK or exit_codes.ENDED
end

---@return integer exit_code
function Run:main()
  local plugin, err = self:launch_or_stop()
  if not plugin then
    if self.log then self.log:finish() end
    local read = self:drain()
    if not err then return exit_codes.OK end
    return read and report.failure(err, self.options) or exit_codes.of(err)
  end
  self.plugin = plugin
  self.writer:settle(1)
  self.out:write(json.line(plugin:describe()))
  local code = self:follow()
  self:drain()
  return self.undelivered and self:tell_undelivered() or code
end

---Nobody knows where the plugin is that was to be used.
---@return integer exit_code
function Run:tell_undelivered()
  return report.failure(errors.new("OUTPUT_FAILED", ("the address of plugin '%s' could not be written to standard "
    .. "output, and the plugin is stopped: %s"):format(self.name, self.undelivered.message),
    { cause = self.undelivered }), { verbose = self.options.verbose })
end

function run.run(arguments)
  local self = setmetatable({ options = arguments, signals_seen = 0, stop_requested = task.event(),
    printable = printable.filter(STDERR) }, Run)
  self.writer = writer.new(STDERR, {
    on_full = function() if self.source then self.source:pause_output() end end,
    on_drained = function() if self.source then self.source:resume_output() end end,
  })
  self.out = writer.new(STDOUT, { on_lost = function(err)
    self.undelivered = err
    self.stop_requested:set()
  end })
  local signals <close>, deaf = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "PIPE" },
    function(name) self:on_signal(name) end)
  if not signals then return report.failure(deaf, arguments) end
  task.on_error = function(err) self.writer:write(("gantry: a fault of gantry: %s\n"):format(errors.text(err))) end
  return task.run(self.main, self)
end

return run
