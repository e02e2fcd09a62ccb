-- SPDX-License-Identifier: Apache-2.0
--
--- text/documentation.lua: reads the doc comments of gantry's own Lua files, as LuaCATS annotations say them. The
--- REPL's help, the reference manual and the editor's stubs all come from here.

local documentation = {}

---@class gantry.DocumentedValue a parameter, a returned value, or a field of a class
---@field name string "" for a returned value without one
---@field type string
---@field text string

---@class gantry.DocumentedFunction
---@field name string as defined, such as "Plugin:call" or "gantry.launch"
---@field arguments string as defined: "path, request, options"
---@field text string what it does; may have more than one line
---@field params gantry.DocumentedValue[]
---@field returns gantry.DocumentedValue[]
---@field line integer of the definition
---@field private boolean? whether it is for gantry itself

---@class gantry.DocumentedClass
---@field name string
---@field parent string? of several, a list with commas
---@field text string
---@field fields gantry.DocumentedValue[]
---@field line integer

---@class gantry.DocumentedAlias
---@field name string
---@field type string
---@field text string

---@class gantry.DocumentedFile
---@field text string what stands at its top
---@field functions gantry.DocumentedFunction[]
---@field classes gantry.DocumentedClass[]
---@field aliases gantry.DocumentedAlias[]

local OPENS = { ["("] = true, ["{"] = true, ["["] = true, ["<"] = true }
local CLOSES = { [")"] = true, ["}"] = true, ["]"] = true, [">"] = true }

---Splits a type from what follows it: a type has blanks only in brackets, and after a colon or comma.
---@param text string
---@return string type, string rest
local function split_type(text)
  local depth, quote = 0, nil
  for at = 1, #text do
    local byte = text:sub(at, at)
    if quote then
      if byte == quote then quote = nil end
    elseif byte == '"' or byte == "'" then
      quote = byte
    elseif OPENS[byte] then
      depth = depth + 1
    elseif CLOSES[byte] then
      depth = depth - 1
    elseif byte == " " and depth == 0 and not text:sub(at - 1, at - 1):find("[:,|]") then
      return text:sub(1, at - 1), text:sub(at + 1):match("^%s*(.-)%s*$")
    end
  end
  return text, ""
end

