-- SPDX-License-Identifier: Apache-2.0
--
--- testing/api.lua: `local t = require "gantry.test"`, for the files that `gantry test` runs. A policy is loaded with a
--- made-up ctx, looked at, and ended under a virtual clock; no engine is asked and nothing is started. What fails ends
--- its test and says where.

local absent = require "gantry.engine.absent"
local context = require "gantry.policy.context"
local differences = require "gantry.testing.differences"
local errors = require "gantry.base.errors"
local plugin = require "gantry.plugin"
local policies = require "gantry.policy"
local simulate = require "gantry.supervisor.simulate"
local words = require "gantry.base.words"

local api = {}

---@class gantry.TestOptions
---@field site string? a site policy to apply; none where nil
---@field text string? what the policy says, which then need not be a file: `return require "base" { ... }`

---@class gantry.TestedPolicy what t.load gives
---@field name string the plugin's
---@field config gantry.Config with defaults, sizes in bytes and durations in seconds
---@field request table what the engine would be asked for: see `gantry plan --offline`
---@field site gantry.SiteChange[]? what the site policy changed
---@field ends fun(self, events: table, options: table?): gantry.SimulatedStep[] lets it end again and again, as
--- `simulate` does: policy:ends { oom = 2 }, policy:ends { 1, "oom", { signal = "SEGV", uptime = "41s" } }

---@param session gantry.TestSession
---@param path any
---@return string
local function beside(session, path)
  if type(path) ~= "string" then error("a policy is a file's path, got " .. words.show(path), 4) end
  return path:sub(1, 1) == "/" and path or session.folder .. "/" .. path
end

---@param policy gantry.Policy
---@param facts table
---@return gantry.TestedPolicy
local function tested(policy, facts)
  local self = { name = policy.name, config = policy.config, site = policy.site }

  ---Lets the plugin end again and again, and asks the policy each time, on a clock of its own.
  function self.ends(_, events, options)
    local steps, err = simulate.run(policy, events, options)
    if not steps then error(errors.is(err) and err.message or err[1].message, 2) end
    return steps
  end

  return setmetatable(self, { __index = function(_, key)
    if key ~= "request" then return nil end
    local plan, err = plugin.plan(policy.config, { engine = absent.new(facts.engine), runtime_dir = "/run/gantry",
      environment = facts.env })
    if not plan then error(err.message, 2) end
    self.request = plan.request
    return plan.request
  end })
end

---A misspelt option would make a test pass that tests nothing.
---@param options any
local function check_options(options)
  if options ~= nil and type(options) ~= "table" then
    error("options are a table, such as { site = \"site.lua\" }, got " .. words.show(options), 4)
  end
  for name, value in pairs(options or {}) do
    if name ~= "site" and name ~= "text" then
      error(("no option %s; there are site and text"):format(words.show(name)), 4)
    end
    if type(value) ~= "string" then error(("%s must be a string, got %s"):format(name, words.show(value)), 4) end
  end
end

---@param session gantry.TestSession
---@return gantry.TestedPolicy? policy, gantry.Error? err
local function load(session, path, ctx, options)
  check_options(options)
  local facts, err = context.for_test(ctx, "ctx of t.load")
  if not facts then return nil, err end
  local site = options and options.site
  local whole = beside(session, path)
  local found, findings = policies.load(whole, facts, {
    site = site and { path = beside(session, site) } or false,
    given = options and options.text and { [whole] = options.text } or nil,
    print = function(text) session:print(text) end,
    call = session.covered and function(...) return session:call_covered(...) end or nil,
    on_read = function(read, seen)
      if read ~= whole or not options or not options.text then session.texts[read] = seen.text end
    end,
  })
  if not found then return nil, errors.is(findings) and findings or findings[1] end
  return tested(found, facts)
end

---@param session gantry.TestSession
---@param list gantry.Difference[]
---@param what string?
local function judge(session, list, what)
  session:count()
  for _, one in ipairs(list) do
    one.message = ("%s%s: expected %s, found %s"):format(what and what .. ": " or "", one.path, one.expected, one.found)
  end
  if #list > 0 then session:fail(list) end
end

---What a test file gets for `require "gantry.test"`.
---@param session gantry.TestSession
---@return table
function api.of(session)
  local t = {}

  ---A test: what fails in it ends it, and not the others.
  ---@param name string
  ---@param fn function
  function t.test(name, fn)
    if type(name) ~= "string" or type(fn) ~= "function" then error("t.test needs a name and a function", 2) end
    local filter = session.options.filter
    if not filter or name:find(filter, 1, true) then session:run(name, fn) end
  end

  ---Loads a policy, by a path relative to the test file.
  ---@param path string
  ---@param ctx table? made-up fields of ctx: { engine = { runtimes = { "runsc" } }, env = { STAGE = "prod" } }
  ---@param options gantry.TestOptions?
  ---@return gantry.TestedPolicy
  function t.load(path, ctx, options)
    local found, err = load(session, path, ctx, options)
    if not found then session:fail { { message = err.message } } end
    return found
  end

  ---Expects that a policy, or the site policy, refuses.
  ---@param path string
  ---@param ctx table?
  ---@param pattern string that the message has in it, as string.find takes it
  ---@param options gantry.TestOptions?
  ---@return { code: string, message: string, field: string? } err
  function t.refuses(path, ctx, pattern, options)
    local found, err = load(session, path, ctx, options)
    session:count()
    if found then session:fail { { message = ("%s: expected a refusal, but it loads"):format(path) } } end
    if not err.message:find(pattern) then
      session:fail { { message = ("expected a refusal with %s, found %s"):format(words.show(pattern), err.message),
        expected = pattern, found = err.message } }
    end
    return { code = err.code, message = err.message, field = err.field }
  end

  ---Expects two values to be equal, field by field.
  ---@param found any
  ---@param expected any
  ---@param what string?
  function t.equal(found, expected, what)
    judge(session, differences.of(found, expected), what)
  end

  ---Expects a table to have these fields; of others it may have more.
  ---@param found table
  ---@param expected table
  ---@param what string?
  function t.has(found, expected, what)
    judge(session, differences.of(found, expected, { part = true }), what)
  end

  ---Expects a value that is neither nil nor false.
  ---@param value any
  ---@param what string?
  function t.ok(value, what)
    session:count()
    if value then return end
    session:fail { { message = ("%s: found %s"):format(what or "expected a value", words.show(value)) } }
  end

  ---Expects a text with a pattern of Lua's in it.
  ---@param text string
  ---@param pattern string
  function t.matches(text, pattern)
    session:count()
    if type(text) == "string" and text:find(pattern) then return end
    session:fail { { message = ("expected a text with %s, found %s"):format(words.show(pattern), words.show(text)),
      expected = pattern, found = words.show(text) } }
  end

  return t
end

return api
