-- SPDX-License-Identifier: Apache-2.0
--
--- up.lua [COUNT]: so many plugins begun at the same time on the bridge network, in one run: `gantry up` over a
--- directory of policies, and a Go host on plugincontainer. Then the supervisor at rest: its memory and processor
--- time. Then one plugin dies again and again, and all at the same instant. Needs GANTRY, the programs of
--- tests/bench/build.sh and the test images.

local client = require "gantry.control.client"
local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local task = require "gantry.task"

local COUNT <const> = tonumber(arg[1]) or 50
local CACHE <const> = (os.getenv("GANTRY_CACHE") or ".cache") .. "/bench/"
local EXECUTABLE <const> = assert(os.getenv "GANTRY", "GANTRY must name the executable")
local IMAGE <const> = "gantry-demo-kv:latest"
local POLICY <const> = [[
return { image = "gantry-demo-kv", cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  restart = function() return "restart", { after = 0 } end }
]]
local REST <const> = 10 -- seconds of doing nothing
local ROUNDS <const> = 10

---@param path string
---@param pattern string
---@return string?
local function field_of(path, pattern)
  local file <close> = assert(io.open(path))
  return file:read("a"):match(pattern)
end

---@param pid integer
---@return number milliseconds of processor time so far
local function cpu_ms(pid)
  local user, system = field_of(("/proc/%d/stat"):format(pid), "%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) * 10
end

---@param folder string
---@return table up process, ready (times), held
local function start_up(folder)
  local up = { ready = {}, deaths = {}, began = core.loop.clock(), changed = task.event() }
  local environment = { "GANTRY_RUNTIME_DIR=" .. folder .. "/run", "GANTRY_STATE_DIR=" .. folder .. "/state" }
  for name, value in pairs(core.system.environment()) do
    if not name:find "^GANTRY_" then environment[#environment + 1] = name .. "=" .. value end
  end
  local lines = core.lines.new(1024 * 1024)
  up.process = assert(core.process.spawn(task.loop(), {
    EXECUTABLE, "up", "--log-format", "json", folder .. "/policies", environment = environment, input = "null",
    output = "inherit", error = "pipe",
    on_output = function(_, bytes)
      lines:feed(bytes, function(line)
        local event = json.decode(line)
        if event and event.kind == "ready" then up.ready[#up.ready + 1] = core.loop.clock() end
        if event and event.kind == "exit" then up.deaths[#up.deaths + 1] = core.loop.clock() end
      end)
      local changed = up.changed
      up.changed = task.event()
      changed:set()
    end,
    on_exit = function() end,
  }))
  return up
end

---@param up table
---@param count integer
local function await_ready(up, count)
  while #up.ready < count do up.changed:wait() end
end

---@param folder string
local function make_policies(folder)
  assert(core.files.make_directory(folder .. "/policies"))
  assert(core.files.make_directory(folder .. "/run"))
  for i = 1, COUNT do assert(core.files.replace(("%s/policies/p%03d.lua"):format(folder, i), POLICY)) end
end

---@return table figures all_ms, median_ms, cpu_ms
local function peer()
  local text, ended = "", task.event()
  local process = assert(core.process.spawn(task.loop(), {
    CACHE .. "peer", "-image", IMAGE, "-at-once", tostring(COUNT), input = "null", output = "pipe", error = "inherit",
    on_output = function(_, bytes) text = text .. bytes end, on_exit = function() ended:set() end,
  }))
  ended:wait()
  process:close()
  return assert(json.decode(text))
end

---@param up table
local function at_rest(up)
  local pid = up.process:pid()
  task.sleep(2)
  local before = cpu_ms(pid)
  task.sleep(REST)
  local anonymous = tonumber(field_of(("/proc/%d/status"):format(pid), "RssAnon:%s+(%d+)"))
  local resident = tonumber(field_of(("/proc/%d/status"):format(pid), "VmRSS:%s+(%d+)"))
  print(("at rest with %d plugins: %d KiB of its own (%d KiB resident), %d ms of processor time in %d s"):format(COUNT,
    anonymous, resident, cpu_ms(pid) - before, REST))
end

---@param values number[]
---@return number
local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

---Kills one plugin again and again: how long until its death is noticed, and until it is ready again.
---@param control gantry.ControlClient
---@param up table
local function one_dies(control, up)
  local engine, noticed, again = assert(gantry.engine()), {}, {}
  for round = 1, ROUNDS do
    local one = assert(control:call("GET", "/v1/plugins/p001"))
    up.ready, up.deaths = {}, {}
    task.sleep(1.2) -- ready for a second: no floor delays the next start
    local began = core.loop.clock()
    assert(engine:kill(one.container, "KILL"))
    await_ready(up, 1)
    noticed[round], again[round] = (up.deaths[1] - began) * 1000, (up.ready[1] - up.deaths[1]) * 1000
  end
  print(("one killed, %d times: noticed after %.0f ms, ready again %.0f ms later (medians)"):format(ROUNDS,
    median(noticed), median(again)))
end

---@param control gantry.ControlClient
---@param up table
local function all_die(control, up)
  local containers = {}
  local listed = assert(control:call("GET", "/v1/plugins")).plugins
  for i, one in ipairs(listed) do containers[i] = one.container end
  up.ready, up.deaths = {}, {}
  local began, jobs = core.loop.clock(), {}
  local engine = assert(gantry.engine())
  for i, id in ipairs(containers) do jobs[i] = function() assert(engine:kill(id, "KILL")) end end
  task.all(table.unpack(jobs))
  await_ready(up, COUNT)
  print(("all %d killed at once: last death noticed after %.0f ms, all ready again after %.0f ms"):format(COUNT,
    (up.deaths[COUNT] - began) * 1000, (up.ready[COUNT] - began) * 1000))
end

local function main()
  local folder = ("%s/gantry-bench-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
  make_policies(folder)
  local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. folder) end })
  local theirs = peer()
  local up = start_up(folder)
  await_ready(up, COUNT)
  local all, half = (up.ready[COUNT] - up.began) * 1000, (up.ready[COUNT // 2 + 1] - up.began) * 1000
  local cpu = cpu_ms(up.process:pid())
  print(("%d at once     all ready   half ready   its own processor time"):format(COUNT))
  print(("peer        %8.0f ms  %8.0f ms  %8.0f ms"):format(theirs.all_ms, theirs.median_ms, theirs.cpu_ms))
  print(("gantry up   %8.0f ms  %8.0f ms  %8.0f ms"):format(all, half, cpu))
  print(("ratio       %8.2f     %8.2f     %8.2f"):format(all / theirs.all_ms, half / theirs.median_ms,
    cpu / theirs.cpu_ms))
  at_rest(up)
  local control = assert(client.open(folder .. "/run/.control.sock"))
  one_dies(control, up)
  all_die(control, up)
  assert(control:call("POST", "/v1/down"))
  control:close()
end

task.run(main)
