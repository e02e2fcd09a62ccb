-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/gate_input.lua: a gate that is asked over its container's standard input, where a runtime lets no socket
--- through. It answers nothing there: what became of the plugin is read as of one that a container begins with.

local core = require "gantry.core"
local task = require "gantry.task"

local gate_input = {}

-- By engine and runtime: what a first container of theirs has shown.
local needed <const> = setmetatable({}, { __mode = "k" })

---@param plugin gantry.Plugin
---@return boolean whether a container like its own is to be asked over its input
function gate_input.is_needed(plugin)
  local of_engine = needed[plugin.engine] or {}
  return of_engine[plugin.config.runtime or ""] == true
end

---A container of its engine and runtime let no socket through.
---@param plugin gantry.Plugin
function gate_input.learn(plugin)
  needed[plugin.engine] = needed[plugin.engine] or {}
  needed[plugin.engine][plugin.config.runtime or ""] = true
end

---Writes all of it, as the other end takes it.
---@param descriptor integer
---@param bytes string
---@return boolean? ok, gantry.Error? err
local function write(descriptor, bytes)
  return task.await(function(resume)
    local from, watch = 1, nil
    watch = task.loop():watch(descriptor, "w", function()
      local taken, err = core.system.write(descriptor, bytes, from)
      from = from + (taken or 0)
      if taken and from <= #bytes then return end
      watch:close()
      resume(taken and true, err)
    end)
    return function() watch:close() end
  end)
end

---@param plugin gantry.Plugin
---@param request table of gantry.core.gate
---@return { close: fun() }? handle with which the input ends, gantry.Error? err
function gate_input.ask(plugin, request)
  local bytes, err = core.gate.request(request)
  if not bytes then return nil, err end
  local descriptor, refused = plugin.engine:hand_over_input(plugin.container)
  if not descriptor then return nil, refused end
  local ok, unwritten = write(descriptor, bytes)
  if not ok then
    core.system.close(descriptor)
    return nil, unwritten
  end
  return { close = function() core.system.close(descriptor) end }
end

return gate_input
