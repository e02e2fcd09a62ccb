-- SPDX-License-Identifier: Apache-2.0
--
--- resident.lua: what the specs of `gantry exec` beside a `gantry up --serve-hosts` share: a place with a policy for
--- the key-value plugin, on one of several engines, and hosts that start it.

local container = require "gantry.engine.container"
local engines = require "gantry.engine"
local hosts = require "engine.hosts"
local oci = require "engine.oci"
local support = require "engine.support"
local supervision = require "engine.supervision"

local resident = {}

---How many containers wait.
resident.SIZE = 2

local IMAGE <const> = 'image = "gantry-test-kv:latest"'

---@class resident.Kind of an engine
---@field plugin fun(): string what a policy runs
---@field environment fun(world: resident.World): string[] by which all find the engine
---@field engine fun(world: resident.World): gantry.EngineClient
local KINDS <const> = {
  docker = {
    plugin = function() return IMAGE end,
    environment = function() return {} end,
    engine = function() return support.engine() end,
  },
  tls = {
    plugin = function() return IMAGE end,
    environment = function(world)
      local front, environment = hosts.behind_tls(world.place.root .. "/tls")
      world.front = front
      return environment
    end,
    engine = function() return support.engine() end,
  },
  oci = {
    plugin = function() return ("binary = %q"):format(oci.kv "1.8") end,
    environment = function() return { "GANTRY_ENGINE=oci:" } end,
    engine = function(world)
      world.own_engine = world.own_engine or assert(engines.connect { url = "oci:", environment = {
        GANTRY_RUNTIME_DIR = world.place.runtime_dir, PATH = os.getenv "PATH", HOME = world.place.root } })
      return world.own_engine
    end,
  },
}

---@class resident.World
---@field place supervision.Place
---@field policy string path of the one for the key-value plugin
local World = {}
World.__index = World

---Use inside a task, as all that follows.
---@param kind "docker"|"tls"|"oci"
---@return resident.World
function resident.world(kind)
  local place = supervision.place()
  local self = setmetatable({ place = place, how = KINDS[kind], policy = place.policies .. "/kv.lua" }, World)
  self.environment = self.how.environment(self)
  local options = place.options
  function place.options(...)
    local made = options(...)
    table.move(self.environment, 1, #self.environment, #made.environment + 1, made.environment)
    return made
  end
  return self
end

---Ends whatever still runs, and checks that nothing is left.
function World:close()
  local place = self.place
  if place:run("ps").code == 0 then place:run "down" end
  place:stop()
  os.remove(self:socket()) -- of one that was killed
  support.eventually("no process of " .. place.policies, function()
    return select(2, hosts.processes(place.policies)) == 0
  end, 180)
  support.eventually("no container", function() return #self:containers() == 0 end, 180)
  support.eventually("no directory", function() return #place:directories() == 0 end)
  if self.front then self.front:close() end
  place:close()
end

---@return string path of the socket at which hosts are served
function World:socket() return self.place.runtime_dir .. "/.hosts.sock" end

---@return gantry.EngineClient
function World:engine() return self.how.engine(self) end

---@return table[] of this place that have not been taken away
function World:containers()
  local list = {}
  for _, found in ipairs(assert(self:engine():list { [container.LABEL.plugin] = true })) do
    local directory = found.labels[container.LABEL.directory]
    if directory:sub(1, #self.place.runtime_dir) == self.place.runtime_dir then list[#list + 1] = found end
  end
  return list
end

---@param fields string? of the policy, after its usual ones
function World:write_policy(fields)
  hosts.policy(self.policy, ("%s, disable_network = true, warm = %d, %s"):format(self.how.plugin(), resident.SIZE,
    fields or ""))
end

function World:await_full()
  support.eventually("the pool is full", function()
    local found = self.place:plugin "kv"
    return found and found.warm and found.warm.waiting == resident.SIZE
  end, 120)
end

---@return support.Command
function World:up()
  local up = self.place:up(nil, { "--serve-hosts" })
  self:await_full()
  return up
end

---@param fields string? of the policy
---@return support.Command up
function World:serve(fields)
  self:write_policy(fields)
  return self:up()
end

---Starts a host, without waiting for its plugin.
---@param environment string[]?
---@param arguments string[]? of hold's own
---@param more string[]? of the plugin
---@param before string[]? a command that executes the host
---@return support.Command
function World:start(environment, arguments, more, before)
  local all = self.place:options()
  all.input = "pipe"
  table.move(environment or {}, 1, #(environment or {}), #all.environment + 1, all.environment)
  local given = { table.unpack(before or {}) }
  given[#given + 1] = assert(hosts.find "hold")
  table.move(arguments or {}, 1, #(arguments or {}), #given + 1, given)
  given[#given + 1] = self.policy
  table.move(more or {}, 1, #(more or {}), #given + 1, given)
  all.executable = table.remove(given, 1)
  return support.command(given, all)
end

---Starts a host that has its plugin; arguments as of World:start.
---@return support.Command
function World:hold(...)
  local host = self:start(...)
  host:await("stdout", "ready")
  return host
end

---Has a host close its plugin.
---@param host support.Command
function World.close_host(_, host)
  host.process:close_input()
  assert(host:wait().code == 0, host.stderr)
end

---@param name string? of the plugin
---@return integer how many hosts got a container that waited
function World:given(name)
  local _, count = self.place:run("why", name or "kv").stdout:gsub("for a host %(process", "")
  return count
end

---A host that has got a container which waited; arguments as of World:start.
---@return support.Command
function World:held(...)
  local before = self:given()
  local host = self:hold(...)
  assert(self:given() == before + 1, self.place:run("why", "kv").stdout)
  return host
end

---The plugin's own process: the gate's child.
---@return integer pid, string container
function World:plugin_process()
  for _, found in ipairs(self:containers()) do
    local inspected = self:engine():inspect(found.id) -- nil where it has gone meanwhile
    local pid = inspected and inspected.state.pid
    local file = pid and io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    local child = file and file:read "n"
    if file then file:close() end
    if child then return child, found.id end
  end
  error "no plugin runs"
end

---@return table<string, string>
function World:plugin_environment()
  local values = {}
  for name, value in support.read(("/proc/%d/environ"):format(self:plugin_process())):gmatch "([^=%z]+)=([^%z]*)" do
    values[name] = value
  end
  return values
end

---Nothing is left of hosts' plugins, and as many wait as are to.
function World:await_settled()
  support.eventually("no process of " .. self.policy, function()
    return select(2, hosts.processes(self.policy)) == 0
  end, 180)
  self:await_full()
  support.eventually("only those that wait are left", function()
    return #self:containers() == resident.SIZE and #self.place:directories() == resident.SIZE
      and #self.place:records() == resident.SIZE
  end, 120)
end

---@return string path of the program that asks in a face's place, and listens in a resident's
function World:asker()
  local program = self.place.root .. "/asker"
  assert(os.execute(("cc -o %s %s/tests/engine/resident_asker.c"):format(program, support.source)))
  return program
end

return resident
