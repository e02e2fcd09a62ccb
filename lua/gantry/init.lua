-- SPDX-License-Identifier: Apache-2.0
--
--- gantry: launches go-plugin plugins in containers, as Lua policies say.
---
--- Requiring it has no effect on the host: nothing is printed, no signal handler is installed, no global is set. A call
--- that waits yields inside a gantry task and drives the loop elsewhere. Failures are `nil, err` with `err.code` and
--- `err.message`; misuse raises.

local jit = rawget(_G, "jit")
if jit then
  error("gantry needs Lua 5.4, this is " .. jit.version .. ", which speaks Lua 5.1, as do nginx and OpenResty; "
    .. "run gantry up beside it (see docs/embedding.md)", 0)
elseif _VERSION ~= "Lua 5.4" then
  error("gantry needs Lua 5.4, this is " .. _VERSION, 0)
end

local later = require "gantry.base.later"
local absent = later "gantry.engine.absent"
local context = require "gantry.policy.context"
local engines = later "gantry.engine"
local errors = require "gantry.base.errors"
local given = require "gantry.library.options"
local plugin = later "gantry.plugin"
local policies = require "gantry.policy"
local task = require "gantry.task"

local gantry = {
  version = require "gantry.base.version",
  task = task,
  extend = require("gantry.config").extend,
  without = require("gantry.config").without,
}

---The engine: found and connected at the first call without an address, and kept.
---@param url string? such as unix:///var/run/docker.sock
---@return gantry.EngineClient?, gantry.Error?
function gantry.engine(url)
  return engines.of(url)
end

---What a host needs of the loop.
---@class gantry.Loop
---@field fd fun(self: gantry.Loop): integer the descriptor to poll: readable when there is something to do
---@field step fun(self: gantry.Loop, seconds: number?): integer?, gantry.Error? does what is ready, and waits for it so
--- long at most (0: not at all; nil: until there is something); gives how much there was. Raises what a task has raised
--- that nobody waits for, unless task.on_error takes that: the step has ended then, and the next goes on

---The loop of this Lua state, which all that waits is behind.
---@return gantry.Loop
function gantry.loop()
  return task.loop()
end

---@class gantry.LoadOptions
---@field engine gantry.EngineClient|string|nil client or address; the default engine where nil
---@field name string? instead of the policy's
---@field args string[]? for ctx.args
---@field verb string? for ctx.verb; "launch" where nil
---@field environment table<string, string>? stands for the environment of the process: for ctx.env, and for what
--- pass_env lets through
---@field ctx string|table|nil facts that stand in for those of ctx: a table, or the path of a file of JSON
---@field print (fun(text: string, path: string))? takes what the policy prints, and its path; dropped where nil
---@field offline boolean? no engine is asked: a policy that looks at ctx.engine is refused, unless `ctx` says what that
--- is

---Handlers must not wait. What one of them raises changes nothing for the plugin, nor for whoever steps the loop: it is
---noted in plugin.faults, and given to task.on_error, where that is set, as an error of code HANDLER_FAILED.
---@class gantry.PluginHandlers
---@field on_event fun(kind: string, fields: table)? is told what happens: the kinds, and the fields of each, are those
--- of gantry.PluginEvents
---@field on_output fun(stream: "stdout"|"stderr", bytes: string, plugin: gantry.Plugin)? takes the plugin's output, in
--- any chunks; also before the launch has answered, when the plugin can be told to pause_output already

---@class gantry.LaunchOptions: gantry.LoadOptions, gantry.PluginHandlers
---@field unique boolean? whether the plugin gets a name of its own, such as kv-3fa2b1: any number run at once
---@field runtime_dir string? where the plugin's socket directory is made, instead of the usual place

---@class gantry.AttachOptions: gantry.PluginHandlers
---@field engine gantry.EngineClient|string|nil client or address; the default engine where nil
---@field environment table<string, string>? stands for the environment of the process
---@field protocol "netrpc"|nil where only the caller knows that the plugin speaks it

---Loads a policy file, validates what it returns and applies this machine's site policy. The engine is asked only where
---a policy looks at ctx.engine. A table of config fields is taken as a policy too.
---@param path string|table
---@param options gantry.LoadOptions?
---@return gantry.Policy? policy
---@return gantry.Error|gantry.Error[]|nil err one error, or all findings
function gantry.load(path, options)
  options = options or {}
  local connect = function() return engines.of(options.engine) end
  if options.offline then
    connect = function()
      return nil, errors.new("POLICY_CONTEXT", "the policy looks at it, and offline no engine is asked")
    end
  end
  local load = type(path) == "table" and policies.of_fields or policies.load
  return load(path, context.of(options, connect), { on_read = options.on_read, print = options.print })
end

---An engine that is not there, as `ctx` describes it.
---@return gantry.EngineClient? engine, gantry.Error? err
local function absent_engine(options)
  local facts, err = context.settle(context.of(options, function() end), "plan", "plan")
  if not facts then return nil, err end
  return absent.new(type(facts.engine) == "table" and facts.engine or context.usual_engine())
end

