-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor: keeps the plugins of a directory of policies running. It owns the state directory's lock, one unit a
--- plugin, the queue of launches and the watch on the policies. It survives its own death: plugins run on, and the next
--- one takes them over. Nothing is printed: events and output go to whoever made it.

local attach = require "gantry.plugin.attach"
local beginning = require "gantry.supervisor.beginning"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local file_watch = require "gantry.supervisor.file_watch"
local guard = require "gantry.supervisor.guard"
local handlers = require "gantry.task.handlers"
local journal = require "gantry.supervisor.journal"
local order = require "gantry.supervisor.order"
local pacing = require "gantry.supervisor.pacing"
local paths = require "gantry.supervisor.paths"
local policies = require "gantry.supervisor.policies"
local policyless = require "gantry.supervisor.policyless"
local printed = require "gantry.supervisor.printed"
local requests = require "gantry.supervisor.requests"
local runtime_dir = require "gantry.place.runtime_dir"
local store = require "gantry.supervisor.store"
local takeover = require "gantry.supervisor.takeover"
local task = require "gantry.task"
local unit = require "gantry.supervisor.unit"
local warm = require "gantry.supervisor.warm"

local supervisor = {}

-- Plugins that are gone whose journals are kept.
local KEPT_PAST <const> = 20
-- Seconds until changed policies that could not be acted on are looked at again.
local RETRY <const> = 1

---@class gantry.SupervisorOptions
---@field directory string of the policies
---@field engine gantry.EngineClient?
---@field connect (fun(): gantry.EngineClient?, gantry.Error?)? instead of `engine`: finds it, and it may come later
---@field on_waiting fun(err: gantry.Error)? the engine is not there yet, again and again
---@field state_dir string?
---@field runtime_dir string?
---@field policy_process string[]? the command of the process that evaluates policies, where gantry cannot find one
---@field on_event fun(event: gantry.SupervisorEvent)?
---@field on_started fun()? the policies are read and the plugins on their way
---@field on_state fun(units: table<string, gantry.Unit>)? some unit's state changed
---@field on_lines fun(plugin: string, stream: string, lines: string[])? of its output
---@field serve_hosts boolean? the plugins' containers wait for go-plugin hosts, and none is launched here
---@field fault_point string? for tests: "plugin:step", at which the process kills itself

---@class gantry.Supervisor
---@field units table<string, gantry.Unit>
---@field pacing gantry.Pacing
---@field store gantry.Store
local Supervisor = {}
Supervisor.__index = Supervisor

---The directory as it was named: links on the way may lead elsewhere tomorrow.
---@param path string
---@return string? directory absolute, gantry.Error? err
local function directory_of(path)
  local status = core.system.stat(path)
  if not status or status.type ~= "directory" then
    return nil, errors.new("POLICY_NOT_FOUND", ("%s: %s; name the directory of the policies"):format(path,
      status and "is no directory" or "no such directory"))
  end
  path = path:gsub("(.)/+$", "%1")
  if path:sub(1, 1) == "/" then return path end
  local here, err = core.system.current_directory()
  if not here or path == "." then return here, err end
  return (here == "/" and "" or here) .. "/" .. path:gsub("^%./+", "")
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
  local self = setmetatable({
    options = options, directory = directory, engine = options.engine, runtime_dir = core.system.real_path(root),
    store = state, units = {}, clock = core.loop.clock, pacing = pacing.new(core.loop.clock), subscribers = {},
    past = {}, printed = {}, journal = journal.new(), ended = task.event(), arrivals = {},
    unreachable = errors.new("ENGINE_UNREACHABLE", "the engine is only being looked for"),
  }, Supervisor)
  self.policies = policies.new(directory, { engine = function() return self.engine end,
    policy_process = options.policy_process, print = function(path, text) printed.take(self, path, text) end })
  return self
end

-- ---- events ----

