-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/output.lua: a container's output, read of its own two pipes. Whoever comes after a gantry that was killed
--- first gets what its monitor has kept meanwhile. One process at a time has the pipes.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local layout = require "gantry.engine.oci.layout"
local making = require "gantry.engine.oci.making"
local monitors = require "gantry.engine.oci.monitors"
local records = require "gantry.engine.oci.records"
local signals = require "gantry.engine.oci.signals"
local task = require "gantry.task"

---@class gantry.OciClient
local Output = {}

local STREAMS <const> = { "stdout", "stderr" }
-- Seconds for a monitor to hand its container over.
local TIMEOUT <const> = 10

-- ---- of others ----

---@param directory string
---@return { stream: integer, bytes: string }[] kept
local function tail_of(directory)
  local text = layout.read(directory .. "/tail") or ""
  local first, second, position = text:match "^tail %d+ (%d+) %d+ (%d+)\n()"
  if not first then return {} end
  local output = text:sub(position, position + tonumber(first) - 1)
  local err = text:sub(position + tonumber(first), position + tonumber(first) + tonumber(second) - 1)
  return { { stream = 1, bytes = output }, { stream = 2, bytes = err } }
end

---The output of one that has ended, or is looked after by another gantry: no more than its end.
---@param self gantry.OciClient
---@param record gantry.OciRecord
---@param handlers gantry.OutputHandlers
---@return gantry.OutputStream
local function end_alone(self, record, handlers)
  local over = task.event()
  task.detach(function()
    task.first(function() over:wait() end, function() signals.await_end(self.layout, record) end)
    if not over:is_set() then handlers.on_end() end
  end)
  return { pause = function() end, resume = function() end, cancel = function() over:set() end }
end

---Takes a running container over.
---@param self gantry.OciClient
---@param record gantry.OciRecord
---@return gantry.OciOwned? owned nil, nil where another gantry has it
---@return gantry.Error? err
local function adopt(self, record)
  local directory = self.layout:container(record.id)
  local lock = core.files.lock(directory .. "/owner")
  if not lock then return nil end
  local monitor, err = monitors.connect(directory)
  local piped
  if monitor then piped, err = task.deadline(TIMEOUT, monitor.piped.wait, monitor.piped) end
  if piped then return { monitor = monitor, lock = lock, record = record } end
  if monitor then monitor:close() end
  lock:close()
  return nil, errors.new("ENGINE_ERROR", ("attach to container %s: its monitor does not hand it over: %s"):format(
    record.id:sub(1, 12), err.message), { cause = err })
end

---@param id string
---@param handlers gantry.OutputHandlers
---@return gantry.OutputStream? stream, gantry.Error? err
function Output:attach(id, handlers)
  local record, err = self:find(id)
  if not record then return nil, err end
  local owned = self.owned[record.id]
  if not owned and records.state(self.layout, record).running then
    owned, err = adopt(self, record)
    if err then return nil, err end
    self.owned[record.id] = owned
  end
  if owned and not owned.attached then
    owned.attached = true
    return owned.monitor:attach(handlers)
  end
  if not owned then
    for _, one in ipairs(tail_of(self.layout:container(record.id))) do
      if #one.bytes > 0 then handlers.on_output(STREAMS[one.stream], one.bytes) end
    end
  end
  return end_alone(self, record, handlers)
end

---@return nil, gantry.Error
local function stay()
  return nil, errors.new("ENGINE_UNSUPPORTED", "a container's pipes and its end are told to the process that looks "
    .. "after it")
end

Output.hand_over_output, Output.hand_over_input, Output.hand_over_exit = stay, stay, stay

---@param id string
function Output:let_go(id)
  local owned = self.owned[id]
  if owned then making.let_go(owned) end
  self.owned[id] = nil
end

---Lets go of all that this process looks after.
function Output:close()
  self.closed = true
  for _, owned in pairs(self.owned) do making.let_go(owned) end
  self.owned = {}
end

return { methods = Output }
