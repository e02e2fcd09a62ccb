-- SPDX-License-Identifier: Apache-2.0
--
--- policy/source.lua: where in a policy's text a field stands. A value that a policy returned knows nothing of its
--- line, so the text is read once more, by a small scanner that follows tables, functions and returns, and nothing else
--- of Lua.

local tokens = require "gantry.policy.tokens"

local source = {}

-- Which of several places is meant: a table that the policy returns before any other.
local RETURNED <const>, OTHER <const> = 2, 1

local OPENS_BLOCK = { ["do"] = true, ["if"] = true, ["repeat"] = true, ["function"] = true }
local CLOSES_BLOCK = { ["end"] = true, ["until"] = true }
local ENDS_RETURN = { ["end"] = true, ["until"] = true, ["else"] = true, ["elseif"] = true }
local OPENS_NEST = { ["("] = true, ["["] = true }
local CLOSES_NEST = { [")"] = true, ["]"] = true }

---@class gantry.Source the places of fields in one text
---@field path string
---@field places table<string, { line: integer, rank: integer }> by the field's path, such as mounts[2].source
---@field return_line integer line of the policy's own return statement

---A function under way: the main chunk is one too. `returned` where its results are the policy's.
local function new_function(returned)
  return { returned = returned, returning = false, tables = {}, blocks = 0 }
end

---@class gantry.Scanner
local Scanner = {}
Scanner.__index = Scanner

---Notes a place; of equal ones the last, since it overrides.
function Scanner:note(at, line, rank)
  local known = self.found.places[at]
  if not known or rank >= known.rank then self.found.places[at] = { line = line, rank = rank } end
end

function Scanner:open_table()
  local current = self.functions[#self.functions]
  local outer = current.tables[#current.tables]
  local at = outer and (outer.key or "") or ""
  local rank = outer and outer.rank or (current.returned and current.returning and RETURNED or OTHER)
  table.insert(current.tables, { at = at, rank = rank, index = 0, nest = 0, fresh = true })
end

---The key at the start of a table's element, `name =` or `["name"] =`, and how many tokens it takes.
---@return string? key, integer? count
function Scanner:key_here(i)
  local list = self.list
  local token, following = list[i], list[i + 1]
  if token.kind == "name" and following and following.text == "=" then return token.text, 2 end
  if token.text ~= "[" or not following or following.kind ~= "string" then return nil end
  local close, equals = list[i + 2], list[i + 3]
  if close and close.text == "]" and equals and equals.text == "=" then return following.text, 4 end
end

---Begins an element of a table: notes where it stands.
---@return integer skip how many tokens were read
function Scanner:begin_element(i, inner)
  inner.fresh = false
  local key, count = self:key_here(i)
  if key then
    inner.key = inner.at == "" and key or inner.at .. "." .. key
  else
    inner.index = inner.index + 1
    inner.key = ("%s[%d]"):format(inner.at, inner.index)
  end
  self:note(inner.key, self.list[i].line, inner.rank)
  return count or 0
end

---A statement such as `config.memory = "1GiB"`.
function Scanner:assignment(i)
  local list, names = self.list, {}
  local before = list[i - 1]
  if before and (before.text == "." or before.text == ":") then return end
  while list[i + 1] and list[i + 1].text == "." and list[i + 2] and list[i + 2].kind == "name" do
    i = i + 2
    names[#names + 1] = list[i].text
  end
  if #names > 0 and list[i + 1] and list[i + 1].text == "=" then
    self:note(table.concat(names, "."), list[i].line, OTHER)
  end
end

function Scanner:open_block(text)
  local current = self.functions[#self.functions]
  if text == "function" then
    local returned = current.returned and current.returning and #current.tables == 0
    table.insert(self.functions, new_function(returned))
  else
    current.blocks = current.blocks + 1
  end
end

function Scanner:close_block()
  local current = self.functions[#self.functions]
  if current.blocks > 0 then
    current.blocks = current.blocks - 1
  elseif #self.functions > 1 then
    table.remove(self.functions)
  end
end

function Scanner:keyword(token)
  local current = self.functions[#self.functions]
  if ENDS_RETURN[token.text] then current.returning = false end
  if OPENS_BLOCK[token.text] then self:open_block(token.text) end
  if CLOSES_BLOCK[token.text] then self:close_block() end
  if token.text == "return" then
    current.returning = true
    if current.returned then self.found.return_line = token.line end
  end
end

---What a token means inside the innermost table.
function Scanner:punctuation(text, current, inner)
  if text == "{" then return self:open_table() end
  if not inner then return end
  if text == "}" then
    table.remove(current.tables)
  elseif OPENS_NEST[text] then
    inner.nest = inner.nest + 1
  elseif CLOSES_NEST[text] then
    inner.nest = inner.nest - 1
  elseif (text == "," or text == ";") and inner.nest <= 0 then
    inner.fresh = true
  end
end

---@return integer next index of the next token
function Scanner:step(i)
  local token = self.list[i]
  local current = self.functions[#self.functions]
  local inner = current.tables[#current.tables]
  if inner and inner.fresh and token.text ~= "}" then
    local skip = self:begin_element(i, inner)
    if skip > 0 then return i + skip end
  end
  if token.kind == "keyword" then
    self:keyword(token)
  elseif token.kind == "name" and not inner then
    self:assignment(i)
  elseif token.kind == "symbol" then
    self:punctuation(token.text, current, inner)
  end
  return i + 1
end

---Reads a policy's text. Text that is not Lua gives no error, only fewer places.
---@param path string for messages
---@param text string
---@return gantry.Source
function source.scan(path, text)
  local found = { path = path, places = {}, return_line = 1 }
  local scanner = setmetatable({ list = tokens.read(text), functions = { new_function(true) }, found = found }, Scanner)
  local i = 1
  while i <= #scanner.list do i = scanner:step(i) end
  return found
end

---The path of what holds this value: `mounts[2].source` is in `mounts[2]`, that in `mounts`.
---@param at string
---@return string? outer
local function outer_of(at)
  return at:match("^(.+)%.[^.%[%]]+$") or at:match("^(.+)%[%d+%]$") or at:match("^([^.]+)%..+$")
end

---@param sources gantry.Source[]
---@param at string
---@return string? file, integer? line
local function best_place(sources, at)
  for rank = RETURNED, OTHER, -1 do
    for _, one in ipairs(sources) do
      local place = one.places[at]
      if place and place.rank == rank then return one.path, place.line end
    end
  end
end

---File and line for a field: where it stands itself, in the policy or in a module that it loaded; else where what
---holds it stands; else the policy's return.
---@param sources gantry.Source[] the policy first
---@param at string such as mounts[2].source
---@return string file
---@return integer line
function source.locate(sources, at)
  local wanted = at
  while wanted do
    local file, line = best_place(sources, wanted)
    if file then return file, line end
    wanted = outer_of(wanted)
  end
  return sources[1].path, sources[1].return_line
end

return source
