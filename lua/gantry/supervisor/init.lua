-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor: keeps the plugins of a directory of policies running. It owns the state directory's lock, one unit a
--- plugin, the queue of launches and the watch on the policies. It survives its own death: plugins run on, and the next
--- one takes them over. Nothing is printed: events and output go to whoever made it.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local deaths = require "gantry.engine.deaths"
local errors = require "gantry.errors"
local order = require "gantry.supervisor.order"
local ownership = require "gantry.ownership"
local pacing = require "gantry.supervisor.pacing"
local paths = require "gantry.supervisor.paths"
local policies = require "gantry.supervisor.policies"
local runtime_dir = require "gantry.runtime_dir"
local store = require "gantry.supervisor.store"
local takeover = require "gantry.supervisor.takeover"
local task = require "gantry.task"
local unit = require "gantry.supervisor.unit"

local supervisor = {}

-- Seconds from a change in the policies' folder until it is looked at: editors write in several steps.
local SETTLE <const> = 0.1
-- Plugins that are gone whose journals are kept.
local KEPT_PAST <const> = 20
-- Seconds until changed policies that could not be acted on are looked at again.
local RETRY <const> = 1

---@class gantry.SupervisorOptions
---@field directory string of the policies
---@field engine gantry.Engine
---@field state_dir string?
---@field runtime_dir string?
---@field on_event fun(event: table)? time, plugin, kind, text
---@field on_started fun()? the policies are read and the plugins on their way
---@field on_state fun(units: table<string, gantry.Unit>)? some unit's state changed
---@field on_output fun(plugin: string, stream: string, bytes: string)?
---@field fault_point string? for tests: "plugin:step", at which the process kills itself

---@class gantry.Supervisor
---@field units table<string, gantry.Unit>
---@field pacing gantry.Pacing
---@field store gantry.Store
local Supervisor = {}
Supervisor.__index = Supervisor

---@param path string
---@return string? directory, gantry.Error? err
local function directory_of(path)
  local status = core.system.stat(path)
  if status and status.type == "directory" then return core.system.real_path(path) end
  return nil, errors.new("POLICY_NOT_FOUND", ("%s: %s; name the directory of the policies"):format(path,
    status and "is no directory" or "no such directory"))
end

---Takes the lock; reads and starts nothing yet.
---@param options gantry.SupervisorOptions
---@return gantry.Supervisor?, gantry.Error?
function supervisor.new(options)
  local directory, err = directory_of(options.directory)
  if not directory then return nil, err end
  local root = options.runtime_dir or runtime_dir.path()
  local made, unsafe = core.socket_dir.root(root)
  if not made then return nil, unsafe end
  local state, busy = store.open(options.state_dir or paths.state())
  if not state then return nil, busy end
  return setmetatable({
    options = options, directory = directory, engine = options.engine, runtime_dir = core.system.real_path(root),
    store = state, units = {}, clock = core.loop.clock, pacing = pacing.new(core.loop.clock), subscribers = {},
    past = {},
    policies = policies.new(directory, { engine = options.engine }), any_change = task.event(), ended = task.event(),
  }, Supervisor)
end

-- ---- events ----

---@param one gantry.Unit?
---@param entry gantry.JournalEntry
function Supervisor:event(one, entry)
  local event = { time = entry.time, plugin = one and one.name, kind = entry.kind, text = entry.text,
    state = one and one.state }
  if self.options.on_event then self.options.on_event(event) end
  for subscriber in pairs(self.subscribers) do subscriber(event) end
end

---What is of no one plugin.
---@param kind string
---@param text string
function Supervisor:tell(kind, text)
  self:event(nil, { time = os.time(), kind = kind, text = text })
end

---@param subscriber fun(event: table)
---@return fun() stop
function Supervisor:subscribe(subscriber)
  self.subscribers[subscriber] = true
  return function() self.subscribers[subscriber] = nil end
end

function Supervisor:output(one, stream, bytes)
  one.output:feed(stream, bytes)
  if self.options.on_output then self.options.on_output(one.name, stream, bytes) end
end

---Called by a unit whose state changed: those who wait for one look again.
function Supervisor:state_changed()
  local changed = self.any_change
  self.any_change = task.event()
  changed:set()
  if self.options.on_state then self.options.on_state(self.units) end
end

---Waits until a condition holds, which can change only with some unit's state.
---@param condition fun(): any
---@return any
function Supervisor:await(condition)
  while true do
    local result = condition()
    if result then return result end
    self.any_change:wait()
  end
