-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/handshake.lua: whether what a plugin says of itself is what its policy allows.

local container = require "gantry.engine.container"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local scratch = require "gantry.plugin.scratch"

local handshake = {}

local function contains(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function check_versions(plugin, shake)
  local allowed = plugin.config.protocol_versions
  if contains(allowed, shake.protocol_version) then return true end
  return nil, errors.new("HANDSHAKE_PROTOCOL_VERSION",
    ("plugin '%s' speaks application protocol version %d, the policy allows "
    .. "%s; add it to protocol_versions or use another image"):format(plugin.name, shake.protocol_version,
    table.concat(allowed, ", ")))
end

local function check_protocol(plugin, shake)
  if contains(plugin.config.protocol, shake.protocol) then return true end
  return nil, errors.new("HANDSHAKE_PROTOCOL",
    ("plugin '%s' speaks %s, the policy allows %s; set protocol = \"%s\" if that is "
    .. "meant"):format(plugin.name, shake.protocol, table.concat(plugin.config.protocol, ", "), shake.protocol))
end

local function check_address(plugin, shake)
  if shake.network == "tcp" then
    local allowed, refused = core.handshake.check_tcp(shake.address, container.has_host_network(plugin.config))
    return allowed, refused and errors.new(refused.code, ("plugin '%s' %s"):format(plugin.name, refused.message))
  end
  local ok, err = core.socket_dir.check_socket(plugin.directory:path(), shake.address)
  if ok or err.code == "SOCKET_FAILED" then return true end -- what is not there is found out by connecting
  if err.code ~= "HANDSHAKE_ADDRESS" then return nil, err:wrap(("plugin '%s'"):format(plugin.name)) end
  return nil, errors.new("HANDSHAKE_ADDRESS",
    ("plugin '%s' listens on %s, outside of the shared directory %s; %s"):format(plugin.name, shake.address,
    plugin.directory:path(), plugin.scratch.path and "build it with go-plugin 1.5 or newer"
    or "where its go-plugin is one before 1.5, the policy is to leave TMPDIR out of env and pass_env"),
    { in_scratch = scratch.holds(plugin, shake.address) })
end

local function check_certificate(plugin, shake)
  if plugin.config.auto_mtls and not shake.certificate then
    return nil, errors.new("HANDSHAKE_CERTIFICATE",
      ("plugin '%s' was asked for AutoMTLS and gave no certificate in its handshake; "
      .. "it is too old for it or serves its own TLS; set auto_mtls = false if that is meant"):format(plugin.name))
  end
  return true
end

local CHECKS = { check_versions, check_protocol, check_address, check_certificate }

---Parses the plugin's first line and holds it against the config.
---@param plugin gantry.Plugin
---@return table? shake what gantry.core.handshake.parse gives
---@return gantry.Error? err
function handshake.read(plugin)
  if plugin.output.handshake_overlong then
    return nil, errors.new("HANDSHAKE_TOO_LONG",
      ("plugin '%s': the first line of its standard output does not end within 64 KiB, "
      .. "so it is no handshake; print to standard error instead"):format(plugin.name))
  end
  local shake, err = core.handshake.parse(plugin.output.handshake_line)
  if not shake then return nil, err:wrap(("plugin '%s'"):format(plugin.name)) end
  for _, check in ipairs(CHECKS) do
    local ok, refused = check(plugin, shake)
    if not ok then return nil, refused end
  end
  return shake
end

return handshake
