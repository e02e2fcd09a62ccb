-- SPDX-License-Identifier: Apache-2.0
--
--- policy: loads policies. A policy is one Lua file that returns a table of config fields, or a function of the context
--- that returns one. It runs with globals of its own, within bounds of time and memory, and nothing that it does wrong
--- raises here: a bad policy is `nil, err`, with file and line.

local config = require "gantry.config"
local context = require "gantry.policy.context"
local later = require "gantry.base.later"
local changes = later "gantry.restart.changes"
local deep_copy = require "gantry.base.deep_copy"
local errors = require "gantry.base.errors"
local loader = require "gantry.policy.loader"
local merge = require "gantry.config.merge"
local policy_limits = require "gantry.config.policy_limits"
local relative = require "gantry.config.relative"
local schema = require "gantry.config.schema"
local script = later "gantry.restart.script"
local shipped = require "gantry.base.shipped"
local site = require "gantry.policy.site"
local words = require "gantry.base.words"

local policy = {}

local DEEPEST <const> = 32

---@class gantry.Policy
---@field name string the plugin's: the field `name`, or the file's name without .lua
---@field path string
---@field config gantry.Config
---@field fields table what the file gave, as plain data and functions
---@field place string? where its rule for restarts stands
---@field site gantry.SiteChange[]? what the site policy changed, where there is one
---@field loader gantry.PolicyLoader
local Policy = {}
Policy.__index = Policy

---The folder of the policies that come with gantry.
---@return string? folder
function policy.shipped_folder()
  return shipped.folder "policies"
end

---@param path string
---@return string
local function stem_of(path)
  return (path:match("[^/]*$"):gsub("%.lua$", ""))
end

---A copy without metatables. Made within the policy's bounds, since the policy's own metamethods may run.
---@param value any
---@param depth integer?
---@return any
local function plain(value, depth)
  if type(value) ~= "table" then return value end
  depth = depth or 1
  if depth > DEEPEST then error("the policy's tables are nested too deeply, or hold themselves", 0) end
  local result = {}
  for key, one in pairs(value) do
    if not merge.is_without(one) then result[key] = plain(one, depth + 1) end -- there was nothing to take it from
  end
  return result
end

---@param self gantry.PolicyLoader
---@param value any
---@param from string
---@return nil, gantry.Error
local function wrong_result(self, value, from)
  local path, line = self:locate("")
  local message = ("%s:%d: a policy must return a table of fields, or a function of the context that returns one; "
    .. "%s returned %s"):format(path, line, from, words.show(value))
  return nil, errors.new("POLICY_RESULT", message, { file = path, line = line })
end

---Runs the policy's file, and the function that it may return.
---@param self gantry.PolicyLoader
---@param ctx table
---@return table? fields as the policy has them, gantry.Error? err
local function evaluate(self, ctx)
  local text, err = self:read(self.path)
  if not text then return nil, err end
  local chunk, wrong = self:compile(self.path, text)
  if not chunk then return nil, wrong end
  local ok, value = self:call(chunk)
  if not ok then return nil, value end
  local from = "it"
  if type(value) == "function" then
    self.takes_context = true
    ok, value = self:call(value, ctx)
    if not ok then return nil, value end
    from = "its function"
  end
  if type(value) ~= "table" then return wrong_result(self, value, from) end
  ok, value = self:call(plain, value)
  if not ok then return nil, value end
  return value
end

---The file's name, where it can be a plugin's.
---@param self gantry.PolicyLoader
---@param stem string
---@return string? name, gantry.Error[]? findings
local function name_from_file(self, stem)
  local reason
  local name = schema.by_name.name.type.read(stem, "the file's name", function(_, message) reason = message end)
  if name then return name end
  local path, line = self:locate("name")
  return nil, { errors.new("CONFIG_INVALID", ("%s:%d: %s; set the field name"):format(path, line, reason),
    { field = "name", file = path, line = line }) }
end

---@param self gantry.PolicyLoader
---@return string such as "jwt.lua:12"
local function place_of_restart(self)
  local path, line = self:locate("restart")
  return ("%s:%d"):format(path:match("[^/]*$"), line)
end

---@param self gantry.PolicyLoader
---@param fields table of a config
---@return table<string, string> places file and line of each, by name
local function places_of(self, fields)
  local places = {}
  for name in pairs(fields) do
    local path, line = self:locate(name)
    places[name] = ("%s:%d"):format(path, line)
  end
  return places
end

