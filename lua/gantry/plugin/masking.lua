-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/masking.lua: which values of a container's environment are shown to nobody: those that came from the policy's
--- env_files. A label of the container names their variables, so that whoever finds it later knows.

local LABEL = require("gantry.engine.container").LABEL

local masking = {}

masking.MASK = "********"

---@param entries string[] NAME=VALUE
---@param secret table<string, string> values that came from files
---@return string? label of the container; nil where nothing is masked
function masking.label(entries, secret)
  local names = {}
  for _, entry in ipairs(entries) do
    local name, value = entry:match "^([^=]*)=(.*)$"
    if value and secret[name] == value then names[#names + 1] = name end
  end
  table.sort(names)
  return #names > 0 and table.concat(names, " ") or nil
end

---The variables whose values are masked, of a request or of what an engine inspected.
---@param labels any
---@return table<string, boolean> names
function masking.names(labels)
  local names, text = {}, type(labels) == "table" and labels[LABEL.masked]
  for name in (type(text) == "string" and text or ""):gmatch "%S+" do names[name] = true end
  return names
end

---@param entry string NAME=VALUE
---@return string
function masking.entry(entry)
  return entry:match "^[^=]*" .. "=" .. masking.MASK
end

---A container's spec as it may be shown.
---@param spec gantry.ContainerSpec
---@return gantry.ContainerSpec
function masking.spec(spec)
  local names, shown = masking.names(spec.labels), {}
  for key, value in pairs(spec) do shown[key] = value end
  shown.env = {}
  for i, entry in ipairs(spec.env) do
    shown.env[i] = names[entry:match "^[^=]*"] and masking.entry(entry) or entry
  end
  return shown
end

return masking
