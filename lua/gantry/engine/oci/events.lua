-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/events.lua: what happens to containers, as their directories tell it: the runtime writes down whom it has
--- started, a monitor how that ended.

local container_cgroup = require "gantry.engine.oci.container_cgroup"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local layout = require "gantry.engine.oci.layout"
local records = require "gantry.engine.oci.records"
local task = require "gantry.task"

---@class gantry.OciClient
local Events = {}

---@class gantry.OciEventStream
---@field layout gantry.OciLayout
---@field which { labels: table<string, string>, kinds: table<string, true> }
---@field on_event fun(event: gantry.EngineEvent)
---@field inotify userdata
---@field watched table<integer, string> ids by the number of the watch
---@field seen table<string, { started: boolean?, ended: boolean? }> by id
---@field over gantry.Event
local Stream = {}
Stream.__index = Stream

---@param kind string
---@param record gantry.OciRecord
---@param at number
---@param exit_code integer?
function Stream:tell(kind, record, at, exit_code)
  if not self.which.kinds[kind] then return end
  for name, value in pairs(self.which.labels) do
    if record.labels[name] == nil or value ~= true and record.labels[name] ~= value then return end
  end
  self.on_event { kind = kind, id = record.id, labels = record.labels, at = at, exit_code = exit_code }
end

---Tells what is new of a container.
---@param id string
---@param quiet boolean? it is noted alone
function Stream:look(id, quiet)
  local record = records.read(self.layout, id)
  if not record then return end
  local seen = self.seen[id] or {}
  self.seen[id] = seen
  local directory = self.layout:container(id)
  local started = not seen.started and records.started(directory)
  if started then
    seen.started = true
    if not quiet then self:tell("start", record, started.at) end
  end
  local how = not seen.ended and records.how(self.layout, record)
  if not how then return end
  seen.ended = true
  if quiet or how.failed then return end
  if container_cgroup.happened(record) then self:tell("oom", record, how.at) end
  self:tell("die", record, how.at, how.code)
end

---@param id string
---@param quiet boolean?
function Stream:follow(id, quiet)
  local number = self.inotify:add(self.layout:container(id))
  if number then self.watched[number] = id end
  self:look(id, quiet)
end

---@param number integer
---@param name string?
function Stream:changed(number, name)
  if name == nil and (number == -1 or number == self.all) then return self.over:set() end
  if number == self.all then
    if layout.is_id(name) and core.system.stat(self.layout:container(name)) then self:follow(name) end
    return
  end
  local id = self.watched[number]
  if not id then return end
  if name == nil then
    self.watched[number], self.seen[id] = nil, nil
  elseif name == "exit" or name == "pid" then
    self:look(id)
  end
end

---@param which { labels: table<string, string>, kinds: string[] }
---@param handlers { on_open: fun(), on_event: fun(event: gantry.EngineEvent) }
---@return boolean? ended, gantry.Error? err
function Events:events(which, handlers)
  local ok, err = self.layout:make()
  if not ok then return nil, err end
  local kinds = {}
  for _, kind in ipairs(which.kinds) do kinds[kind] = true end
  local stream = setmetatable({ layout = self.layout, which = { labels = which.labels, kinds = kinds }, watched = {},
    on_event = handlers.on_event, seen = {}, over = task.event() }, Stream)
  local inotify <close>, unwatched = core.inotify.open(task.loop(), function(number, name)
    stream:changed(number, name)
  end)
  if not inotify then return nil, unwatched end
  stream.inotify = inotify
  stream.all, err = inotify:add(self.layout.path .. "/containers")
  if not stream.all then return nil, err end
  for _, id in ipairs(self.layout:ids()) do stream:follow(id, true) end
  handlers.on_open()
  stream.over:wait()
  return nil, errors.new("ENGINE_CONNECTION_LOST", ("%s/containers was taken away, or more happened there than could "
    .. "be told"):format(self.layout.path))
end

return { methods = Events }
