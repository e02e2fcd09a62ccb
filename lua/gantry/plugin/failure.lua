-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/failure.lua: what a launch that failed is told with, where the mistake is one that many make at first: the
--- remedy stands in the error.

local errors = require "gantry.base.errors"
local exit = require "gantry.plugin.exit"
local program = require "gantry.plugin.program"
local units = require "gantry.base.units"

local failure = {}

-- Exit codes of an init, and of a runtime without one, that could not execute what it was to run.
local NOT_RUN <const>, OF_RUNTIMES <const> = { [126] = true, [127] = true }, { [1] = true, [126] = true, [127] = true,
  [255] = true }

-- What every go-plugin says that was given no cookie, or another one: it has no code for that.
local WITHOUT_COOKIE <const> = "not meant to be executed directly"
local LOOKED_AT <const> = 50 -- lines

---Whether the process ended as one does that was never the plugin's program.
---@param plugin gantry.Plugin
---@param err gantry.Error
---@return boolean
local function may_not_have_run(plugin, err)
  if err.code == "START_FAILED" then return true end
  if err.code ~= "EXITED_BEFORE_HANDSHAKE" or not plugin.exit then return false end
  if #plugin.output:last_lines(2) > 1 then return false end -- one line is an init's, a runtime's or a loader's
  return (plugin.has_init and NOT_RUN or OF_RUNTIMES)[plugin.exit.code] or false
end

---@param plugin gantry.Plugin
---@param err gantry.Error
---@return gantry.Error? err with the problem as its remedy
local function not_run(plugin, err)
  if not may_not_have_run(plugin, err) then return nil end
  local problem, unknown = program.problem(plugin)
  local by_init = unknown and plugin.has_init and err.code ~= "START_FAILED"
  if by_init then problem = "its entrypoint is no program that can be run in its image; correct it" end
  return problem and errors.new("START_FAILED", ("plugin '%s' was not started: %s"):format(plugin.name, problem),
    { status = err.status, cause = err, remedy = problem })
end

---@param plugin gantry.Plugin
---@return boolean
local function misses_cookie(plugin)
  for _, one in ipairs(plugin.output and plugin.output:last_lines(LOOKED_AT) or {}) do
    if one.line:find(WITHOUT_COOKIE, 1, true) then return true end
  end
  return false
end

---@param plugin gantry.Plugin
---@param err gantry.Error
---@return string? remedy
local function remedy_of(plugin, err)
  local config = plugin.config
  if plugin.exit and plugin.exit.cause == "oom" then
    if not config.memory then return "the machine, or the cgroup that it is in, has no memory left for it" end
    return ("its memory limit of %s is too small; raise memory in the policy"):format(
      units.format_bytes(config.memory))
  elseif err.code == "START_FAILED" and config.ulimits then
    return "the policy's ulimits hold for the runtime's own last steps too; raise them, or leave them out"
  elseif err.code ~= "EXITED_BEFORE_HANDSHAKE" or not misses_cookie(plugin) then
    return nil
  elseif not config.cookie then
    return "the policy gives it no magic cookie; set cookie = { KEY, VALUE }, as in its host's HandshakeConfig"
  end
  return ("it does not take the policy's magic cookie %s; set cookie to KEY and VALUE of its host's HandshakeConfig")
    :format(config.cookie.key)
end

---The error of a launch that failed, with what is known of the end and the remedy, which is a field of its own, too.
---@param plugin gantry.Plugin
---@param err gantry.Error
---@return gantry.Error
function failure.explain(plugin, err)
  if not plugin.container then return err end
  local found = not_run(plugin, err) or err
  local remedy = remedy_of(plugin, found)
  local message = found.message
  local fields = { status = found.status, cause = found.cause, remedy = found.remedy or remedy }
  if plugin.exit then message = ("%s (%s)"):format(message, exit.describe(plugin.exit)) end
  if remedy then message = ("%s: %s"):format(message, remedy) end
  return message == found.message and found or errors.new(found.code, message, fields)
end

return failure
