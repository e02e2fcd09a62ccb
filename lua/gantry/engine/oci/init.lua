-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/init.lua: the engine without a daemon: an OCI runtime of this machine (crun, runc, runsc) is called by
--- gantry itself, a monitor stays with each container. All that is known of containers is in this user's own folder, so
--- that any gantry of the user finds it. What each method is to give is gantry.engine.interface's.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local images = require "gantry.engine.oci.images"
local layout = require "gantry.engine.oci.layout"
local runtimes = require "gantry.engine.oci.runtimes"

local oci = {}

---@class gantry.OciClient: gantry.EngineClient
---@field runtimes table<string, gantry.OciRuntime> that are here
---@field choice gantry.RuntimeReason of containers that name none
---@field places gantry.CgroupPlaces
---@field init { path: string, arguments: string[] }? the first process that reaps
local Oci = {}
Oci.__index = Oci
for _, part in ipairs { require "gantry.engine.oci.info", require "gantry.engine.oci.own_images",
  require "gantry.engine.oci.requests", require "gantry.engine.oci.containers", require "gantry.engine.oci.output",
  require "gantry.engine.oci.events", require "gantry.engine.oci.usage",
  require "gantry.engine.oci.findings", (require "gantry.engine.oci.files") } do
  for name, method in pairs(part.methods) do Oci[name] = method end
end

function Oci:__tostring()
  return ("engine oci  %s  %s"):format(self.choice.runtime.name, self.layout.path)
end

---@param places gantry.CgroupPlaces
---@param controller string
---@return boolean
local function can_limit(places, controller)
  for _, name in ipairs(places.parent and places.controllers or {}) do
    if name == controller then return true end
  end
  return false
end

---@param where gantry.Endpoint
---@param environment table<string, string>?
---@return gantry.OciClient? client, gantry.Error? err RUNTIME_MISSING
function oci.connect(where, environment)
  environment = environment or core.system.environment()
  local found = runtimes.find(environment)
  local choice, err = runtimes.choose(found, where.runtime)
  if not choice then return nil, err end
  local places = cgroups.find()
  return setmetatable({ kind = "oci", endpoint = where, layout = layout.of(environment), runtimes = found,
    choice = choice, places = places, store = images.of(environment), owned = {}, swept = {},
    server = choice.runtime.name,
    capabilities = { runtimes = true, init = false, pids = can_limit(places, "pids"), keeps_output = true,
      ends_with_owner = true, recursively_read_only = false },
    chosen = where.source == "default" and ("no daemon: %s runs the container (%s)"):format(choice.runtime.name,
      choice.reason) or nil }, Oci)
end

Oci.__close = Oci.close

return oci
