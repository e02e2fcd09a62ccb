-- SPDX-License-Identifier: Apache-2.0
--
--- repl/help.lua: help(thing): from the same doc comments and the same schema as the manual.

local api = require "gantry.text.api"
local context = require "gantry.policy.context"
local documentation = require "gantry.text.documentation"
local nearest = require "gantry.base.nearest"
local schema = require "gantry.config.schema"

local help = {}

local BEFORE <const> = [[
What you type is Lua 5.4. An expression's values are shown; _ is the last one.
]]
local AFTER <const> = [[
  engine         the engine's client: engine:info()
  ctx            what a policy that is a function is told: help(ctx)
  gantry, task, restart   gantry's modules; a task of task.spawn lives as long as the session

help(thing) tells more: help(launch), help(p) for an object's methods, help(p.call), help "memory" for a field of
policies, help "policy" for all fields. Tab completes, Ctrl-C ends what runs; exit, quit or Ctrl-D ends the session and
its plugins.
]]

local ORDER <const> = { "launch", "attach", "plan", "check", "simulate", "plugins", "help", "print", "exit" }

---@param own table<string, function> the session's commands
---@return string
function help.overview(own)
  local lines = { BEFORE }
  for _, name in ipairs(ORDER) do
    local found = documentation.of_function(own[name])
    lines[#lines + 1] = ("  %-14s %s\n"):format(name, found and documentation.first_sentence(found.text) or "")
  end
  lines[#lines + 1] = AFTER
  return table.concat(lines)
end

---@param values gantry.DocumentedValue[]
---@param lines string[]
---@param head string
local function add_values(values, lines, head)
  for index, value in ipairs(values) do
    local name = value.name ~= "" and value.name .. ": " or ""
    lines[#lines + 1] = ("  %-8s %s%s%s\n"):format(index == 1 and head or "", name, value.type,
      value.text ~= "" and "  -- " .. value.text or "")
  end
end

---@param found gantry.DocumentedFunction
---@return string
local function function_help(found)
  local name = found.name:gsub("^own%.", "")
  local lines = { ("%s(%s)\n"):format(name, found.arguments) }
  if found.text ~= "" then lines[#lines + 1] = "  " .. found.text:gsub("\n", "\n  ") .. "\n" end
  add_values(found.params, lines, "takes")
  add_values(found.returns, lines, "gives")
  return table.concat(lines)
end

---@param field gantry.Field
---@param indent string
---@return string
local function field_help(field, indent)
  local facts = { field.type.text }
  if field.required then facts[#facts + 1] = "required" end
  if field.default ~= nil then facts[#facts + 1] = "default " .. require("gantry.base.words").show(field.default) end
  local text = ("%s%-18s %s\n%s  %s\n"):format(indent, field.name, table.concat(facts, ", "), indent, field.doc)
  if field.example then text = text .. ("%s  %s = %s\n"):format(indent, field.name, field.example) end
  return text
end

local function all_fields()
  local lines = { "A policy returns a table of these fields, or a function of a context that returns one.\n" }
  for _, group in ipairs(schema.groups) do
    lines[#lines + 1] = "\n" .. group.title .. "\n"
    for _, field in ipairs(group.fields) do lines[#lines + 1] = ("  %-18s %s\n"):format(field.name, field.doc) end
  end
  return table.concat(lines)
end

---What a policy that is a function is told.
---@return string
local function context_help()
  local lines, found = {}, documentation.of_module "gantry.policy.context"
  for _, class in ipairs(found.classes) do
    local owner = ({ ["gantry.Context"] = "ctx", ["gantry.ContextHost"] = "ctx.host",
      ["gantry.ContextEngine"] = "ctx.engine" })[class.name]
    if owner and #lines > 0 then lines[#lines + 1] = "\n" end
    for _, field in ipairs(owner and class.fields or {}) do
      lines[#lines + 1] = ("  %-28s %s%s\n"):format(owner .. "." .. field.name, field.type,
        field.text ~= "" and "  " .. field.text or "")
    end
  end
  return table.concat(lines)
end

---@param name string
---@return string
local function topic_help(name)
  if name == "policy" or name == "policies" then return all_fields() end
  if name == "ctx" then return context_help() end
  local field = schema.by_name[name]
  if field then return field_help(field, "") end
  local names = { "policy" }
  for _, one in ipairs(schema.fields) do names[#names + 1] = one.name end
  local near = nearest.find(name, names)
  return ("no field of policies is named '%s'%s\n"):format(name, near and (", but there is '%s'"):format(near)
    or "; help \"policy\" lists all")
end

-- Of objects that gantry.text.api lists, by what stands before their methods: the names that are for users.
local public = {}
for _, section in ipairs(api) do
  for _, name in ipairs(section.names or {}) do
    public[section.owner] = public[section.owner] or {}
    public[section.owner][name] = true
  end
end

---@param found gantry.DocumentedFunction?
---@return boolean
local function worth_listing(found)
  if not found or found.text == "" then return false end
  local owner, name = found.name:match("^([%w_]+)[.:]([%w_]+)$")
  return not owner or not public[owner] or public[owner][name] or false
end

---The documented functions of a table, by name, with their first sentences.
---@param functions table
---@param separator string
---@return string[]
local function list_functions(functions, separator)
  local lines = {}
  for name, value in pairs(functions) do
    local found = type(value) == "function" and type(name) == "string" and documentation.of_function(value)
    if worth_listing(found) then
      lines[#lines + 1] = ("  %s%s(%s)\n      %s\n"):format(separator, name, found.arguments,
        documentation.first_sentence(found.text))
    end
  end
  table.sort(lines)
  return lines
end

---@param thing table|userdata
---@return string
local function object_help(thing)
  local metatable = debug.getmetatable(thing)
  local methods = type(metatable) == "table" and rawget(metatable, "__index")
  local lines = {}
  if type(methods) == "table" then lines = list_functions(methods, ":") end
  if type(thing) == "table" then table.move(list_functions(thing, "."), 1, 1000, #lines + 1, lines) end
  if #lines == 0 then return "nothing is written about this " .. type(thing) .. "\n" end
  local own = type(metatable) == "table" and rawget(metatable, "__tostring") and tostring(thing) .. "\n" or ""
  return own .. table.concat(lines)
end

---@param thing any
---@return string
function help.about(thing)
  if type(thing) == "string" then return topic_help(thing) end
  if context.is(thing) then return context_help() end
  if type(thing) == "function" then
    local found = documentation.of_function(thing)
    return found and function_help(found) or "a function that gantry has no documentation of\n"
  end
  if type(thing) == "table" or type(thing) == "userdata" then return object_help(thing) end
  return ("a %s; help() lists what there is\n"):format(type(thing))
end

return help
