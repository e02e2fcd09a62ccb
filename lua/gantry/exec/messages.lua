-- SPDX-License-Identifier: Apache-2.0
--
--- exec/messages.lua: what gantry itself says to a host: lines of hclog's JSON, which hosts log at their level, with
--- the module "gantry"; and the reason for a failure, in one line.

local errors = require "gantry.errors"
local json = require "gantry.json"

local messages = {}

---@param level "trace"|"debug"|"info"|"warn"|"error"
---@param text string
---@param fields table<string, any>?
---@return string line with its end
function messages.line(level, text, fields)
  local entry = { ["@level"] = level, ["@message"] = text, ["@module"] = "gantry",
    ["@timestamp"] = os.date("!%Y-%m-%dT%H:%M:%S.000000Z") }
  for name, value in pairs(fields or {}) do entry[name] = value end
  return (json.encode(entry) or '{"@level":"error","@module":"gantry","@message":"a message that is no text"}') .. "\n"
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
