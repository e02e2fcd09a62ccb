-- SPDX-License-Identifier: Apache-2.0
--
--- repl/commands.lua: what a session offers beyond Lua and gantry itself. The commands raise what fails, so that
--- `p = launch "x.lua"` says why instead of making p nil.

local check_policy = require "gantry.repl.check"
local context = require "gantry.policy.context"
local errors = require "gantry.base.errors"
local gantry = require "gantry"
local help = require "gantry.repl.help"
local show = require "gantry.repl.show"

local commands = {}

---What takes the lines that policies print: the session's own output is the user's.
---@param session gantry.Session
---@return fun(text: string, path: string)
local function policy_print(session)
  return function(text, path) session.options.notice(("%s: %s\n"):format(path, text)) end
end

---@param policy string|table
---@param options table
---@return gantry.Policy raises where the policy is not valid
local function policy_of(session, policy, options)
  local loaded, err
  if type(policy) ~= "string" and type(policy) ~= "table" then
    error("a policy is a file's path or a table, got " .. type(policy), 3)
  end
  if type(policy) == "table" and policy.config then return policy end
  loaded, err = gantry.load(policy, { engine = session.options.engine, name = options.name, args = options.args,
    verb = options.verb, print = policy_print(session) })
  if loaded then return loaded end
  if not errors.is(err) then
    local rest = table.move(err, 2, #err, 1, {})
    err = errors.new(err[1].code, err[1].message, { all = rest })
  end
  error(err, 0)
end

---@generic T
---@param value T?
---@param err gantry.Error?
---@return T
local function expect(value, err)
  if value == nil and err ~= nil then error(err, 0) end
  return value
end

---@param session gantry.Session
---@return table<string, any>
local function make(session)
  local own = {}

  ---Launches a plugin of this session, which goes when the session goes.
  ---@param policy string|table path of a policy file, or a table of its fields
  ---@param options table? name, args, runtime_dir
  ---@return gantry.Plugin
  function own.launch(policy, options)
    options = options or {}
    options.verb = "repl"
    return expect(session:launch(policy_of(session, policy, options).config, options))
  end

  ---Attaches to a plugin that runs already; it runs on when the session goes.
  ---@param name string the plugin's, or a container's name or id
  ---@return gantry.Plugin
  function own.attach(name)
    local log, on_event = session:handlers(name)
    return expect(gantry.attach(name, { engine = session:engine(), on_event = on_event,
      on_output = function(stream, bytes) log:feed(stream, bytes) end }))
  end

  ---What a launch would ask of the engine; nothing is started.
  ---@param policy string|table
  ---@return table plan name, image, directory, request
  function own.plan(policy)
    return expect(gantry.plan(policy_of(session, policy, { verb = "plan" }), { engine = session:engine() }))
  end

  ---Checks policies and says what is wrong with them.
  ---@param ... string|table
  function own.check(...)
    local options = { engine = session.options.engine, verb = "check", print = policy_print(session) }
    for _, policy in ipairs { ... } do session.options.write(check_policy.report(policy, options)) end
  end

  ---What a policy would decide when its plugin ends: `simulate("jwt.lua", { oom = 3 })`.
  ---@param policy string|table
  ---@param events table counts by cause, or a list of ends
  ---@param options table? uptime, seed
  ---@return table steps
  function own.simulate(policy, events, options)
    local steps, err = require("gantry.supervisor.simulate").run(policy, events, options)
    if not steps and not errors.is(err) then err = err[1] end
    return setmetatable(expect(steps, err), { __tostring = function(found)
      return (require("gantry.text.simulation").format(found):gsub("\n$", ""))
    end })
  end

  ---The plugins of this session, by name.
  ---@return table<string, gantry.Plugin>
  function own.plugins()
    local list = {}
    for plugin in pairs(session.plugins) do list[plugin.name] = plugin end
    return list
  end

  ---Tells of a function, an object, a field of policies, or of all.
  ---@param thing any
  function own.help(...)
    session.options.write(select("#", ...) == 0 and help.overview(own) or help.about((...)))
  end

  ---Ends the session, and with it what it launched. Its name alone does, too.
  function own.exit()
    session.over = true
    error(errors.new("SESSION_OVER", "the session ends"), 0)
  end

  own.quit = own.exit

  ---Prints values, tables readably.
  ---@param ... any
  function own.print(...)
    local texts = {}
    for index = 1, select("#", ...) do
      local value = select(index, ...)
      texts[index] = type(value) == "string" and value or show.value(value, session:width())
    end
    session.options.write(table.concat(texts, "\t") .. "\n")
  end

  return own
end

---What a policy of this session is told of the world, with the folder that one typed here would lie in.
---@param session gantry.Session
---@return gantry.Context
local function session_context(session)
  local given = context.of({ verb = "repl" }, function() return session:engine() end)
  local facts = context.settle(given, "typed.lua", "typed")
  facts.engine = expect(facts.engine())
  return (context.view(facts))
end

---The globals of a session: its commands, gantry, then Lua's own. `engine` is looked for when it is first named.
---@param session gantry.Session
---@return table
function commands.environment(session)
  local environment = make(session)
  session.leave = environment.exit
  environment.gantry = gantry
  environment.restart = require "gantry.restart"
  -- A task of a chunk would end with the chunk: here it belongs to the session.
  environment.task = setmetatable({
    spawn = function(fn, ...) return session:spawn(fn, ...) end,
  }, { __index = gantry.task })
  environment._G = environment
  return setmetatable(environment, { __index = function(_, name)
    if name == "engine" then return session:engine() end
    if name == "ctx" then return session_context(session) end
    return _G[name]
  end })
end

return commands
