-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/corpses.lua: containers of ended generations that the engine would not remove. They keep nobody down:
--- each generation has a name of its own. They are kept in the plugin's record, told of, and removed once that works.

local core = require "gantry.core"
local json = require "gantry.json"
local record_shape = require "gantry.supervisor.record_shape"
local removal = require "gantry.plugin.removal"
local retry = require "gantry.task.retry"
local state_dir = require "gantry.place.state_dir"

local corpses = {}

-- Seconds between two tries.
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 30, 600
-- Of one plugin: an engine that removes nothing is told of long before.
local MOST <const> = 64

---@class gantry.Corpse
---@field container string id or name
---@field reason string why it could not be removed
---@field since number seconds since 1970

---@param container string id or name
---@return string
local function shown(container)
  return #container == 64 and container:sub(1, 12) or container
end

---@param unit gantry.Unit
---@param corpse gantry.Corpse
---@return boolean gone
local function remove(unit, corpse)
  local gone, err = removal.remove(unit.supervisor.engine, corpse.container)
  if not gone then corpse.reason = err.message end
  return gone == true
end

---Tries all of them once.
---@param unit gantry.Unit
local function try_all(unit)
  for _, corpse in ipairs { table.unpack(unit.corpses) } do
    local adopted = unit.plugin and unit.plugin.container == corpse.container
    if adopted or remove(unit, corpse) then
      if not adopted then
        unit:note("state", ("container %s, which could not be removed before, is gone"):format(shown(corpse.container)))
      end
      for i, one in ipairs(unit.corpses) do
        if one == corpse then table.remove(unit.corpses, i) end
      end
      unit:save()
    end
  end
end

---Goes on trying beside all else, until none is left.
---@param unit gantry.Unit
function corpses.keep_trying(unit)
  if unit.tries_again or #unit.corpses == 0 then return end
  unit.tries_again = true
  unit.supervisor.scope:spawn(function()
    local again = retry.new(FIRST_RETRY, LONGEST_RETRY)
    while #unit.corpses > 0 do
      again:pause()
      try_all(unit)
    end
    unit.tries_again = false
  end)
end

---@param unit gantry.Unit
---@param container string id or name
---@param err gantry.Error
---@param runs boolean? it runs still: then nothing else is started before it is gone
function corpses.remember(unit, container, err, runs)
  for _, one in ipairs(unit.corpses) do
    if one.container == container then
      one.reason = err.message
      return
    end
  end
  table.insert(unit.corpses, { container = container, reason = err.message, since = os.time() })
  if #unit.corpses > MOST then table.remove(unit.corpses, 1) end
  unit:note("warning", ("container %s could not be removed (%s); it %s, and is tried again"):format(
    shown(container), err.message, runs and "runs on" or "keeps nobody down"))
  unit:save()
  corpses.keep_trying(unit)
end

---All that supervisors of this user's have on record.
---@param environment table<string, string>?
---@return { name: string, container: string, reason: string }[]
function corpses.recorded(environment)
  local list, folder = {}, state_dir.path(environment) .. "/up"
  for _, entry in ipairs(core.files.list(folder) or {}) do
    local written = entry:find "%.json$" and state_dir.read(folder .. "/" .. entry)
    local record = written and json.decode(written)
    if type(record) == "table" and not record_shape.wrong(record) then
      for _, one in ipairs(record.corpses or {}) do
        list[#list + 1] = { name = entry:sub(1, -6), container = one.container, reason = one.reason or "" }
      end
    end
  end
  table.sort(list, function(left, right) return left.container < right.container end)
  return list
end

---@param one { name: string, container: string, reason: string }
---@return string
function corpses.describe(one)
  return ("container %s of plugin '%s' could not be removed (%s)"):format(shown(one.container), one.name,
    one.reason)
end

return corpses
