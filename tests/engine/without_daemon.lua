-- SPDX-License-Identifier: Apache-2.0
--
--- without_daemon.lua: the engine without a daemon, as the specs of all engines see it. It keeps containers in the
--- runtime directory of the gantry that made them, and these specs have many: what they ask for is looked for in all.

local core = require "gantry.core"
local gantry = require "gantry"
local engines = require "gantry.engine"

local without_daemon = {}

---Whether the specs run on it.
without_daemon.runs = (os.getenv "GANTRY_ENGINE" or ""):find "^oci:" ~= nil

local clients = {} -- by runtime directory

---The client of a runtime directory, whose containers are found from then on.
---@param runtime_dir string
---@return gantry.EngineClient
function without_daemon.at(runtime_dir)
  if runtime_dir == "" then return assert(gantry.engine()) end
  if not clients[runtime_dir] then
    local environment = core.system.environment()
    environment.GANTRY_RUNTIME_DIR = runtime_dir
    clients[runtime_dir] = assert(engines.connect { environment = environment })
  end
  return clients[runtime_dir]
end

---Has the containers be found of runtime directories that are this folder, or lie in it.
---@param folder string
function without_daemon.look(folder)
  for _, name in ipairs { "", table.unpack(core.files.list(folder) or {}) } do
    local path = name == "" and folder or folder .. "/" .. name
    if core.system.stat(path .. "/.oci") then without_daemon.at(path) end
  end
end

---Fails where a container is left in a folder that is about to be removed. Those whose gantry was killed last are being
---removed by their monitors.
---@param folder string
function without_daemon.assert_empty(folder)
  local left
  for _ = 1, 100 do
    local pipe <close> = assert(io.popen(("find %s -path '*/.oci/containers/*' -prune -print 2>&1"):format(folder)))
    left = pipe:read "a"
    if left == "" then return end
    for _, client in pairs(clients) do client:list {} end -- which takes away what was broken off
    os.execute "sleep 0.1"
  end
  error("a container is left: " .. left)
end

---The client that has a container: that of this process, or another one.
---@param id string
---@return gantry.EngineClient
local function owner(id)
  local own = assert(gantry.engine())
  for _, client in pairs(clients) do
    if not own:find(id) and client:find(id) then return client end
  end
  return own
end

-- Methods whose first argument is a container.
local OF_CONTAINERS <const> = { attach = true, start = true, wait = true, inspect = true, kill = true, remove = true,
  stats = true, read_file = true, read_head = true }

local Everywhere = {}

function Everywhere.list(_, labels, image)
  local found, seen = {}, {}
  local function add(client)
    for _, one in ipairs(client:list(labels, image)) do
      if not seen[one.id] then found[#found + 1] = one end
      seen[one.id] = true
    end
  end
  add(assert(gantry.engine()))
  for _, client in pairs(clients) do add(client) end
  return found
end

setmetatable(Everywhere, { __index = function(_, name)
  if OF_CONTAINERS[name] then
    return function(_, id, ...)
      local client = owner(id)
      return client[name](client, id, ...)
    end
  end
  local own = assert(gantry.engine())
  local value = own[name]
  if type(value) ~= "function" then return value end
  return function(_, ...) return value(own, ...) end
end })

---@return gantry.EngineClient of all runtime directories
function without_daemon.engine()
  return Everywhere
end

return without_daemon