end

---For tests: the process dies here as by kill -9.
function Supervisor:fault_point(one, name)
  if self.options.fault_point ~= one.name .. ":" .. name then return end
  os.execute("kill -9 " .. core.system.pid())
end

-- ---- dependencies ----

---@param one gantry.Unit
---@return boolean
function Supervisor:dependencies_ready(one)
  for _, name in ipairs(one.config.after or {}) do
    local other = self.units[name]
    if not other or other.state ~= "ready" then return false end
  end
  return true
end

function Supervisor:await_dependencies(one)
  self:await(function() return self:dependencies_ready(one) end)
end

---@param one gantry.Unit
---@return gantry.Unit[] those that name it in `after`
function Supervisor:dependents_of(one)
  local list = {}
  for _, other in pairs(self.units) do
    for _, name in ipairs(other.config.after or {}) do
      if name == one.name then list[#list + 1] = other end
    end
  end
  return list
end

function Supervisor:restart_dependents(one)
  for _, other in ipairs(self:dependents_of(one)) do
    if other.plugin then other:restart_for("dependency_restarted", ("restart after %s"):format(one.name)) end
  end
end

function Supervisor:block_cycles()
  local after_of = {}
  for name, one in pairs(self.units) do after_of[name] = one.config.after or {} end
  local found = order.cycles(after_of)
  for name, one in pairs(self.units) do
    local reason = found[name] and ("dependency cycle: %s; take one `after` out"):format(found[name])
    if one.blocked ~= reason then
      one.blocked = reason
      if reason then one:note("policy", reason) end
      one:poke()
    end
  end
end

-- ---- policies ----

---Keeps the journal of a plugin that is gone: why it went is asked afterwards.
---@param one gantry.Unit
function Supervisor:keep_past(one)
  table.insert(self.past, { name = one.name, journal = one.journal })
  if #self.past > KEPT_PAST then table.remove(self.past, 1) end
end

---The journal of a plugin, also of one that is not supervised any more.
---@param name string
---@return gantry.Journal? journal, string? state
function Supervisor:journal_of(name)
  local one = self.units[name]
  if one then return one.journal, one.state end
  for i = #self.past, 1, -1 do
    if self.past[i].name == name then return self.past[i].journal, "removed" end
  end
end

---@param name string
---@param policy gantry.Policy
---@param containers table[]
function Supervisor:add(name, policy, containers)
  local saved, note = self.store:load(name)
  local one = unit.new(self, policy, saved)
  self.units[name] = one
  if note then one:note("warning", note) end
  self.scope:spawn(function()
    takeover.resume(one, saved ~= nil, containers)
    one:run()
    if one.forgotten then
      self.units[name] = nil
      self:keep_past(one)
    end
    self:state_changed()
  end)
end

---@param one gantry.Unit
---@param policy gantry.Policy
local function update(one, policy)
  if one.removed then
    one.removed = false
    one:poke()
  end
  if one.policy ~= policy then one:take_policy(policy) end
end

---@param broken table[]
function Supervisor:report_broken(broken)
  for _, one in ipairs(broken) do
    local held = one.name and self.units[one.name]
    for _, err in ipairs(one.errors) do
      local text = err.message .. (held and "; the last good one stays in force" or "")
      if held then held:note("policy", text) else self:tell("policy", text) end
    end
  end
end

---Reads the policies again and brings the units in line.
---@return boolean? ok, gantry.Error? err
function Supervisor:reload()
  -- Nothing waits between the look at the files and what is made of it: reloads may overlap.
  local containers, unreachable = takeover.list(self.engine, self.runtime_dir)
  if not containers then return nil, unreachable end
  local found, err = self.policies:scan()
  if not found then return nil, err end
  local names = {}
  for name in pairs(found.set) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local one = self.units[name]
    if one then update(one, found.set[name]) else self:add(name, found.set[name], containers[name] or {}) end
  end
  for name, one in pairs(self.units) do
    if not found.set[name] and not one.removed then one:remove() end
  end
  self:report_broken(found.broken)
  self:block_cycles()
  self:watch_folders()
  if self.first_scan then self:remove_orphans(found.set, containers) end
  return true
end

---Plugins that no policy speaks of any more: what runs of them is removed, unless a policy that cannot be read may be
---theirs.
function Supervisor:remove_orphans(set, containers)
  self.first_scan = false
  for name, list in pairs(containers) do
    local saved = not set[name] and self.store:load(name)
    local path = saved and saved.policy or ("%s/%s.lua"):format(self.directory, name)
    if not set[name] and self.policies:is_broken(path) then
      self:tell("warning", ("plugin '%s' is left as it is until its policy can be read"):format(name))
    elseif not set[name] then
      for _, container in ipairs(list) do self:remove_orphan(name, container) end
    end
  end
  for _, name in ipairs(self.store:names()) do
    if not set[name] and not containers[name] then self:forget(name) end
  end
end

function Supervisor:remove_orphan(name, container)
  if not takeover.remove(self.engine, container) then return end
  self.store:remove(name)
  self:tell("state", ("removed container %s of plugin '%s', which has no policy any more"):format(
    container.Id:sub(1, 12), name))
end

---A state whose policy's file is gone for good.
function Supervisor:forget(name)
  local saved = self.store:load(name)
  if saved and saved.policy and not core.system.stat(saved.policy) then self.store:remove(name) end
end

-- ---- changed files ----

function Supervisor:watch_folders()
  if not self.inotify then return end
  for _, folder in ipairs(self.policies:folders()) do
    local watch, err = self.inotify:add(folder)
    if not watch and not self.unwatched then
      self.unwatched = true
      self:tell("warning", err.message .. "; changed policies are seen by `gantry reload` alone")
    end
  end
end

---Reloads, again and again where that fails: a change in the files is told of only once.
function Supervisor:reload_at_last()
  local told
  while true do
    local ok, failure = self:reload()
    if ok then return end
    if told ~= failure.message then self:tell("warning", failure.message .. "; the policies are read again later") end
    told = failure.message
    task.sleep(RETRY)
  end
end

function Supervisor:watch_files()
  self.files_changed = task.event()
  local inotify, err = core.inotify.open(task.loop(), function() self.files_changed:set() end)
  if not inotify then
    return self:tell("warning", err.message .. "; changed policies are seen by `gantry reload` alone")
  end
  self.inotify = inotify
  self.scope:spawn(function()
    while true do
      self.files_changed:wait()
      task.sleep(SETTLE)
      self.files_changed = task.event()
      self:reload_at_last()
    end
  end)
end

-- ---- life ----

---Supervises until leave() or down() has ended it.
---@return boolean? ok, gantry.Error? err
function Supervisor:run()
  local scope <close> = task.scope()
  self.scope, self.first_scan = scope, true
  local _ <close> = setmetatable({}, { __close = function()
    if self.inotify then self.inotify:close() end
  end })
  self:watch_files()
  self.deaths = deaths.new(self.engine, { [LABEL.owner] = ownership.owner() })
  scope:spawn(self.deaths.run, self.deaths)
  local ok, err = self:reload()
  if not ok then return nil, err end
  if self.options.on_started then self.options.on_started() end
  self.ended:wait()
  return true
end

---Ends the supervisor and leaves the plugins running.
function Supervisor:leave()
  if not self.ended:is_set() then self.ended:set() end
end

---Stops one plugin, once those that need it are down, without a change in what is wanted of it.
---@param one gantry.Unit
function Supervisor:hold(one)
  for _, other in ipairs(self:dependents_of(one)) do
    if not one.blocked then other.down:wait() end
  end
  one.held = true
  one:poke()
  one.down:wait()
end

---Stops all plugins, those first that need others. The next supervisor starts them again.
---@return string[] names
function Supervisor:stop_all()
  local jobs, names = {}, {}
  for name, one in pairs(self.units) do
    names[#names + 1] = name
    jobs[#jobs + 1] = function() self:hold(one) end
  end
  task.all(table.unpack(jobs))
  table.sort(names)
  return names
end

---Gives back the state directory.
function Supervisor:close()
  self.store:close()
end

---@param name string
---@return gantry.Unit? one, gantry.Error? err with the nearest name
function Supervisor:find(name)
  local one = self.units[name]
  if one and not one.removed then return one end
  local names = {}
  for known in pairs(self.units) do names[#names + 1] = known end
  local near = require("gantry.nearest").find(name, names)
  return nil, errors.new("PLUGIN_UNKNOWN", ("no plugin '%s' is supervised%s"):format(name,
    near and ("; did you mean '%s'?"):format(near) or " (see gantry ps)"))
end

return supervisor
