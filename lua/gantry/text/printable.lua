-- SPDX-License-Identifier: Apache-2.0
--
--- text/printable.lua: text of a plugin's or an engine's on its way to a person. A terminal acts on control characters:
--- what is printed could repaint it, or type into it. There they are shown as \xNN, byte by byte; a pipe or a file gets
--- every byte as it came.

local core = require "gantry.core"

local printable = {}

local STDOUT <const>, STDERR <const> = 1, 2

---@param bytes string
---@return string
local function in_hex(bytes)
  return (bytes:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

---Shows bytes that are no UTF-8: a terminal may take them for control characters of one byte.
---@param text string
---@return string
local function valid_utf8(text)
  local pieces, from = {}, 1
  local length, invalid_at = utf8.len(text)
  while not length do
    pieces[#pieces + 1] = text:sub(from, invalid_at - 1)
    pieces[#pieces + 1] = in_hex(text:sub(invalid_at, invalid_at))
    from = invalid_at + 1
    length, invalid_at = utf8.len(text, from)
  end
  return from == 1 and text or table.concat(pieces) .. text:sub(from)
end

-- What is not seen, or has what is seen stand elsewhere: marks of direction, what has no width, tags; in bytes.
-- None of the first bytes stands inside of a character. The page of gantry up has the same list, in web/text.js.
local UNSEEN <const> = { "\xc2\xad", "\xd8\x9c", "\xe1\xa0\x8e", "\xe2\x80[\x8b-\x8f\xa8-\xae]",
  "\xe2\x81[\xa0-\xaf]", "\xef\xbb\xbf", "\xef\xbf[\xb9-\xbb]", "\xf3\xa0[\x80\x81][\x80-\xbf]" }

---@param character string
---@return string
local function by_code(character)
  return ("\\u{%x}"):format(utf8.codepoint(character))
end

---Shows what could hide or reorder the text around it.
---@param text string UTF-8
---@return string
local function seen(text)
  if not text:find "[\xc2\xd8\xe1\xe2\xef\xf3]" then return text end
  for _, pattern in ipairs(UNSEEN) do text = text:gsub(pattern, by_code) end
  return text
end

---Text without what a terminal acts on, but for tabs and newlines: control characters, U+0080 to U+009F among them,
---and bytes that are no UTF-8 become \xNN, marks of direction and what has no width \u{NNNN}.
---@param text string
---@return string
function printable.text(text)
  if not text:find("[^\t\n\32-\126]") then return text end
  -- In UTF-8 C2 begins a character and is never inside one.
  return seen(valid_utf8((text:gsub("[^\t\n\32-\126\128-\255]", in_hex):gsub("\xc2[\x80-\x9f]", in_hex))))
end

---@param text string
---@return string
local function unchanged(text)
  return text
end

---What text for people is to go through on its way to a descriptor.
---@param descriptor integer
---@return fun(text: string): string filter printable.text where it is a terminal, else one that changes nothing
function printable.filter(descriptor)
  return core.system.is_terminal(descriptor) and printable.text or unchanged
end

---Writes text for people to standard output.
---@param ... string
---@return file*? file nil where it cannot be written
function printable.write_stdout(...)
  return (io.stdout:write(printable.filter(STDOUT)(table.concat { ... })))
end

---Writes text for people to standard error.
---@param ... string
---@return file*? file nil where it cannot be written
function printable.write_stderr(...)
  return (io.stderr:write(printable.filter(STDERR)(table.concat { ... })))
end

return printable
