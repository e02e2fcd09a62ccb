-- SPDX-License-Identifier: Apache-2.0
--
--- handover/messages.lua: what gantry itself says to a host: lines of hclog's JSON, which go-plugin hosts log at their
--- level, with the module "gantry", and plain ones for Packer; and the reason for a failure, in one line.

local container = require "gantry.engine.container"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local launches = require "gantry.place.launches"

local messages = {}

---As programs of Go's plain logger write, with the level in brackets.
---@param level string
---@param text string
---@param fields table<string, any>?
---@return string line with its end
local function plain(level, text, fields)
  local parts = {}
  for name, value in pairs(fields or {}) do parts[#parts + 1] = (" %s=%s"):format(name, value) end
  table.sort(parts)
  return ("[%s] gantry: %s%s"):format(level:upper(), text, table.concat(parts)):gsub("%c", " ") .. "\n"
end

---@param host "go-plugin"|"packer" who reads it
---@param level "trace"|"debug"|"info"|"warn"|"error"
---@param text string
---@param fields table<string, any>?
---@return string line with its end
function messages.line(host, level, text, fields)
  if host ~= "go-plugin" then return plain(level, text, fields) end
  local entry = { ["@level"] = level, ["@message"] = text, ["@module"] = "gantry",
    ["@timestamp"] = os.date("!%Y-%m-%dT%H:%M:%S.000000Z") }
  for name, value in pairs(fields or {}) do entry[name] = value end
  return json.line(entry)
end

---@param err gantry.Error|gantry.Error[] one error, or the findings of a policy
---@return string
function messages.reason(err)
  if errors.is(err) then return err.message end
  local first = err[1].message
  if #err == 1 then return first end
  return ("%s (and %d more, see gantry check)"):format(first, #err - 1)
end

-- Hosts give up without a word: the reason has to come before that.
local SHARE_OF_TIMEOUT <const> = 11 / 12
-- Seconds that an engine may be away.
local ENGINE_TIMEOUT <const> = 60

---What the face is told of the times that a policy allows.
---@param config gantry.Config
---@return string text, number seconds to the handshake
function messages.timeouts(config)
  local timeout = config.start_timeout * SHARE_OF_TIMEOUT
  return ("%.0f %.0f"):format(timeout * 1000, (config.engine_timeout or ENGINE_TIMEOUT) * 1000), timeout
end

---What of the plugin's addresses means something to its host.
---@param config gantry.Config
---@param temporary string|false|nil where a plugin listens that can be started again
---@return string
function messages.places(config, temporary)
  return ("%s\0%s"):format(temporary or "", container.has_host_network(config) and "host" or "")
end

-- How the last container went that nobody closed: of use to the next host alone, so in its log.
local WENT <const> = {
  left = "the last container of plugin '%s', %s, went with its host, which ended at %s without closing it; if the "
    .. "plugin is to outlive its host, set outlive_host = true",
  killed = "the last container of plugin '%s', %s, was to outlive its host, but went at %s, when the process that the "
    .. "host had started was killed; if systemd did that with the host's unit, set KillMode=process there",
}

---@param name string of a plugin
---@return string? text nil where the last one was closed
function messages.went(name)
  local left = launches.take_left(name)
  return left and WENT[left.how]:format(name, left.container, os.date("!%Y-%m-%dT%H:%M:%SZ", left.at)) or nil
end

return messages