---Splits a list of types at its commas: `string?, gantry.Error? why` gives both, the text with the last.
---@param text string
---@return gantry.DocumentedValue[]
local function read_returns(text)
  local type, rest = split_type(text)
  local list, depth, from = {}, 0, 1
  for at = 1, #type do
    local byte = type:sub(at, at)
    if OPENS[byte] then depth = depth + 1 elseif CLOSES[byte] then depth = depth - 1 end
    if byte == "," and depth == 0 then
      list[#list + 1] = type:sub(from, at - 1)
      from = at + 1
    end
  end
  list[#list + 1] = type:sub(from)
  local values = {}
  for i, one in ipairs(list) do values[i] = { type = one:match("^%s*(.-)%s*$"), name = "", text = "" } end
  local last = values[#values]
  last.name, last.text = rest:match("^([%a_][%w_]*)%s*(.*)$")
  if not last.name then last.name, last.text = "", rest end
  return values
end

---`string name, gantry.Error? err why`: several values that have names each.
---@param text string
---@return gantry.DocumentedValue[]
local function read_named_returns(text)
  local values = {}
  local type, rest = split_type(text)
  while true do
    local name, after = rest:match("^([%a_][%w_]*),%s+(.+)$")
    if not name or type:sub(-1) == "," then break end
    values[#values + 1] = { type = type, name = name, text = "" }
    type, rest = split_type(after)
    text = after
  end
  return table.move(read_returns(text), 1, 9, #values + 1, values)
end

local function read_value(text)
  local name, after = text:match("^(%S+)%s+(.*)$")
  if not name then return { name = text, type = "any", text = "" } end
  local type, rest = split_type(after)
  return { name = name, type = type, text = rest }
end

local TAGS = {}

function TAGS.param(block, text) block.params[#block.params + 1] = read_value(text) end
function TAGS.field(block, text) block.fields[#block.fields + 1] = read_value(text) end

TAGS["return"] = function(block, text)
  for _, value in ipairs(read_named_returns(text)) do block.returns[#block.returns + 1] = value end
end

function TAGS.class(block, text)
  local name, rest = text:match("^([%w_.]+)%s*(.*)$")
  local parent
  while rest:find("^[:,]") do
    local one, after = rest:match("^[:,]%s*([%w_.]+)%s*(.*)$")
    parent, rest = parent and parent .. ", " .. one or one, after
  end
  block.class, block.parent, block.class_text = name, parent, rest
end

function TAGS.alias(block, text)
  local name, rest = text:match("^(%S+)%s+(.*)$")
  if name then
    local type, tail = split_type(rest)
    block.alias = { name = name, type = type, text = tail }
  end
end

function TAGS.private(block) block.private = true end

local function new_block()
  return { lines = {}, params = {}, returns = {}, fields = {} }
end

---Takes one comment line into a block. A line without a tag after one goes on with it.
local function add_line(block, line)
  local tag, text = line:match("^@(%a+)%s*(.*)$")
  if tag then
    if TAGS[tag] then TAGS[tag](block, text) end
    block.tagged = true
    return
  end
  if not block.tagged then
    block.lines[#block.lines + 1] = line
  elseif block.alias then
    block.alias.text = (block.alias.text .. " " .. line):match("^%s*(.-)%s*$")
  else
    local list = #block.returns > 0 and block.returns or #block.params > 0 and block.params or block.fields
    local last = list[#list]
    if last then last.text = (last.text .. " " .. line):match("^%s*(.-)%s*$") end
  end
end

local function text_of(block)
  return (table.concat(block.lines, "\n"):match("^%s*(.-)%s*$"))
end

---The definition of a function on a line of code.
---@return string? name, string? arguments
local function definition(line)
  local name, arguments = line:match("^%s*local%s+function%s+([%w_]+)%s*%(([^)]*)%)")
  if not name then name, arguments = line:match("^%s*function%s+([%w_.:]+)%s*%(([^)]*)%)") end
  if not name then name, arguments = line:match("^%s*([%w_.]+)%s*=%s*function%s*%(([^)]*)%)") end
  return name, arguments
end

---What a block says about the line that follows it.
local function finish(file, block, line, number)
  if block.alias then file.aliases[#file.aliases + 1] = block.alias end
  if block.class then
    local text = block.class_text ~= "" and block.class_text or text_of(block)
    file.classes[#file.classes + 1] = { name = block.class, parent = block.parent, text = text, fields = block.fields,
      line = number }
    return
  end
  local name, arguments = definition(line)
  if not name then return end
  file.functions[#file.functions + 1] = { name = name, arguments = arguments, text = text_of(block),
    params = block.params, returns = block.returns, line = number, private = block.private }
end

---Reads the doc comments of a file's text. Functions that have none are there too, with nothing said.
---@param source string
---@return gantry.DocumentedFile
function documentation.read(source)
  local file = { text = "", functions = {}, classes = {}, aliases = {} }
  local block, number, header = new_block(), 0, true
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local comment = line:match("^%s*%-%-%-(.*)$")
    if comment then
      add_line(block, header and comment:gsub("^ ", "") or comment)
    elseif not (header and line:find("^%-%-")) then -- the licence is none of it
      if header and #block.lines > 0 then
        file.text, header, block = text_of(block), false, new_block()
      end
      if line ~= "" then header = false end
      finish(file, block, line, number)
      block = new_block()
    end
  end
  return file
end

---@param path string
---@return gantry.DocumentedFile?
function documentation.of_file(path)
  local handle = io.open(path, "r")
  if not handle then return nil end
  local source = handle:read("a")
  handle:close()
  return documentation.read(source)
end

---@param module string such as "gantry.plugin"
---@return gantry.DocumentedFile?
function documentation.of_module(module)
  local path = package.searchpath(module, package.path)
  return path and documentation.of_file(path)
end

local files = {}

---What is said where a function is defined, if it is one of ours in Lua.
---@param fn function
---@return gantry.DocumentedFunction?
function documentation.of_function(fn)
  local info = debug.getinfo(fn, "S")
  local path = info.source:match("^@(.*)$")
  if not path then return nil end
  if files[path] == nil then files[path] = documentation.of_file(path) or false end
  for _, one in ipairs(files[path] and files[path].functions or {}) do
    if one.line == info.linedefined then return one end
  end
end

---@param text string
---@return string its first sentence, on one line
function documentation.first_sentence(text)
  local line = text:gsub("\n", " ")
  return (line:match("^(.-%.)%s") or line):match("^(.-)%.?$")
end

return documentation
