-- SPDX-License-Identifier: Apache-2.0
--
--- text/table_text.lua: rows of text as aligned columns, the way `ps` prints them.

local table_text = {}

---Columns a text takes on a terminal: its characters, not its bytes.
---@param text string
---@return integer
local function width(text)
  return utf8.len(text) or #text
end

---@param rows string[][] the first may be a heading
---@return string
function table_text.format(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, width(cell)) end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do cells[i] = cell .. (" "):rep(widths[i] - width(cell)) end
    lines[#lines + 1] = (table.concat(cells, "  "):gsub(" +$", "")) .. "\n"
  end
  return table.concat(lines)
end

return table_text
