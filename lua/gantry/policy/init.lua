-- SPDX-License-Identifier: Apache-2.0
--
--- policy: loads policies. A policy is one Lua file that returns a table of config fields, or a function of the context
--- that returns one. It runs with globals of its own, within bounds of time and memory, and nothing that it does wrong
--- raises here: a bad policy is `nil, err`, with file and line.

local config = require "gantry.config"
local core = require "gantry.core"
local errors = require "gantry.errors"
local loader = require "gantry.policy.loader"
local readonly = require "gantry.policy.readonly"
local schema = require "gantry.schema"
local words = require "gantry.words"

local policy = {}

local DEEPEST <const> = 32

---@class gantry.Policy
---@field name string the plugin's: the field `name`, or the file's name without .lua
---@field path string
---@field config gantry.Config
---@field loader gantry.PolicyLoader
local Policy = {}
Policy.__index = Policy

---The folder of the policies that come with gantry: beside the Lua files, in the source tree as when installed.
---@return string? folder
function policy.shipped_folder()
  local here = debug.getinfo(1, "S").source:match("^@(.*)/gantry/policy/init%.lua$")
  for _, candidate in ipairs { "/../policies", "/../../gantry/policies" } do
    local folder = here and core.system.real_path(here .. candidate)
    if folder then return folder end
  end
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
  for key, one in pairs(value) do result[key] = plain(one, depth + 1) end
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

---@param context table|(fun(name: string): table?, gantry.Error?)|nil
---@param name string
---@return table? ctx, gantry.Error? err
local function context_for(context, name)
  if type(context) == "function" then
    local given, err = context(name)
    if not given then return nil, err end
    context = given
  end
  local ctx = { name = name, args = {}, verb = "launch", host = {}, engine = { runtimes = {} }, env = {} }
  for key, value in pairs(context or {}) do ctx[key] = value end
  return readonly.copy(ctx, "ctx")
end

---Runs the policy's file, and the function that it may return.
---@param self gantry.PolicyLoader
---@param context any
---@param name string
---@return table? fields as the policy has them, gantry.Error? err
local function evaluate(self, context, name)
  local chunk, err = self:compile(self.path)
  if not chunk then return nil, err end
  local ok, value = self:call(chunk)
  if not ok then return nil, value end
  local from = "it"
  if type(value) == "function" then
    local ctx, unknown = context_for(context, name)
    if not ctx then return nil, unknown end
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

---@class gantry.PolicyOptions
---@field print (fun(text: string))? takes each line that the policy prints; without it, they are dropped
---@field limits { instructions: integer, bytes: integer, seconds: number }? of each call into the policy

---Loads a policy file and checks what it returns.
---@param path string
---@param context table|(fun(name: string): table?, gantry.Error?)|nil what a policy that is a function gets as ctx; a
--- function that makes it is called for such a policy alone, and may wait
---@param options gantry.PolicyOptions?
---@return gantry.Policy? policy
---@return gantry.Error|gantry.Error[]|nil err one error, or the list of what is wrong with the config
function policy.load(path, context, options)
  options = options or {}
  local self = loader.new(path, { shipped = policy.shipped_folder(), print = options.print, limits = options.limits })
  local stem = stem_of(path)
  local fields, err = evaluate(self, context, stem)
  if not fields then return nil, err end
  if fields.name == nil then
    local name, unusable = name_from_file(self, stem)
    if not name then return nil, unusable end
    fields.name = name
  end
  local found, findings = config.validate(fields, { locate = function(at) return self:locate(at) end })
  if not found then return nil, findings end
  return setmetatable({ name = found.name, path = path, config = found, loader = self }, Policy)
end

---Calls a function that the policy gave, within the policy's bounds.
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... results, or a gantry.Error
function Policy:call(fn, ...)
  return self.loader:call(fn, ...)
end

return policy
