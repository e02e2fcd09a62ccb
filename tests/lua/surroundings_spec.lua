-- SPDX-License-Identifier: Apache-2.0
--
--- The manual's list of variables: each that the source reads is in it, and it has no other.

local surroundings = require "gantry.text.surroundings"

local source = os.getenv "GANTRY_SOURCE" or "."
-- For gantry's own tests, or no variable at all.
local OTHERS <const> = { GANTRY_FAULT_POINT = true, HANDSHAKE = true }

-- How the source names a variable that it reads or sets, in Lua and in C.
local PATTERNS <const> = { "environment%.(%u[%u_]+)", 'set "(%u[%u_]+)"', 'getenv%(?%s*"(%u[%u_]+)"',
  '"(GANTRY_%u[%u_]+)"', '"(PLUGIN_UNIX_%u[%u_]+)"', '"(PLUGIN_M[IA][NX]_PORT)"', '"(DOCKER_[ACTH]%u[%u_]+)"',
  '"(PACKER_%u[%u_]+)"', '"(CREDENTIALS_%u+)"', '"(WATCHDOG_%u+)"', '"(LISTEN_%u+)"', '"(TERM)"' }

---@return table<string, string> where each is, and all text of the source
local function of_source()
  local found, texts = {}, {}
  local pipe <close> = assert(io.popen(("find %s/lua %s/src -name '*.lua' -o -name '*.c'"):format(source, source)))
  for path in pipe:lines() do
    if not path:find "surroundings" then
      local file <close> = assert(io.open(path))
      local text = file:read "a"
      texts[#texts + 1] = text
      for _, pattern in ipairs(PATTERNS) do
        for name in text:gmatch(pattern) do found[name] = path end
      end
    end
  end
  return found, table.concat(texts)
end

describe("the list of variables", function()
  local listed, found, text = {}, of_source()
  for _, one in ipairs(surroundings.variables) do
    for name in one.names:gmatch "[%u_]+" do listed[name] = (listed[name] or 0) + 1 end
  end

  it("has each that the source reads", function()
    local missing = {}
    for name, path in pairs(found) do
      if not listed[name] and not OTHERS[name] then missing[#missing + 1] = name .. " of " .. path end
    end
    table.sort(missing)
    assert.are.equal("", table.concat(missing, "\n"))
  end)

  it("has none twice, and none that the source does not know", function()
    for name, times in pairs(listed) do
      assert.are.equal(1, times, name)
      local field = name:match "^GANTRY_(.+)$"
      local setting = field and text:find(('name = "%s"'):format(field:lower()), 1, true)
      assert.is_truthy(setting or text:find(name, 1, true), name)
    end
  end)
end)
