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
---@field working_dir string?
---@field user string?
---@field exit gantry.Exit?
---@field environment string[]? with debug: NAME=VALUE, values that may be secret masked unless debug = "env"
---@field by_hand string? with debug: the command that starts the container by hand
---@field hint string?

---@param plugin gantry.Plugin
---@param container table the request, or what was inspected
---@return { all: boolean, cookie: string?, masked: table<string, boolean> } whose values may be shown
local function shown(plugin, container)
  local config = plugin.config
  return { all = config.debug == "env", cookie = config.cookie and config.cookie.key,
    masked = masking.names(container.Labels) }
end

---@param plugin gantry.Plugin
---@return string[]? environment of the container, the image's included
local function environment_of(plugin)
  local config = plugin.inspected and plugin.inspected.Config or plugin.request
  if not plugin.config.debug or not config then return nil end
  local list, show = {}, shown(plugin, config)
  for i, entry in ipairs(config.Env or {}) do
    list[i] = by_hand.is_public(entry:match("^[^=]*"), show) and entry or masking.entry(entry)
  end
  table.sort(list)
  return list
end

---@param plugin gantry.Plugin
---@return string?
local function command_of(plugin)
  if not plugin.config.debug or not plugin.request then return nil end
  local options = shown(plugin, plugin.request)
  options.kind, options.directory = plugin.engine.kind, plugin.directory_path
  options.seccomp = plugin.config.seccomp
  return by_hand.command(plugin.request, options)
end

---@param plugin gantry.Plugin
---@return string?
local function runtime_of(plugin)
  local engine, inspected = plugin.engine, plugin.inspected
  -- Podman calls every one "oci"; its service has one for all containers.
  if engine.kind == "podman" then return engine.known_info and engine.known_info.DefaultRuntime end
  return inspected and inspected.HostConfig and inspected.HostConfig.Runtime or plugin.config.runtime
end

---What can be told of a plugin, whether it runs or has ended.
---@param plugin gantry.Plugin
---@return gantry.Diagnosis
function diagnosis.of(plugin)
  local config, image = plugin.config, plugin.image or {}
  local inner = image.Config or {}
  return {
    output = plugin.output and plugin.output:last_lines(LAST_LINES) or {},
    image = plugin.reference, image_id = image.Id, binary = config.binary,
    entrypoint = config.entrypoint or inner.Entrypoint, arguments = config.args or inner.Cmd,
    runtime = runtime_of(plugin),
    container = plugin.container, kept = plugin.kept, exit = plugin.exit, image_size = image.Size,
    working_dir = config.working_dir or inner.WorkingDir, user = config.user or inner.User,
    environment = environment_of(plugin), by_hand = command_of(plugin),
  }
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
    local id = found.container:sub(1, 12)
    lines[#lines + 1] = ("hint:   container %s is kept: `docker inspect %s`, then `docker rm %s` or `gantry gc --kept`")
      :format(id, id, id)
  elseif #found.output > 0 or found.exit then
    lines[#lines + 1] = ("hint:   the last %d lines are shown; `gantry run --debug` keeps the container for inspection")
      :format(LAST_LINES)
  end
  return lines
end

return diagnosis
