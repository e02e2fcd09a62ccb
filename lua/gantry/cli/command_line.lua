-- SPDX-License-Identifier: Apache-2.0
--
--- cli/command_line.lua: what a command line means beyond what the parser takes: options before the verb, and numbers
--- below zero, which are no options.

local command_line = {}

-- Options that may stand before the verb, and whether a value follows.
local EARLY <const> = { ["--json"] = false, ["-v"] = false, ["--verbose"] = false, ["-h"] = false, ["--help"] = false,
  ["--engine"] = true, ["--control"] = true, ["--site"] = true }

---Puts the options that stand before the verb behind it. A chunk that is given is one of the REPL.
---@param words string[]
---@return string[] words
function command_line.verb_first(words)
  local early, at = {}, 1
  while words[at] do
    local name = words[at]:match "^(%-%-[%w-]+)="
    local value = EARLY[name or words[at]]
    if value == nil then break end
    early[#early + 1] = words[at]
    if value and not name then
      at = at + 1
      early[#early + 1] = words[at]
    end
    at = at + 1
  end
  if not words[at] then return words end
  local verb, rest = words[at], at + 1
  if verb == "-e" then verb, rest = "repl", at end
  return { verb, table.unpack(table.move(words, rest, #words, #early + 1, early)) }
end

---@param word string
---@return boolean whether it is an option that may stand before the verb
function command_line.is_early(word)
  return EARLY[word] ~= nil
end

-- What stands before a number so that the parser takes it for a value; no argument of a process begins with it.
local MARK <const> = "\1"

---@param convert any of the parser's: how it reads a value
---@return fun(text: string): any, string?
local function unmarked(convert)
  return function(text)
    local plain = text:gsub("^" .. MARK, "")
    if type(convert) == "function" then return convert(plain) end
    return plain
  end
end

---Parses the words. A number below zero is a value, wherever it stands.
---@param parser table of argparse's
---@param words string[]
---@return boolean ok
---@return table|string arguments, or what is wrong
function command_line.parse(parser, words)
  local marked, any = {}, false
  for i, word in ipairs(words) do
    local negative = word:find "^%-%.?%d" ~= nil
    any, marked[i] = any or negative, negative and MARK .. word or word
  end
  if any then
    for _, elements in ipairs { parser._options, parser._arguments } do
      for _, element in ipairs(elements) do element._convert = unmarked(element._convert) end
    end
  end
  local ok, arguments = parser:pparse(marked)
  return ok, ok and arguments or (arguments:gsub(MARK, ""):gsub("\n", " "))
end

return command_line
