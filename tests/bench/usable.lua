-- SPDX-License-Identifier: Apache-2.0
--
--- usable.lua [ROUNDS]: from `kill -9` of a plugin under `gantry up` until a call to its stable address is answered,
--- measured in one run and interleaved: with nothing made ahead, with containers that wait, and with another one that
--- stands by, on Docker and on each OCI runtime that is here. No network each. Prints medians beside their goals. Needs
--- GANTRY, the test images and the plugin of tests/plugins/build.sh; to be run as root.

local core = require "gantry.core"
local median = require "bench.median"
local rpc = require "gantry.grpc.rpc"
local supervised = require "bench.supervised"
local task = require "gantry.task"
local types = require "gantry.base.types"

local ROUNDS <const> = tonumber(arg[1]) or 20
-- Seconds of rest before each kill: nothing is made or taken away, and no floor of gantry's delays the next start.
local REST <const> = 1.2
-- Seconds: between two looks; for an answer; for a plugin that is to be there.
local LOOK <const>, ANSWER <const>, TIMEOUT <const> = 0.0003, 1, 60
local BINARY <const> = supervised.cache .. "../kv/kv-1.8"

local POOL <const> = types.optional(types.object { size = types.integer {}, waiting = types.integer {} })
local INSPECTED <const> = types.object { state = types.text(), warm = POOL, standby = POOL }

local killer <close> = assert(io.popen("sh", "w")) -- a process would begin too late

---@type { name: string, policy: string, goal: number? }[] goal: milliseconds
local WAYS <const> = {
  { name = "nothing ahead", policy = "" },
  { name = "warm = 2", policy = "warm = 2, ", goal = 15 },
  { name = "standby = true", policy = "standby = true, ", goal = 5 },
}

---@return { name: string, engine: string?, what: string }[]
local function engines()
  local list = { { name = "docker", what = 'image = "gantry-demo-kv"' } }
  for _, runtime in ipairs { "crun", "runc" } do
    if runtime == "crun" and require("gantry.engine.oci.cgroups").version() ~= 2 then
      print "crun wants pure cgroup v2: not measured"
    elseif os.execute("command -v " .. runtime .. " >/dev/null") then
      list[#list + 1] = { name = "oci:" .. runtime, engine = "oci:" .. runtime,
        what = ("binary = %q"):format(core.system.real_path(BINARY)) }
    end
  end
  return list
end

---@class bench.Supervised
---@field name string
---@field goal number?
---@field up bench.Up
---@field address string
---@field took number[] milliseconds

---Whether all is there that its policy has made ahead.
---@param one bench.Supervised
---@return boolean
local function is_full(one)
  local found = one.up.control:call("GET", "/v1/plugins/p001", INSPECTED)
  if not found or found.state ~= "ready" then return false end
  for _, pool in ipairs { found.warm or {}, found.standby or {} } do
    if (pool.waiting or 0) < (pool.size or 0) then return false end
  end
  return true
end

---Who listens is looked at first: a call that cannot be answered yet would take the processor from what is measured.
---@param one bench.Supervised
---@param killed integer the process that is not meant
---@return boolean
local function answers_call(one, killed)
  local socket = core.system.real_path(one.address)
  local listener = socket and core.system.dial(socket)
  if not listener or listener == killed then return false end
  local connection = rpc.connect { socket = socket, timeout = ANSWER }
  if not connection then return false end
  local healthy = connection:health(ANSWER)
  connection:close()
  return healthy == true
end

---@param one bench.Supervised
---@return number milliseconds
local function crash(one)
  while not is_full(one) do task.sleep(0.05) end
  task.sleep(REST)
  local process = assert(core.system.dial(core.system.real_path(one.address)))
  local killed = core.loop.clock()
  killer:write(("kill -9 %d\n"):format(process))
  killer:flush()
  while not answers_call(one, process) do task.sleep(LOOK) end
  return (core.loop.clock() - killed) * 1000
end

---@param list bench.Supervised[]
local function measure(list)
  for round = 0, ROUNDS do -- the first warms up: what runs then was made before anything waited
    for turn = 1, #list do
      local one = list[(round + turn) % #list + 1]
      local took = assert(task.deadline(TIMEOUT, crash, one))
      if round > 0 then table.insert(one.took, took) end
    end
  end
end

supervised.run(function()
  local list = {}
  local _ <close> = setmetatable({}, { __close = function()
    for _, one in ipairs(list) do one.up:close() end
  end })
  for _, engine in ipairs(engines()) do
    for _, way in ipairs(WAYS) do
      local up = supervised.up(1, { engine = engine.engine,
        policy = way.policy .. engine.what .. ", disable_network = true" })
      list[#list + 1] = { name = ("%-9s %s"):format(engine.name, way.name), goal = way.goal, up = up, took = {},
        address = up.folder .. "/run/p001.sock" }
    end
  end
  measure(list)
  print(("kill -9 to an answered call, medians of %d"):format(ROUNDS))
  for _, one in ipairs(list) do
    local middle = median(one.took) -- sorts
    print(("  %-26s %7.1f ms  (least %.1f, most %.1f)%s"):format(one.name, middle, one.took[1],
      one.took[#one.took], one.goal and (", goal %d"):format(one.goal) or ""))
  end
end)
