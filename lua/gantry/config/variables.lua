-- SPDX-License-Identifier: Apache-2.0
--
--- config/variables.lua: names of environment variables: what may be one, which are go-plugin's own, and which of an
--- environment a policy's pass_env means.

local variables = {}

-- Variables of go-plugin's handshake: gantry sets them, for each launch.
local HANDSHAKE = {}
for _, name in ipairs {
  "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_CLIENT_CERT",
  "PLUGIN_UNIX_SOCKET_GROUP", "PLUGIN_UNIX_SOCKET_DIR",
} do HANDSHAKE[name] = true end

-- Names the folder of a plugin's credentials inside, as systemd's services know it.
variables.CREDENTIALS = "CREDENTIALS_DIRECTORY"

---@param name string
---@return boolean
function variables.is_handshake(name) return HANDSHAKE[name] ~= nil end

---@param name string
---@return string? reason a predicate; nil where it is the name of a variable that a policy may set
function variables.wrong_name(name)
  if not name:find("^[%a_][%w_.-]*$") then return "is not the name of a variable" end
  if HANDSHAKE[name] then return "belongs to go-plugin's handshake: gantry sets it" end
end

---@param text string a name, or a pattern in which * stands for any characters
---@return string? reason a predicate
function variables.wrong_pattern(text)
  -- A pattern of nothing but * would hand in all that the caller has.
  return variables.wrong_name((text:gsub("%*", "x", text:find("^%*") and 0 or nil)))
end

---@param names string[]? names and patterns
---@param environment table<string, string>
---@return table<string, string> selected what of it is set and meant; go-plugin's own never, and TMPDIR, which is no
--- place of the plugin's, by its name alone
function variables.select(names, environment)
  local selected = {}
  for _, name in ipairs(names or {}) do
    local pattern = name:find("*", 1, true) and "^" .. name:gsub("[.-]", "%%%0"):gsub("%*", ".*") .. "$"
    if not pattern then selected[name] = environment[name] end
    for candidate, value in pairs(pattern and environment or {}) do
      local own = HANDSHAKE[candidate] or candidate == "TMPDIR"
      if candidate:find(pattern) and not own then selected[candidate] = value end
    end
  end
  return selected
end

---@param environment table<string, string>
---@return string[] names sorted
function variables.names(environment)
  local names = {}
  for name in pairs(environment) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return variables
