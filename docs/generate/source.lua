-- SPDX-License-Identifier: Apache-2.0
--
--- source.lua: the public API as the doc comments have it, the command's verbs, the schema of policies: one table, from
--- which all documents are written.

local api = require "gantry.text.api"
local cli = require "gantry.cli"
local documentation = require "gantry.text.documentation"
local exit_codes = require "gantry.text.exit_codes"
local schema = require "gantry.config.schema"
local settings = require "gantry.policy.settings"
local surroundings = require "gantry.text.surroundings"

local source = {}

---@class docs.Section
---@field title string
---@field module string
---@field text string of the module's head
---@field class gantry.DocumentedClass?
---@field functions gantry.DocumentedFunction[] with `shown`: "plugin:call(path, request, options)"

---@param section gantry.ApiSection
---@param file gantry.DocumentedFile
---@param name string
---@return gantry.DocumentedFunction
local function find_function(section, file, name)
  for _, one in ipairs(file.functions) do
    local separator = one.name:match("^" .. section.owner .. "([.:])" .. name .. "$")
    if separator then
      one.separator, one.short = separator, name
      one.shown = ("%s%s%s(%s)"):format(section.as or section.owner, separator, name, one.arguments)
      return one
    end
  end
  error(("%s has no function %s that gantry.text.api names"):format(section.module, name), 0)
end

---The class of a section, with the fields that are for users.
---@param section gantry.ApiSection
---@param file gantry.DocumentedFile
---@return gantry.DocumentedClass?
local function find_class(section, file)
  local name = section.class or section.module -- a module may have fields, too
  for _, class in ipairs(file.classes) do
    if class.name == name then
      local by_name, fields = {}, {}
      for _, field in ipairs(class.fields) do by_name[field.name] = field end
      for i, one in ipairs(section.fields or {}) do
        fields[i] = by_name[one] or error(("%s has no field %s that gantry.text.api names"):format(name, one), 0)
      end
      return { name = name, text = class.text, parent = not section.fields and class.parent or nil,
        fields = section.fields and fields or class.fields }
    end
  end
  if section.class then error(("%s has no class %s that gantry.text.api names"):format(section.module, name), 0) end
end

---@return docs.Section[]
function source.sections()
  local sections = {}
  for _, section in ipairs(api) do
    local file = assert(documentation.of_module(section.module), "no module " .. section.module)
    local made = { title = section.title, module = section.module, text = file.text, functions = {},
      class_name = section.class, owner = section.owner or section.class:match "[^.]*$",
      class = find_class(section, file) }
    for _, name in ipairs(section.names or {}) do
      made.functions[#made.functions + 1] = find_function(section, file, name)
    end
    sections[#sections + 1] = made
  end
  return sections
end

---@return { title: string, verbs: { name: string, line: string, help: string, summary: string, examples: string }[] }[]
function source.verbs()
  local groups = {}
  for _, group in ipairs(cli.groups) do
    local made = { title = group.title, verbs = {} }
    for _, verb in ipairs(group.verbs) do
      local module = cli.verb(verb[1])
      made.verbs[#made.verbs + 1] = { name = verb[1], line = verb[2], summary = module.summary,
        examples = module.examples, help = cli.parser(verb[1]):usage_margin(7):get_usage():gsub("^Usage: ", ""),
        options = cli.options(verb[1]) }
    end
    groups[#groups + 1] = made
  end
  return groups
end

---@return { code: integer, text: string }[]
function source.exit_codes()
  local list, path = {}, assert(package.searchpath("gantry.text.exit_codes", package.path))
  for line in io.lines(path) do
    local code, text = line:match("^  [%u_]+ = (%d+), %-%- (.*)$")
    if code then list[#list + 1] = { code = math.tointeger(tonumber(code)), text = text } end
  end
  assert(#list > 5 and exit_codes.OK == 0, "the exit codes are not read")
  return list
end

source.groups = schema.groups
source.settings = settings.fields
source.variables, source.paths = surroundings.variables, surroundings.paths
source.version = require "gantry.base.version"

return source
