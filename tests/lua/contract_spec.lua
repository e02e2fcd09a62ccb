-- SPDX-License-Identifier: Apache-2.0
--
--- What programs are told of the library is whole: the types that the editor's stubs name are there, and so is every
--- kind of event with its fields.

local documentation = require "gantry.text.documentation"
local gantry = require "gantry"

local SOURCE <const> = os.getenv("GANTRY_SOURCE") or "."

local function read(path)
  local file <close> = assert(io.open(SOURCE .. "/" .. path))
  return file:read("a")
end

---@param text string
---@param pattern string
---@return table<string, true>
local function all(text, pattern)
  local found = {}
  for one in text:gmatch(pattern) do found[one] = true end
  return found
end

describe("the stubs", function()
  local stubs = read "docs/stubs/gantry.lua"

  it("define every type that they name", function()
    local defined, missing = all(stubs, "%-%-%-@class (gantry%.%u%w*)"), {}
    for name in pairs(all(stubs, "gantry%.%u%w*")) do
      if not defined[name] then missing[#missing + 1] = name end
    end
    assert.are.same({}, missing)
  end)

  it("say what every function does", function()
    for before, name in stubs:gmatch("([^\n]*\n)function ([^\n]+)%([^\n]*%) end") do
      assert.matches("^%-%-%-", before, name .. " has no comment")
    end
  end)

  for _, name in ipairs { "on_error", "on_event", "on_output", "task.scope", "task.event", "task.queue", "task.shield",
    "task.add_host" } do
    it("tell of " .. name, function() assert.is_truthy(stubs:find(name, 1, true)) end)
  end
end)

describe("options", function()
  local CALLS <const> = {
    ["gantry.LaunchOptions"] = function(options) gantry.launch("x", options) end,
    ["gantry.LoadOptions"] = function(options) gantry.launch("x", options) end,
    ["gantry.PluginHandlers"] = function(options) gantry.attach("x", options) end,
    ["gantry.AttachOptions"] = function(options) gantry.attach("x", options) end,
    ["gantry.SuperviseOptions"] = function(options)
      options.directory = options.directory or "."
      gantry.supervise(options)
    end,
  }

  it("that the manual has are known, and of a type", function()
    local seen = 0
    for _, module in ipairs { "gantry", "gantry.library.supervise" } do
      for _, class in ipairs(documentation.of_module(module).classes) do
        for _, field in ipairs(CALLS[class.name] and class.fields or {}) do
          local ok, err = pcall(CALLS[class.name], { [field.name] = coroutine.create(print) })
          assert.is_false(ok)
          assert.matches(field.name == "directory" and "gantry.supervise needs" or
            ": " .. field.name .. " must be a %l+[ %l]*, got a thread$", err)
          seen = seen + 1
        end
      end
    end
    assert.is_true(seen > 25)
  end)

  it("that are misspelt or none are refused", function()
    assert.has_error(function() gantry.launch("x", { on_evnt = print }) end,
      "gantry.launch has no option 'on_evnt', but 'on_event'")
    assert.has_error(function() gantry.attach("x", { runtime_dir = "/" }) end,
      "gantry.attach has no option 'runtime_dir'")
    assert.has_error(function() gantry.supervise { directory = ".", "x" } end, "gantry.supervise has no option 1")
    assert.has_error(function() gantry.launch("x", "y") end, "gantry.launch: the options must be a table, got 'y'")
  end)
end)

describe("the events of a plugin", function()
  ---@return table<string, table<string, true>> fields of each kind, as documented; of a class, its own
  local function documented()
    local kinds, file = {}, documentation.of_module "gantry.plugin.events"
    for _, field in ipairs(file.classes[1].fields) do kinds[field.name] = all(field.type, "[{,] ([%a_]+):") end
    return kinds
  end

  ---@return table<string, table<string, true>> as the code tells them
  local function told()
    local kinds = {}
    for path in assert(io.popen(("ls %s/lua/gantry/plugin/*.lua"):format(SOURCE))):lines() do
      local file <close> = assert(io.open(path))
      for kind, fields in file:read("a"):gmatch(':event%("([%a_]+)", ([^\n]*)') do
        kinds[kind] = kinds[kind] or {}
        for field in fields:gmatch("[{,] ([%a_]+) =") do kinds[kind][field] = true end
      end
    end
    return kinds
  end

  it("are documented, each with the fields that it has", function()
    assert.are.same(told(), documented())
  end)
end)
