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

local context = require "gantry.context"
local engines = require "gantry.engine"
local errors = require "gantry.errors"
local plugin = require "gantry.plugin"
local policies = require "gantry.policy"
local task = require "gantry.task"

local gantry = {
  version = require "gantry.version",
  task = task,
  extend = require("gantry.config").extend,
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

---Loads a policy file and validates what it returns. The engine is asked only by policies that are functions.
---@param path string
---@param options gantry.LoadOptions?
---@return gantry.Policy? policy
---@return gantry.Error|gantry.Error[]|nil err one error, or all findings
function gantry.load(path, options)
  options = options or {}
  return policies.load(path, context.provider(options, function() return engine_of(options.engine) end))
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
---@return gantry.Config? config, gantry.Error? err
local function config_of(policy, options)
  if options.name then -- it becomes part of paths: as a policy's own
    local fine, misnamed = require("gantry.config").validate { image = "any", name = options.name }
    if not fine then return nil, first_error(misnamed) end
  end
  if type(policy) == "table" and policy.config then return policy.config end
  local loaded, err
  if type(policy) == "string" then
    loaded, err = gantry.load(policy, options)
    loaded = loaded and loaded.config
  else
    loaded, err = require("gantry.config").validate(policy)
  end
  return loaded, first_error(err)
end

---Launches a plugin and waits until it is ready. End it with `plugin:stop()`, or hold it in a `<close>` variable.
---@param policy string|gantry.Policy|table path of a policy file, a loaded policy, or a table of config fields
---@param options table? fields of gantry.LoadOptions and gantry.LaunchOptions
---@return gantry.Plugin?, gantry.Error?
function gantry.launch(policy, options)
  options = options or {}
  local config, err = config_of(policy, options)
  if not config then return nil, err end
  local engine, unreachable = engine_of(options.engine)
  if not engine then return nil, unreachable end
  return plugin.launch(config, {
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
---@param options table?
---@return table? plan name, image, image_id, directory, api, engine, request
---@return gantry.Error? err
function gantry.plan(policy, options)
  options = options or {}
  local config, err = config_of(policy, options)
  if not config then return nil, err end
  local engine, unreachable = engine_of(options.engine)
  if not engine then return nil, unreachable end
  return plugin.plan(config, { engine = engine, name = options.name, runtime_dir = options.runtime_dir })
end

return gantry