---@class gantry.PolicyOptions
---@field print (fun(text: string, path: string))? takes what a policy prints, and the policy's or the site policy's
--- path; without it, that is dropped
---@field limits { instructions: integer, bytes: integer }? of each call into the policy
---@field on_read (fun(path: string, seen: gantry.SeenFile))? is told of each file that is looked at
---@field seen table<string, gantry.SeenFile>? files by path, instead of those that are there
---@field given table<string, string>? texts of files by path, instead of what is there
---@field call function? instead of core.budget.call, for those who bound what runs by other means
---@field site gantry.SitePlace|false|nil the site policy to apply; the one of this machine where nil, none where false

---@param path string
---@param folder string
---@param options gantry.PolicyOptions
---@return gantry.PolicyLoader
local function loader_of(path, folder, options)
  local print_line = options.print and function(text) options.print(text, path) end
  return loader.new(path, { shipped = policy.shipped_folder(), folder = folder, print = print_line,
    limits = options.limits, on_read = options.on_read, seen = options.seen, call = options.call,
    given = options.given })
end

---The site policy that holds for a policy.
---@param options gantry.PolicyOptions
---@return gantry.Site? rule nil, nil where there is none
---@return gantry.Error? err
local function site_of(options)
  local place = options.site
  if place == false then return nil end
  if not place then
    local known, found = pcall(site.where)
    if not known then return nil, found end -- settings that cannot be read
    place = found
  end
  local folder = context.settle({}, place.path, "site").folder
  return site.load(loader_of(place.path, folder, options), place.optional)
end

---@class gantry.PolicyAttempt one way through a policy and the site's
---@field facts table
---@field ctx table
---@field rule gantry.Site?
---@field options gantry.PolicyOptions

---Applies the site policy to what a policy gave.
---@param self gantry.PolicyAttempt
---@param found gantry.Config
---@param locate fun(at: string): string, integer
---@return gantry.Config? config, gantry.Error|gantry.SiteChange[]|nil err_or_changes
local function apply_site(self, found, locate)
  if not self.rule then return found end
  return self.rule:apply(found, self.ctx, plain, locate)
end

---@param self gantry.PolicyAttempt
---@param path string
---@param name string
---@return gantry.Policy? policy, gantry.Error|gantry.Error[]|nil err
local function attempt(self, path, name)
  local own = loader_of(path, self.facts.folder, self.options)
  local fields, err = evaluate(own, self.ctx)
  if not fields then return nil, err end
  local names_itself = fields.name ~= nil
  if not names_itself then
    local unusable
    fields.name, unusable = name_from_file(own, name)
    if not fields.name then return nil, unusable end
  end
  relative.resolve(fields, self.facts.folder)
  local function locate(at) return own:locate(at) end
  local found, findings = config.validate(fields, { locate = locate })
  if not found then return nil, findings end
  local settled, made = apply_site(self, found, locate)
  if not settled then return nil, made end
  local given = places_of(own, fields)
  given.name = names_itself and given.name or nil
  return setmetatable({ name = settled.name, path = path, config = settled, loader = own, site = made, given = given,
    fields = self.rule and settled or fields, rule = self.rule, attempt = self,
    takes_context = own.takes_context or self.rule ~= nil,
    place = settled.restart ~= nil and place_of_restart(own) or nil }, Policy)
end