---@param one gantry.Unit?
---@param entry gantry.JournalEntry
function Supervisor:event(one, entry)
  local event = { time = entry.time, plugin = one and one.name, kind = entry.kind, text = entry.text,
    state = one and one.state }
  local failures = {}
  local function give(taker)
    if not one then return handlers.call(self, "on_event of the supervisor", taker, event) end
    local ok, err = pcall(taker, event)
    if not ok then failures[#failures + 1] = errors.text(err):match "^[^\n]*" end
  end
  if self.options.on_event then give(self.options.on_event) end
  for subscriber in pairs(self.subscribers) do give(subscriber) end
  -- Not told as an event: whoever failed at this one would fail at that.
  for _, text in ipairs(failures) do one.journal:add("fault", "an event could not be told: " .. text) end
end

---What is of no one plugin.
---@param kind string
---@param text string
function Supervisor:tell(kind, text)
  self:event(nil, self.journal:add(kind, text))
end

---What happened since a time, as far as it is kept, also to plugins that are gone.
---@param since integer seconds since 1970
---@return gantry.SupervisorEvent[]
function Supervisor:events_since(since)
  local journals = { [self.journal] = false }
  for _, one in ipairs(self.past) do journals[one.journal] = one.name end
  for name, one in pairs(self.units) do journals[one.journal] = name end
  return journal.events(journals, since)
end

---@param subscriber fun(event: table)
---@return fun() stop
function Supervisor:subscribe(subscriber)
  self.subscribers[subscriber] = true
  return function() self.subscribers[subscriber] = nil end
end

---Takes lines of a plugin's output.
---@param one gantry.Unit
---@param stream "stdout"|"stderr"
---@param lines string[]
function Supervisor:take_lines(one, stream, lines)
  guard.call(one, one.log.add, one.log, stream, lines, one.restart.generation)
  if self.options.on_lines then guard.call(one, self.options.on_lines, one.name, stream, lines) end
end

---Called by a unit whose state changed.
function Supervisor:state_changed()
  handlers.call(self, "on_state of the supervisor", self.options.on_state, self.units)
end

---For tests: the process dies here as by kill -9.
function Supervisor:fault_point(one, name)
  if self.options.fault_point ~= one.name .. ":" .. name then return end
  os.execute("kill -9 " .. core.system.pid())
end

-- ---- dependencies ----

---@param one gantry.Unit
---@return string? name of a plugin that it needs and that is not ready
function Supervisor:missing_dependency(one)
  for _, name in ipairs(one.config.after or {}) do
    local other = self.units[name]
    if not other or other.state ~= "ready" then return name end
  end
end

---@param one gantry.Unit
---@return boolean
function Supervisor:dependencies_ready(one)
  return self:missing_dependency(one) == nil
end

---Waits for one plugin after the other: each wakes only those that need it.
---@param one gantry.Unit
function Supervisor:await_dependencies(one)
  while true do
    local name = self:missing_dependency(one)
    if not name then return end
    local other = self.units[name]
    self.arrivals[name] = self.arrivals[name] or task.event()
    local turned, changed = other and other.turned or self.arrivals[name], one.changed
    task.first(function() turned:wait() end, function() changed:wait() end)
  end
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
    local text = ("restart after %s"):format(one.name)
    requests.tell(other, "dependency_restarted", { text = text, kind = "dependency_restarted", reason = text })
  end
end

function Supervisor:block_cycles()
  local after_of = {}
  for name, one in pairs(self.units) do after_of[name] = one.config.after or {} end
  local found = order.cycles(after_of)
  for name, one in pairs(self.units) do
    local reason = found[name] and order.describe(found[name])
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
  one:note_site()
  self.scope:spawn(function()
    one:run(saved ~= nil, containers)
    self.units[name] = nil
    self:keep_past(one)
    self:state_changed()
  end)
  local arrival = self.arrivals[name]
  self.arrivals[name] = nil
  if arrival then arrival:set() end
end

---@param one gantry.Unit
---@param policy gantry.Policy
local function update(one, policy)
  if one.removed then requests.tell(one, "put_back", { text = "its policy is back", note = "policy" }) end
  if one.policy ~= policy then requests.take_policy(one, policy) else requests.tell(one, "reload") end
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

---Runs what must not meet a reload that is under way, nor another of its kind.
---@param fn function
function Supervisor:alone(fn)
  while self.reloading do self.reloading:wait() end
  local over = task.event()
  self.reloading = over
  local _ <close> = setmetatable({}, { __close = function()
    self.reloading = nil
    over:set()
  end })
  return fn()
end

---Reads the policies again and brings the units in line, one reload after the other.
---@return boolean? ok, gantry.Error? err
function Supervisor:reload()
  return self:alone(function() return self:read_policies() end)
end

---@return boolean? ok, gantry.Error? err
function Supervisor:read_policies()
  if not self.engine then return nil, self.unreachable end
  local containers, unreachable = takeover.list(self.engine, self.runtime_dir, self.store.directory)
  if not containers then return nil, unreachable end
  local found, err = self.policies:scan()
  if not found then return nil, err end
  -- Nothing waits from here on. Whoever waited until now may find the supervisor ended.
  if self.ended:is_set() then return nil, errors.new("ENDING", "gantry up is ending") end
  local names = {}
  for name in pairs(found.set) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local one = self.units[name]
    if one then update(one, found.set[name]) else self:add(name, found.set[name], containers[name] or {}) end
  end
  for name, one in pairs(self.units) do
    if not found.set[name] and not one.removed then
      requests.tell(one, "removed", { text = "its policy is gone: stopped", note = "policy" })
    end
  end
  printed.settle(self)
  self:report_broken(found.broken)
  self:block_cycles()
  self:watch_folders()
  if found.pending then self:read_again() end
  if self.first_scan then
    self.first_scan = false
    policyless.remove(self, found.set, containers)
  end
  return true
end

-- ---- changed files ----

---@param err gantry.Error
function Supervisor:tell_unwatched(err)
  self:tell("warning", err.message .. "; changed policies are seen by `gantry reload` alone")
end

function Supervisor:watch_folders()
  local failed = self.watch and self.watch:cover(self.policies:folders())
  if failed and not self.unwatched then
    self.unwatched = true
    self:tell_unwatched(failed)
  end
end

---Reloads, again and again where that fails: a change in the files is told of only once.
function Supervisor:reload_at_last()
  local reported
  while true do
    local ok, failure = self:reload()
    if ok then return end
    if reported ~= failure.message then
      self:tell("warning", failure.message .. "; the policies are read again later")
    end
    reported = failure.message
    task.sleep(RETRY)
  end
end

---Reads policies again that the engine was wanted for and did not answer.
function Supervisor:read_again()
  if self.reading_again then return end
  self.reading_again = true
  self.scope:spawn(function()
    task.sleep(RETRY)
    self.reading_again = false
    self:reload_at_last()
  end)
end

function Supervisor:watch_files()
  local watch, err = file_watch.open()
  if not watch then return self:tell_unwatched(err) end
  self.watch = watch
  self.scope:spawn(function()
    while true do
      watch:wait()
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
    if self.watch then self.watch:close() end
    if not self.ended:is_set() then self.ended:set() end
    for _, one in pairs(self.units) do requests.refuse(one, errors.new("ENDING", "gantry up is ending")) end
  end })
  local ok, err = beginning.run(self)
  if not ok and not self.ended:is_set() then return nil, err end
  handlers.call(self, "on_started of the supervisor", self.options.on_started)
  self.ended:wait()
  return true
