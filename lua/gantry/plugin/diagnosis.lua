-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/diagnosis.lua: what a failed launch is told with: the last output, the image, the runtime and a hint.

local diagnosis = {}

local LAST_LINES <const> = 20

---@class gantry.Diagnosis
---@field output { stream: string, line: string }[] the last lines
---@field image string
---@field image_id string?
---@field image_size integer?
---@field entrypoint string[]?
---@field arguments string[]?
---@field runtime string?
---@field container string? its id
---@field kept boolean? whether the container is still there
---@field exit gantry.Exit?
---@field hint string?

---@param plugin gantry.Plugin
---@return gantry.Diagnosis
function diagnosis.of(plugin)
  local config, image = plugin.config, plugin.image or {}
  local inner = image.Config or {}
  local inspected = plugin.inspected
  return {
    output = plugin.output and plugin.output:last_lines(LAST_LINES) or {},
    image = plugin.reference, image_id = image.Id,
    entrypoint = config.entrypoint or inner.Entrypoint, arguments = config.args or inner.Cmd,
    runtime = inspected and inspected.HostConfig and inspected.HostConfig.Runtime or config.runtime,
    container = plugin.container, kept = plugin.kept, exit = plugin.exit,
  }
end

local function quoted(list)
  local parts = {}
  for i, text in ipairs(list or {}) do parts[i] = ("%q"):format(text) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

---@param text string a line of a plugin's, which may hold anything
---@return string without control characters
local function printable(text)
  return (text:gsub("[%c\127]", function(byte) return byte == "\t" and byte or ("\\x%02x"):format(byte:byte()) end))
end

---The lines below the message, each `label: text`.
---@param found gantry.Diagnosis
---@return string[]
function diagnosis.lines(found)
  local lines = {}
  for _, one in ipairs(found.output) do lines[#lines + 1] = ("%s: %s"):format(one.stream, printable(one.line)) end
  if #found.output == 0 then lines[1] = "output: none" end
  if found.image then
    local id = found.image_id and (" (%s…)"):format(found.image_id:sub(1, 19)) or ""
    local command = quoted(found.entrypoint)
    if found.arguments and #found.arguments > 0 then command = command .. ", arguments " .. quoted(found.arguments) end
    lines[#lines + 1] = ("image:  %s%s, entrypoint %s, runtime %s"):format(found.image, id, command,
      found.runtime or "the engine's default")
  end
  if found.hint then lines[#lines + 1] = "hint:   " .. found.hint end
  if found.kept then
    lines[#lines + 1] = ("hint:   container %s is kept: `docker inspect %s`, then `docker rm -f %s`")
      :format(found.container:sub(1, 12), found.container:sub(1, 12), found.container:sub(1, 12))
  elseif #found.output > 0 or found.exit then
    lines[#lines + 1] = ("hint:   the last %d lines are shown; `gantry run --debug` keeps the container for inspection")
      :format(LAST_LINES)
  end
  return lines
end

return diagnosis