---The same options, but that what is printed is held until the attempt is over: of one that is made again, it would be
---there twice.
---@param options gantry.PolicyOptions
---@return gantry.PolicyOptions options
---@return fun() release hands on what was held; what is printed later is handed on at once
local function holding_print(options)
  if not options.print then return options, function() end end
  local held, copy = {}, {}
  for key, value in pairs(options) do copy[key] = value end
  function copy.print(text, path)
    if not held then return options.print(text, path) end
    held[#held + 1] = { text, path }
  end
  return copy, function()
    local lines = held or {}
    held = nil
    for _, line in ipairs(lines) do options.print(line[1], line[2]) end
  end
end

---Goes through a policy, and once more where it turns out that it wants to know the engine.
---@param facts table of context.settle
---@param options gantry.PolicyOptions
---@param try fun(self: gantry.PolicyAttempt): gantry.Policy?, gantry.Error|gantry.Error[]|nil
---@return gantry.Policy? policy, gantry.Error|gantry.Error[]|nil err
local function go_through(facts, options, try)
  local held, release = holding_print(options)
  local rule, broken = site_of(held)
  local ctx, wanted = context.view(facts)
  local found, err
  if not broken then found, err = try { facts = facts, ctx = ctx, rule = rule, options = held } end
  if not wanted.engine then
    release()
    return found, broken or err
  end
  local engine, unknown = facts.engine()
  if not engine then
    release()
    return nil, errors.new(unknown.code, ("%s: ctx.engine: %s; --ctx FILE.json may stand in for it"):format(facts.path,
      unknown.message), { file = facts.path, cause = unknown, status = unknown.status })
  end
  facts.engine = engine
  return go_through(facts, options, try)
end

---Loads a policy file, checks what it returns, and applies the site policy.
---@param path string
---@param given table? facts for ctx, of gantry.policy.context; its engine may be a function that is called for policies
--- that look at ctx.engine alone, and may wait
---@param options gantry.PolicyOptions?
---@return gantry.Policy? policy
---@return gantry.Error|gantry.Error[]|nil err one error, or the list of what is wrong with the config
function policy.load(path, given, options)
  local stem = stem_of(path)
  local facts, err = context.settle(given, path, stem)
  if not facts then return nil, err end
  return go_through(facts, options or {}, function(self) return attempt(self, path, stem) end)
end

---A policy of fields that a program gives, checked, with the site policy applied.
---@param fields table
---@param given table?
---@param options gantry.PolicyOptions?
---@return { name: string, config: gantry.Config, site: gantry.SiteChange[]? }? policy
---@return gantry.Error|gantry.Error[]|nil err
function policy.of_fields(fields, given, options)
  local found, findings = config.validate(fields)
  if not found then return nil, findings end
  local facts, err = context.settle(given, "fields", found.name)
  if not facts then return nil, err end
  return go_through(facts, options or {}, function(self)
    local settled, made = apply_site(self, found, function() return "a program's policy", 1 end)
    if not settled then return nil, made end
    return { name = settled.name, config = settled, site = made, rule = self.rule }
  end)
end

---Reads the site policy alone.
---@param path string
---@return boolean? ok, gantry.Error? err SITE_BROKEN
function policy.check_site(path)
  local rule, err = site_of { site = { path = path } }
  return rule ~= nil, err
end

---Calls a function that the policy gave, within the policy's bounds.
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... results, or a gantry.Error
function Policy:call(fn, ...)
  return self.loader:call(fn, ...)
end

---Asks a function of the policy what follows an end.
---@param fn function
---@param exit table its own copy
---@param facts table
---@return gantry.ScriptAnswer? answer, gantry.Error? err
function Policy:ask(fn, exit, facts)
  local function text_of(path) return self.loader:text_of(path) end
  local ok, answer = self.loader:call_within(policy_limits.decision, script.run, fn, exit, facts, text_of)
  if not ok then return nil, answer end
  return self:within_site(answer, facts.config)
end

-- Of an answer's options, what is no change of the config.
local NO_CHANGE = { after = true, reason = true, scope = true }

---What the site policy makes of the changes that a function answered with: what it refuses is a fault of the policy's,
---what it sets anew is as the site sets it.
---@param answer gantry.ScriptAnswer
---@param current gantry.Config
---@return gantry.ScriptAnswer? answer, gantry.Error? err
function Policy:within_site(answer, current)
  if not self.rule or type(answer.options) ~= "table" then return answer end
  local wanted = {}
  for key, value in pairs(answer.options) do
    if not NO_CHANGE[key] then wanted[key] = value end
  end
  local changed = next(wanted) ~= nil and changes.apply(current, wanted)
  if not changed then return answer end -- nothing, or what is refused for its own sake
  changed.name = changed.name or self.name
  local settled, err = apply_site(self.attempt, changed, function() return answer.place:match "^(.*):(%d+)$" end)
  if not settled then return nil, err end
  for key in pairs(wanted) do
    if key == "cpus" then
      answer.options.cpus, answer.options.nano_cpus = nil, settled.nano_cpus
    else
      answer.options[key] = settled[key] == nil and deep_copy.of(merge.WITHOUT) or settled[key]
    end
  end
  return answer
end

---Asks a function of the policy for the command that is to run after an end.
---@param fn function
---@param exit table its own copy
---@param decision table its own copy
---@return any command plain data, unchecked; gantry.Error? err
function Policy:command(fn, exit, decision)
  local ok, command = self.loader:call_within(policy_limits.decision, function() return plain(fn(exit, decision)) end)
  if ok then return command end
  return nil, command
end

return policy