end

---@param id string of a container
---@param paused boolean
function Supervisor:note_pause(id, paused)
  for _, one in pairs(self.units) do
    if one.plugin and one.plugin.container == id then
      one:note("state", paused and attach.paused(one.plugin.engine, id).message
        or "its container goes on, after a pause")
    end
  end
end

---Ends the supervisor and leaves the plugins running.
function Supervisor:leave()
  if not self.ended:is_set() then self.ended:set() end
end

---Stops one plugin, once those that need it are down or refuse to be, without a change in what is wanted of it.
---@param one gantry.Unit
---@return boolean? down, gantry.Error? err
function Supervisor:hold(one)
  for _, other in ipairs(self:dependents_of(one)) do
    if not one.blocked then other:await_down() end
  end
  one.held, one.trouble = true, nil
  one:poke()
  return one:await_down()
end

---Stops all plugins, those first that need others. The next supervisor starts them again.
---@return string[] names of those that are down
---@return gantry.Error? err of those that the engine did not let be stopped: they run on, and may be tried again
function Supervisor:stop_all()
  local jobs, names, refused = {}, {}, {}
  for name, one in pairs(self.units) do
    jobs[#jobs + 1] = function()
      local down, err = self:hold(one)
      table.insert(down and names or refused, down and name or err.message)
    end
  end
  task.all(table.unpack(jobs))
  table.sort(names)
  table.sort(refused)
  return names, #refused > 0 and errors.new("STOP_FAILED", table.concat(refused, "; ")) or nil
end

---Lets go of the plugins, which run on, gives back the state directory, and ends the process that evaluates policies.
function Supervisor:close()
  for _, one in pairs(self.units) do
    if one.plugin then one.plugin:let_go() end
    warm.let_go(one)
  end
  self.policies:close()
  self.store:close()
end

---@return string? reason why it has not begun with its plugins
function Supervisor:waits_for()
  return not self.engine and "it waits for an engine: " .. self.unreachable.message or nil
end

---@param name string
---@return gantry.Unit? one, gantry.Error? err with the nearest name
function Supervisor:find(name)
  local one = self.units[name]
  if one and not one.removed then return one end
  local reason = self:waits_for()
  if reason then return nil, errors.new(self.unreachable.code, "gantry up has started no plugin yet: " .. reason) end
  local names = {}
  for known in pairs(self.units) do names[#names + 1] = known end
  local near = require("gantry.base.nearest").find(name, names)
  return nil, errors.new("PLUGIN_UNKNOWN", ("no plugin '%s' is supervised%s"):format(name,
    near and ("; did you mean '%s'?"):format(near) or " (see gantry ps)"))
end

return supervisor
