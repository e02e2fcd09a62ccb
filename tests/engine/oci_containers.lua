-- SPDX-License-Identifier: Apache-2.0
--
--- tests/engine/oci_containers.lua: the test plugin in containers of this machine's runtime, in a state directory of
--- its own: what specs of one container's life share. Methods are called in a task, but for new, connect and remove.

local container = require "gantry.engine.container"
local core = require "gantry.core"
local engines = require "gantry.engine"
local oci = require "engine.oci"
local support = require "engine.support"
local task = require "gantry.task"

local oci_containers = {}

-- Seconds for what happens on a busy machine.
local PATIENCE <const> = 30
local image

---@class gantry.TestContainers
---@field root string GANTRY_RUNTIME_DIR
---@field clients gantry.EngineClient[]
local Containers = {}
Containers.__index = Containers

---Why there can be none here.
---@return string? reason
function oci_containers.missing()
  local one, missing = engines.connect { url = "oci:" }
  if one then one:close() end
  return not one and tostring(missing) or nil
end

---@param root string? a folder that is there; one of its own where nil
---@return gantry.TestContainers
function oci_containers.new(root)
  local self = setmetatable({ root = root or support.temporary(), clients = {} }, Containers)
  image = image or oci.image(self:connect(), oci.kv "1.8")
  return self
end

---A client, which has none of the others' containers.
---@return gantry.EngineClient
function Containers:connect()
  local client = assert(engines.connect { url = "oci:", environment = { GANTRY_RUNTIME_DIR = self.root,
    PATH = os.getenv "PATH", HOME = self.root } })
  self.clients[#self.clients + 1] = client
  return client
end

---@param client gantry.EngineClient
---@param changes table? of the container's specification; network: "none" unless it says another
---@return string? id, gantry.Error? err, string name
function Containers:create(client, changes)
  local network = changes and changes.network or "none"
  local spec = container.spec({ args = { "-handshake", "stays" }, networks = { network } }, { image = image,
    directory = self.root, groups = {}, environment = {}, labels = {} })
  for name, value in pairs(changes or {}) do spec[name] = value end
  local name = "gantry-test-" .. core.system.random(4)
  local created, err = client:create(name, assert(client:request(spec)))
  return created and created.id, err, name
end

---@class gantry.Heard output by the names of its streams
---@field ended gantry.Event
---@field stream gantry.OutputStream

---@param client gantry.EngineClient
---@param id string
---@return gantry.Heard
function oci_containers.attach(client, id)
  local heard = { stdout = "", stderr = "", engine = "", ended = task.event() }
  heard.stream = assert(client:attach(id, { on_output = function(name, bytes) heard[name] = heard[name] .. bytes end,
    on_end = function(err) heard.ended:set(err or true) end }))
  return heard
end

---Starts the test plugin and waits until it has said its handshake.
---@param client gantry.EngineClient
---@param changes table?
---@return string id, gantry.Heard heard, integer pid
function Containers:start(client, changes)
  local id = assert(self:create(client, changes))
  local heard = oci_containers.attach(client, id)
  assert(client:start(id))
  support.eventually("the handshake", function() return heard.stdout == "stays\n" end)
  return id, heard, assert(client:inspect(id)).state.pid
end

---Waits until the output has ended.
---@param heard gantry.Heard
function oci_containers.ends(heard)
  return task.deadline(PATIENCE, heard.ended.wait, heard.ended)
end

---@param pid integer
---@return boolean
function oci_containers.lives(pid)
  return core.system.stat("/proc/" .. pid .. "/exe") ~= nil
end

---A program of a test's making.
---@param text string of a shell's script
---@return string path
function Containers:program(text)
  local path = support.write(self.root .. "/program", "#!/bin/sh\n" .. text)
  assert(os.execute("chmod +x " .. path))
  return path
end

---Removes all containers, and the folder. Nothing may be left of them.
function Containers:remove()
  task.run(function()
    local last = self:connect()
    for _, found in ipairs(last:list {}) do assert(last:remove(found.id)) end
  end)
  for _, client in ipairs(self.clients) do client:close() end
  for _, folder in ipairs { "containers", "names" } do
    assert(#support.entries(self.root .. "/.oci/" .. folder) == 0, "something is left in " .. folder)
  end
  support.remove(self.root)
end

return oci_containers
