-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/environment.lua: the environment of a plugin's process: what go-plugin's handshake needs, what the policy
--- names, and nothing else of the caller's.

local environment = {}

---@param config gantry.Config
---@param facts { directory: string, group: integer, certificate: string?, caller: table<string, string> }
---@return string[] entries NAME=value, in a stable order
function environment.build(config, facts)
  local entries = {}
  local function add(name, value) entries[#entries + 1] = name .. "=" .. value end

  for _, name in ipairs(config.pass_env or {}) do
    if facts.caller[name] then add(name, facts.caller[name]) end
  end
  local own_temporary = false
  for _, entry in ipairs(config.env or {}) do
    entries[#entries + 1] = entry
    own_temporary = own_temporary or entry:sub(1, 7) == "TMPDIR="
  end

  if config.cookie then add(config.cookie.key, config.cookie.value) end
  -- Only listeners on TCP use the ports, but a plugin that finds none of them refuses to listen (go-plugin server.go).
  add("PLUGIN_MIN_PORT", "10000")
  add("PLUGIN_MAX_PORT", "25000")
  add("PLUGIN_PROTOCOL_VERSIONS", table.concat(config.protocol_versions, ","))
  if facts.certificate then add("PLUGIN_CLIENT_CERT", facts.certificate) end
  -- A number: a name would have to be known inside the image.
  add("PLUGIN_UNIX_SOCKET_GROUP", tostring(facts.group))
  add("PLUGIN_UNIX_SOCKET_DIR", facts.directory)
  -- go-plugin before 1.5 knows only TMPDIR, and an image from scratch has no /tmp.
  if not own_temporary then add("TMPDIR", facts.directory) end
  return entries
end

return environment
