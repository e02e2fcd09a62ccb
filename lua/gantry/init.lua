-- SPDX-License-Identifier: Apache-2.0
--
--- gantry: launches go-plugin plugins in containers, as Lua policies say.
---
--- Requiring it has no effect on the host: nothing is printed, no signal handler is installed, no global is set. A call
--- that waits yields inside a gantry task and drives the loop elsewhere. Failures are `nil, err` with `err.code` and
--- `err.message`; misuse raises.

local version = _VERSION:match("(%d+%.%d+)$")
if version ~= "5.4" or rawget(_G, "jit") then
  error("gantry needs Lua 5.4, this is " .. (rawget(_G, "jit") and rawget(_G, "jit").version or _VERSION), 0)
end

local absent = require "gantry.engine.absent"
local context = require "gantry.policy.context"
local engines = require "gantry.engine"
local errors = require "gantry.base.errors"
local plugin = require "gantry.plugin"
local policies = require "gantry.policy"
local task = require "gantry.task"

local gantry = {
  version = require "gantry.base.version",
  task = task,
  extend = require("gantry.config").extend,
  without = require("gantry.config").without,
}

local default_engine

---The engine: found and connected at the first call without an address, and kept.
---@param url string? such as unix:///var/run/docker.sock
---@return gantry.Engine?, gantry.Error?
function gantry.engine(url)
  if url then return engines.connect { url = url } end
  if not default_engine or default_engine.closed then
    local found, err = engines.connect()
    if not found then return nil, err end
    default_engine = found
  end
  return default_engine
end

---The loop of this Lua state: `:fd()` to poll, `:step(seconds)` to handle what is ready.
function gantry.loop()
  return task.loop()
end

---@param engine gantry.Engine|string|nil
---@return gantry.Engine?, gantry.Error?
local function engine_of(engine)
  if type(engine) == "table" then return engine end
  return gantry.engine(engine)
end

---@class gantry.LoadOptions
---@field engine gantry.Engine|string|nil client or address; the default engine where nil
---@field name string? instead of the policy's
---@field args string[]? for ctx.args
---@field verb string? for ctx.verb; "launch" where nil
---@field ctx string|table|nil facts that stand in for those of ctx: a table, or the path of a file of JSON
---@field on_read (fun(path: string, seen: gantry.SeenFile))? is told of each file that the policy was made from
---@field print (fun(text: string, path: string))? takes what the policy prints, and its path; dropped where nil

---Loads a policy file, validates what it returns and applies this machine's site policy. The engine is asked only where
---a policy looks at ctx.engine. A table of config fields is taken as a policy too.
---@param path string|table
---@param options gantry.LoadOptions?
---@return gantry.Policy? policy
---@return gantry.Error|gantry.Error[]|nil err one error, or all findings
function gantry.load(path, options)
  options = options or {}
  local connect = function() return engine_of(options.engine) end
  if options.offline then
    connect = function()
      return nil, errors.new("POLICY_CONTEXT", "the policy looks at it, and offline no engine is asked")
    end
  end
  local load = type(path) == "table" and policies.of_fields or policies.load
  return load(path, context.of(options, connect), { on_read = options.on_read, print = options.print })
end

---An engine that is not there, as `ctx` describes it.
---@return gantry.Engine? engine, gantry.Error? err
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
---@param options table? fields of gantry.LoadOptions and gantry.LaunchOptions
---@return gantry.Plugin?, gantry.Error?
function gantry.launch(policy, options)
  options = options or {}
  local loaded, err = policy_of(policy, options)
  if not loaded then return nil, err end
  local engine, unreachable = engine_of(options.engine)
  if not engine then return nil, unreachable end
  return plugin.launch(loaded.config, {
    engine = engine, name = options.name, runtime_dir = options.runtime_dir, environment = options.environment,
    on_event = options.on_event, on_output = options.on_output,
  })
end

---Attaches to a plugin that runs already, launched by gantry or by another go-plugin host in a container: the same
---object as a launch gives. It runs on when it is let go (`plugin:detach()`, or the end of a `<close>` variable).
---@param name string the plugin's, or a container's name or id
---@param options table? engine, environment, on_event, on_output; protocol = "netrpc" where only the caller knows
---@return gantry.Plugin?, gantry.Error?
function gantry.attach(name, options)
  options = options or {}
  local engine, unreachable = engine_of(options.engine)
  if not engine then return nil, unreachable end
  return plugin.attach(name, { engine = engine, environment = options.environment, on_event = options.on_event,
    on_output = options.on_output, protocol = options.protocol })
end

---What a launch would ask of the engine.
---@param policy string|gantry.Policy|table
---@param options table? as for launch; offline = true asks no engine: what it is says `ctx`, and the image is believed
---@return table? plan name, image, image_id, directory, api, engine, request; site: what the site policy changed
---@return gantry.Error? err
function gantry.plan(policy, options)
  options = options or {}
  local loaded, err = policy_of(policy, options)
  if not loaded then return nil, err end
  local engine
  if options.offline then engine, err = absent_engine(options) else engine, err = engine_of(options.engine) end
  if not engine then return nil, err end
  local plan, unplanned = plugin.plan(loaded.config, { engine = engine, name = options.name,
    runtime_dir = options.runtime_dir })
  if plan then plan.site = loaded.site end
  return plan, unplanned
end

return gantry
