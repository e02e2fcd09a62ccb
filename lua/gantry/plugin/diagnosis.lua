-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/diagnosis.lua: what a failed launch is told with: the last output, the image, the runtime and a hint.

local by_hand = require "gantry.plugin.by_hand"
local masking = require "gantry.plugin.masking"

local diagnosis = {}

local LAST_LINES <const> = 20

---@class gantry.Diagnosis
---@field output { stream: string, line: string }[] the last lines
---@field image string
---@field binary string? its path
---@field image_id string?
---@field image_size integer?
---@field entrypoint string[]?
---@field arguments string[]?
---@field runtime string?
---@field container string? its id
---@field kept boolean? whether the container is still there
---@field look string[]? of a kept one: lines for a shell that look at it, and that remove it
---@field working_dir string?
---@field user string?
---@field exit gantry.Exit?
---@field environment string[]? with debug: NAME=VALUE, values that may be secret masked unless debug = "env"
---@field by_hand string? with debug: the command that starts the container by hand
---@field hint string?

---@param plugin gantry.Plugin
---@param labels table<string, string> of its container
---@return { all: boolean, cookie: string?, masked: table<string, boolean> } whose values may be shown
local function shown(plugin, labels)
  local config = plugin.config
  return { all = config.debug == "env", cookie = config.cookie and config.cookie.key,
    masked = masking.names(labels) }
end

---@param plugin gantry.Plugin
---@return string[]? environment of the container, the image's included
local function environment_of(plugin)
  local container = plugin.inspected or plugin.spec
  if not plugin.config.debug or not container then return nil end
  local list, show = {}, shown(plugin, container.labels)
  for i, entry in ipairs(container.env) do
    list[i] = by_hand.is_public(entry:match("^[^=]*"), show) and entry or masking.entry(entry)
  end
  table.sort(list)
  return list
end

---@param plugin gantry.Plugin
---@return string?
local function command_of(plugin)
  local spec = plugin.spec
  if not plugin.config.debug or not spec then return nil end
  return by_hand.command(plugin.engine, spec, shown(plugin, spec.labels), plugin.directory_path)
end

---@param plugin gantry.Plugin
---@return string?
local function runtime_of(plugin)
  return plugin.inspected and plugin.inspected.runtime or plugin.config.runtime
end

---What can be told of a plugin, whether it runs or has ended.
---@param plugin gantry.Plugin
---@return gantry.Diagnosis
function diagnosis.of(plugin)
  local config, image = plugin.config, plugin.image or {}
  return {
    output = plugin.output and plugin.output:last_lines(LAST_LINES) or {},
    image = plugin.reference, image_id = image.id, binary = config.binary,
    entrypoint = config.entrypoint or image.entrypoint, arguments = config.args or image.command,
    runtime = runtime_of(plugin),
    container = plugin.container, kept = plugin.kept, exit = plugin.exit, image_size = image.size,
    look = plugin.kept and { plugin.engine:by_hand("inspect", plugin.container),
      plugin.engine:by_hand("remove", plugin.container) } or nil,
    working_dir = config.working_dir or image.working_dir, user = config.user or image.user,
    environment = environment_of(plugin), by_hand = command_of(plugin),
  }
end

---How a container that is kept for inspection is looked at, and removed.
---@param found gantry.Diagnosis of such a one
---@return string
function diagnosis.kept_text(found)
  local remove = found.look[2] and ("`%s` or "):format(found.look[2]) or ""
  return ("container %s is kept: `%s`, then %s`gantry gc --kept`"):format(found.container:sub(1, 12), found.look[1],
    remove)
end

local function quoted(list)
  local parts = {}
  for i, text in ipairs(list or {}) do parts[i] = ("%q"):format(text) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

---The lines below the message, each `label: text`. They hold what the plugin wrote as it wrote it: control characters
---are shown or not by whoever prints them.
---@param found gantry.Diagnosis
---@return string[]
function diagnosis.lines(found)
  local lines = {}
  for _, one in ipairs(found.output) do lines[#lines + 1] = ("%s: %s"):format(one.stream, one.line) end
  if #found.output == 0 then lines[1] = "output: none" end
  if found.image then
    local id = found.image_id and (" (%s…)"):format(found.image_id:sub(1, 19)) or ""
    local command = quoted(found.entrypoint)
    if found.arguments and #found.arguments > 0 then command = command .. ", arguments " .. quoted(found.arguments) end
    lines[#lines + 1] = ("image:  %s%s, entrypoint %s, runtime %s"):format(found.image, id, command,
      found.runtime or "the engine's default")
  end
  if found.binary then lines[#lines + 1] = "binary: " .. found.binary end
  for _, entry in ipairs(found.environment or {}) do
    lines[#lines + 1] = "env:    " .. entry:gsub("\n", "\\x0a") -- a certificate has several lines
  end
  if found.by_hand then lines[#lines + 1] = "by hand: " .. found.by_hand end
  if found.hint then lines[#lines + 1] = "hint:   " .. found.hint end
  if found.kept then
    lines[#lines + 1] = "hint:   " .. diagnosis.kept_text(found)
  elseif #found.output > 0 or found.exit then
    lines[#lines + 1] = ("hint:   the last %d lines are shown; `gantry run --debug` keeps the container for inspection")
      :format(LAST_LINES)
  end
  return lines
end

return diagnosis
