-- SPDX-License-Identifier: Apache-2.0
--
--- exec/messages.lua: what gantry itself says to a host: lines of hclog's JSON, which go-plugin hosts log at their
--- level, with the module "gantry", and plain ones for Packer; and the reason for a failure, in one line.

local errors = require "gantry.base.errors"
local json = require "gantry.json"

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

return messages