---@param errs gantry.Error|gantry.Error[]|nil
---@return gantry.Error?
local function first_error(errs)
  if not errs or errors.is(errs) then return errs end
  local first = errs[1]
  if #errs > 1 then
    first = errors.new(first.code, ("%s (and %d more, see gantry check)"):format(first.message, #errs - 1),
      { all = errs })
  end
  return first
end

---@param policy string|gantry.Policy|table path, loaded policy, or a table of config fields
---@return gantry.Policy? loaded, gantry.Error? err
local function policy_of(policy, options)
  if options.name then -- it becomes part of paths: as a policy's own
    local fine, misnamed = require("gantry.config").validate { image = "any", name = options.name }
    if not fine then return nil, first_error(misnamed) end
  end
  if type(policy) == "table" and policy.config then return policy end
  local loaded, err = gantry.load(policy, options)
  return loaded, first_error(err)
end

---Launches a plugin and waits until it is ready. End it with `plugin:stop()`, or hold it in a `<close>` variable.
---@param policy string|gantry.Policy|table path of a policy file, a loaded policy, or a table of config fields
---@param options gantry.LaunchOptions?
---@return gantry.Plugin?, gantry.Error?
function gantry.launch(policy, options)
  options = given.check(options, given.LAUNCH, "gantry.launch")
  local loaded, err = policy_of(policy, options)
  if not loaded then return nil, err end
  local engine, unreachable = engines.of(options.engine)
  if not engine then return nil, unreachable end
  return plugin.launch(loaded.config, {
    engine = engine, name = options.name, unique = options.unique, policy = loaded.path,
    runtime_dir = options.runtime_dir,
    environment = options.environment, on_event = options.on_event, on_output = options.on_output,
  })
end

---Keeps containers of a policy's config waiting, made ahead: `pool:launch()` takes one, as quick as a process is
---started, and another is made behind it by the loop's next steps. Hold it in a `<close>` variable, or end it with
---`pool:close()`.
---@param policy string|gantry.Policy|table path of a policy file, a loaded policy, or a table of config fields
---@param options gantry.PoolOptions with the `size`
---@return gantry.LaunchPool? pool, gantry.Error? err
function gantry.pool(policy, options)
  if type(options) ~= "table" or math.type(options.size) ~= "integer" or options.size < 0 then
    error("gantry.pool needs { size = N }, the number of containers that wait", 2)
  end
  given.check(options, given.POOL, "gantry.pool")
  local loaded, err = policy_of(policy, options)
  if not loaded then return nil, err end
  local engine, unreachable = engines.of(options.engine)
  if not engine then return nil, unreachable end
  return require("gantry.library.pool").open(engine, loaded, options)
end

---Attaches to a plugin that runs already, launched by gantry or by another go-plugin host in a container: the same
---object as a launch gives. It runs on when it is let go (`plugin:detach()`, or the end of a `<close>` variable).
---@param name string the plugin's, or a container's name or id
---@param options gantry.AttachOptions?
---@return gantry.Plugin?, gantry.Error?
function gantry.attach(name, options)
  options = given.check(options, given.ATTACH, "gantry.attach")
  local engine, unreachable = engines.of(options.engine)
  if not engine then return nil, unreachable end
  return plugin.attach(name, { engine = engine, environment = options.environment, on_event = options.on_event,
    on_output = options.on_output, protocol = options.protocol })
end

---Supervises the plugins of a directory of policies in this program's own loop, as `gantry up` does: they are started,
---restarted as their policies say, and taken over where an earlier supervisor left them. Returns at once; the loop's
---steps do the work, whoever makes them. Hold it in a `<close>` variable, or end it with leave, close or down.
---@param options gantry.SuperviseOptions
---@return gantry.Supervision? supervised
---@return gantry.Error? err POLICY_NOT_FOUND; SUPERVISOR_RUNNING: another one has the state directory; CONTROL_BUSY
function gantry.supervise(options)
  if type(options) ~= "table" or type(options.directory) ~= "string" then
    error("gantry.supervise needs { directory = … }, the directory of the policies", 2)
  end
  given.check(options, given.SUPERVISE, "gantry.supervise")
  given.check(options.web, given.WEB, "web of gantry.supervise")
  return require("gantry.library.supervise").start(options)
end

---What a launch would ask of the engine.
---@param policy string|gantry.Policy|table
---@param options gantry.LaunchOptions? with `offline` the image is believed to be there as well
---@return table? plan name, image, image_id, directory, api, engine, request; of a binary its path and sha256; site:
--- what the site policy changed
---@return gantry.Error? err
function gantry.plan(policy, options)
  options = options or {}
  local loaded, err = policy_of(policy, options)
  if not loaded then return nil, err end
  local engine
  if options.offline then engine, err = absent_engine(options) else engine, err = engines.of(options.engine) end
  if not engine then return nil, err end
  local plan, unplanned = plugin.plan(loaded.config, { engine = engine, name = options.name, policy = loaded.path,
    runtime_dir = options.runtime_dir })
  if plan then plan.site = loaded.site end
  return plan, unplanned
end

return gantry
