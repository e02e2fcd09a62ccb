-- SPDX-License-Identifier: Apache-2.0
--
--- base/parsed.lua: what texts say, found out once for as long as the same ones come again: files that are looked into
--- at each launch, and are written once.

local parsed = {}

-- Texts that are kept, and as many of those that came before.
local MOST <const> = 256

---@generic T
---@param parse fun(text: string): T? nil for what is not to be kept
---@return fun(text: string): T? of which what it gives must not be changed
function parsed.once(parse)
  local recent, before, count = {}, {}, 0
  return function(text)
    local value = recent[text]
    if value ~= nil then return value end
    value = before[text]
    if value == nil then value = parse(text) end
    if value == nil then return nil end
    if count == MOST then before, recent, count = recent, {}, 0 end
    recent[text], count = value, count + 1
    return value
  end
end

return parsed
