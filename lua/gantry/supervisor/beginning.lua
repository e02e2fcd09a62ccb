-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/beginning.lua: the first look at engine and policies. At the start of a machine the engine may come after
--- the supervisor: that is waited for; an engine that is there and is the wrong one ends it.

local LABEL = require("gantry.engine.container").LABEL
local blame = require "gantry.supervisor.blame"
local deaths = require "gantry.engine.deaths"
local handlers = require "gantry.task.handlers"
local ownership = require "gantry.place.ownership"
local retry = require "gantry.task.retry"
local task = require "gantry.task"

local beginning = {}

-- Seconds between two looks for an engine that is not there yet.
local FIRST_LOOK <const>, LONGEST_LOOK <const> = 0.2, 5
-- What says that an engine is not there, and not that it is the wrong one.
local AWAY <const> = { ENGINE_UNREACHABLE = true, ENGINE_CONNECTION_LOST = true, HTTP_CONNECT_FAILED = true,
  HTTP_FAILED = true, HTTP_TIMEOUT = true }
local SERVER_ERROR <const> = 500

---@param err gantry.Error
---@return boolean
local function is_away(err)
  return AWAY[err.code] or blame.of(err) == "engine" and (tonumber(err.status) or 0) >= SERVER_ERROR
end

---The engine found, and the policies read for the first time.
---@param supervisor gantry.Supervisor
---@return boolean? ok, gantry.Error? err
local function try(supervisor)
  if not supervisor.engine then
    local engine, err = supervisor.options.connect()
    if not engine then
      supervisor.unreachable = err
      return nil, err
    end
    supervisor.engine = engine
  end
  if not supervisor.deaths then
    supervisor:watch_files()
    supervisor.deaths = deaths.new(supervisor.engine, { [LABEL.owner] = ownership.owner() },
      function(...) supervisor:note_pause(...) end)
    supervisor.scope:spawn(supervisor.deaths.run, supervisor.deaths)
  end
  return supervisor:reload()
end

---Waits for an engine that is not there yet.
---@param supervisor gantry.Supervisor
---@return boolean? ok, gantry.Error? err
function beginning.run(supervisor)
  local again, reported = retry.new(FIRST_LOOK, LONGEST_LOOK), nil
  while true do
    local ok, err = try(supervisor)
    if ok or supervisor.ended:is_set() or not is_away(err) then return ok, err end
    if reported ~= err.message then supervisor:tell("engine", "waits for an engine: " .. err.message) end
    reported = err.message
    handlers.call(supervisor, "on_waiting of the supervisor", supervisor.options.on_waiting, err)
    task.first(function() supervisor.ended:wait() end, function() again:pause() end)
    if supervisor.ended:is_set() then return true end
  end
end

return beginning
