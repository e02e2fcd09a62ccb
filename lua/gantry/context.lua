-- SPDX-License-Identifier: Apache-2.0
--
--- context.lua: what a policy that is a function is told of the world: ctx.

local core = require "gantry.core"

local context = {}

local function host()
  local system = core.system
  return { hostname = system.hostname(), cpus = system.cpus(), memory = system.memory(), uid = system.euid(),
    gid = system.egid() }
end

---A function that makes the context when a policy wants one: only then is the engine asked what it is.
---@param options { args: string[]?, verb: string?, name: string? }
---@param connect fun(): gantry.Engine?, gantry.Error?
---@return fun(name: string): table?, gantry.Error?
function context.provider(options, connect)
  return function(name)
    local engine, err = connect()
    if not engine then return nil, err end
    local description, failure = engine:describe()
    if not description then return nil, failure end
    return { name = options.name or name, args = options.args or {}, verb = options.verb or "launch", host = host(),
      engine = description, env = core.system.environment() }
  end
end

return context
