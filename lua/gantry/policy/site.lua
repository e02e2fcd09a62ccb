-- SPDX-License-Identifier: Apache-2.0
--
--- policy/site.lua: the site policy: one file of this machine's, a function of each policy's config and its context. It
--- fills in, changes or refuses. Whatever loads a policy applies it, so that no verb and no program goes past it; where
--- it is broken, nothing starts.

local config = require "gantry.config"
local core = require "gantry.core"
local later = require "gantry.base.later"
local data = later "gantry.policy.data"
local deep_copy = require "gantry.base.deep_copy"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local settings = require "gantry.policy.settings"
local words = require "gantry.base.words"

local site = {}

local DEFAULT <const> = "/etc/gantry/site.lua"

---@class gantry.SitePlace
---@field path string
---@field optional boolean? where the file need not be there

---@class gantry.SiteChange what the site policy changed of a config
---@field field string
---@field from any
---@field to any
---@field place string file and line in the site policy

local chosen

---Has a file be the site policy of this process from now on, as --site does.
---@param path string?
function site.choose(path)
  chosen = path
end

---@return gantry.SitePlace
function site.where()
  local named = chosen or settings.get "site"
  if named then return { path = named } end
  return { path = DEFAULT, optional = true }
end

---Whether a file of a folder of policies is none: the site policy, or a test.
---@param path string
---@return boolean
function site.is_no_policy(path)
  if path:find "_test%.lua$" then return true end
  local place = site.where()
  return path:match "[^/]*$" == place.path:match "[^/]*$" and
    core.system.real_path(path) == core.system.real_path(place.path)
end

---@param err gantry.Error of a call into the site policy, or of reading it
---@param path string
---@return gantry.Error
local function broken(err, path)
  return errors.new("SITE_BROKEN", ("the site policy is broken, and nothing starts until it is repaired: %s"):format(
    err.message), { file = err.file or path, line = err.line, cause = err })
end

---@param loader gantry.PolicyLoader of the site policy
---@param text string
local function misuse(loader, text)
  local path, line = loader:locate("")
  return broken(errors.new("SITE_BROKEN", ("%s:%d: %s"):format(path, line, text), { file = path, line = line }), path)
end

---@param value any
---@return string
local function shown(value)
  if type(value) ~= "table" then return words.show(value) end
  return (json.line(value):gsub("\n$", ""))
end

---@param change gantry.SiteChange
---@return string
function site.describe(change)
  local made = change.to == nil and "takes away" or "makes"
  local now = change.to ~= nil and " " .. shown(change.to) or ""
  local before = change.from == nil and "the policy does not set it" or "the policy has " .. shown(change.from)
  return ("the site policy (%s) %s %s%s; %s"):format(change.place, made, change.field, now, before)
end

---@class gantry.Site a site policy that was read
---@field path string
---@field loader gantry.PolicyLoader
---@field rule function
local Site = {}
Site.__index = Site

---@param loader gantry.PolicyLoader for its file
---@param optional boolean?
---@return gantry.Site? site nil, nil where there is none
---@return gantry.Error? err SITE_BROKEN
function site.load(loader, optional)
  local text, err = loader:read(loader.path)
  if not text then
    if optional and err.code == "POLICY_NOT_FOUND" then return nil end
    return nil, broken(err, loader.path)
  end
  local chunk, wrong = loader:compile(loader.path, text)
  if not chunk then return nil, broken(wrong, loader.path) end
  local ok, rule = loader:call(chunk)
  if not ok then return nil, broken(rule, loader.path) end
  if type(rule) ~= "function" then
    return nil, misuse(loader, "a site policy must return a function of (config, ctx), got " .. words.show(rule))
  end
  return setmetatable({ path = loader.path, loader = loader, rule = rule }, Site)
end

---@param err gantry.Error of the rule
---@param locate fun(at: string): string, integer where a field stands in the policy
---@return gantry.Error
function Site:refusal(err, locate)
  if not err.refused then return broken(err, self.path) end
  local path, line = locate(err.refused)
  return errors.new("SITE_REFUSED", ("%s:%d: %s: refused by the site policy (%s): %s"):format(path, line, err.refused,
    err.place or self.path, err.reason), { file = path, line = line, field = err.refused })
end

---A value's bytes, to compare by.
---@param value any
---@return string
local function bytes_of(value)
  local numbers, count = {}, 0
  return (data.encode(value, { number_of = function(fn)
    if not numbers[fn] then count = count + 1 numbers[fn] = tonumber(("%p"):format(fn):sub(-8), 16) end
    return numbers[fn]
  end }))
end

---@param before gantry.Config
---@param after gantry.Config
---@return gantry.SiteChange[]
function Site:compare(before, after)
  local list, names = {}, {}
  for name in pairs(before) do names[name] = true end
  for name in pairs(after) do names[name] = true end
  for name in pairs(names) do
    if bytes_of(before[name]) ~= bytes_of(after[name]) then
      local path, line = self.loader:locate(name == "nano_cpus" and not self.loader:names(name) and "cpus" or name)
      list[#list + 1] = { field = name, from = before[name], to = after[name], place = ("%s:%d"):format(path, line) }
    end
  end
  table.sort(list, function(left, right) return left.field < right.field end)
  return list
end

---What the site makes of a config.
---@param found gantry.Config not changed
---@param ctx table as the policy got it
---@param plain fun(value: any): any copies within bounds
---@param locate fun(at: string): string, integer
---@return gantry.Config? config, gantry.SiteChange[]|gantry.Error err_or_changes
function Site:apply(found, ctx, plain, locate)
  local given = deep_copy.of(found)
  local ok, result = self.loader:call(self.rule, given, ctx)
  if not ok then return nil, self:refusal(result, locate) end
  if type(result) ~= "table" then
    return nil, misuse(self.loader, ("its function must return the config, as it was or changed; it returned %s")
      :format(words.show(result)))
  end
  ok, result = self.loader:call(plain, result)
  if not ok then return nil, broken(result, self.path) end
  local read, findings = config.validate(result, { locate = function(at) return self.loader:locate(at) end })
  if not read then return nil, broken(findings[1], self.path) end
  if read.name ~= found.name then return nil, misuse(self.loader, "it changed the plugin's name, which it may not") end
  return read, self:compare(found, read)
end

return site
