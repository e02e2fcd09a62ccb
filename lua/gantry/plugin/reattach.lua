-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/reattach.lua: go-plugin's ReattachConfig of a plugin that runs, so that another host may use it.

local attach = require "gantry.plugin.attach"
local errors = require "gantry.base.errors"

local reattach = {}

-- Where Terraform looks for a provider that has no more than a name.
local TERRAFORM_PREFIX <const> = "registry.terraform.io/hashicorp/"

---The address of a provider by its plugin's name.
---@param name string such as "null" or "terraform-provider-null"
---@return string
function reattach.terraform_source(name)
  return TERRAFORM_PREFIX .. name:gsub("^terraform%-provider%-", "")
end

---Asks the plugin whether it speaks gRPC, where nothing else tells.
---@param found gantry.Found
---@return boolean? ok, gantry.Error? err
local function ask_protocol(found)
  if found.protocol then return true end
  local connection, err = attach.connect(found)
  if not connection then
    return nil, errors.new("REATTACH_PROTOCOL", ("%s; if it speaks netrpc, say so (--protocol netrpc)")
      :format(err.message), { cause = err })
  end
  connection:close()
  found.address = found.reattach_data and found.address or found.socket
  return true
end

---@param engine gantry.EngineClient
---@param name string the plugin's, or a container's name or id
---@param options { protocol: string?, protocol_version: integer?, environment: table? }
---@return { name: string, config: table }? found config as go-plugin's hosts read it
---@return gantry.Error? err
function reattach.find(engine, name, options)
  local found, err = attach.find(engine, name, options)
  if not found then return nil, err end
  if found.reattach_data and found.reattach_data.certificate then
    return nil, errors.new("REATTACH_TLS", ("plugin '%s' runs with AutoMTLS, to which no other host can attach "
      .. "(go-plugin's ReattachConfig has no place for the key); launch it with auto_mtls = false"):format(found.name))
  end
  found.protocol = options.protocol or found.protocol
  local known, unknown = ask_protocol(found)
  if not known then return nil, unknown end
  return { name = found.name, config = {
    Protocol = found.protocol, ProtocolVersion = options.protocol_version or found.protocol_version, Pid = found.pid,
    Addr = { Network = found.network, String = found.address },
    -- The host neither ends the plugin nor watches its process: its life is its launcher's.
    Test = true,
  } }
end

return reattach
