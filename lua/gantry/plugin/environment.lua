-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/environment.lua: the environment of a plugin's process: what go-plugin's handshake needs, what the policy
--- names, and nothing else of the caller's.

local variables = require "gantry.config.variables"

local environment = {}

---@param config gantry.Config
---@param facts { directory: string, temporary: string?, group: integer, certificate: string?,
--- caller: table<string, string>, files: table<string, string>?, credentials: string? } files: what env_files set;
--- credentials: their folder inside
---@return string[] entries NAME=value, in a stable order
function environment.build(config, facts)
  local entries = {}
  local function add(name, value) entries[#entries + 1] = name .. "=" .. value end

  local set = config.cookie and { [config.cookie.key] = true } or {}
  for _, entry in ipairs(config.env or {}) do set[entry:match("^[^=]*")] = true end
  if facts.credentials then set[variables.CREDENTIALS] = true end
  local passed = variables.select(config.pass_env, facts.caller)
  for name, value in pairs(facts.files or {}) do passed[name] = passed[name] or value end
  for _, name in ipairs(variables.names(passed)) do
    if not set[name] then add(name, passed[name]) end
  end
  table.move(config.env or {}, 1, #(config.env or {}), #entries + 1, entries)

  if config.cookie then add(config.cookie.key, config.cookie.value) end
  -- Only listeners on TCP use the ports, but a plugin that finds none of them refuses to listen (go-plugin server.go).
  add("PLUGIN_MIN_PORT", "10000")
  add("PLUGIN_MAX_PORT", "25000")
  add("PLUGIN_PROTOCOL_VERSIONS", table.concat(config.protocol_versions, ","))
  if facts.credentials then add(variables.CREDENTIALS, facts.credentials) end
  if facts.certificate then add("PLUGIN_CLIENT_CERT", facts.certificate) end
  -- A number: a name would have to be known inside the image.
  add("PLUGIN_UNIX_SOCKET_GROUP", tostring(facts.group))
  add("PLUGIN_UNIX_SOCKET_DIR", facts.directory)
  if facts.temporary then add("TMPDIR", facts.temporary) end
  return entries
end

return environment
