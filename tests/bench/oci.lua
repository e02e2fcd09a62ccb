-- SPDX-License-Identifier: Apache-2.0
--
--- oci.lua [COUNT [TOGETHER]]: containers without a daemon, measured in one run and interleaved: the plugin as a
--- process, the OCI runtime by hand with the very bundle that gantry gives it, gantry on that runtime, cold and from
--- containers that wait, `gantry exec` on it; and on the engine with a daemon gantry, its bare calls, and a Go host on
--- plugincontainer. No network each, and for the peer its default as well. Prints medians of the time until the plugin
--- is connected (gantry's: until its health has answered), processor time of the whole machine for a launch and its
--- removal, which tells on an idle one alone, TOGETHER launches at once, also out of so many that wait, and the memory
--- of one that waits: its gate's, and the engine's for it. Goals stand beside the figures. Run as root; crun,
--- which wants pure cgroup v2, is run where that is mounted. Needs the programs of tests/bench/build.sh and the test
--- images.

local core = require "gantry.core"
local json = require "gantry.json"
local median = require "bench.median"
local shell = require "gantry.base.shell"
local task = require "gantry.task"

local COUNT <const>, TOGETHER <const> = tonumber(arg[1]) or 20, tonumber(arg[2]) or 50
local CACHE <const> = os.getenv "GANTRY_CACHE" or ".cache"
local GANTRY <const> = assert(core.system.real_path(os.getenv "GANTRY" or "build/gantry"))
local IMAGE <const> = "gantry-demo-kv:latest"
local RUNTIMES <const> = { "crun", "runc" }
local TICK <const> = 10 -- milliseconds, of /proc/stat
local OWN_GOAL <const> = 14 -- milliseconds that `gantry exec` may add
local TOGETHER_GOAL <const> = 0.1 -- of the peer's time, for so many that wait
local MOST_OF_NATIVE <const>, MOST_MORE <const> = 1.5, 2 -- for a start in one that waits: of native, and milliseconds

---@param command string
---@return string output
local function sh(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "a"
  assert(pipe:close(), command .. ": " .. output)
  return output
end

-- Containers are where they usually are, in a file system that has no disk to wait for, as not every machine's /run.
local place = core.system.in_memory "/run" and "/run" or "/dev/shm"
local scratch, run = sh("mktemp -d"):match "%S+", sh(("mktemp -d -p %s gantry-bench-XXXXXX"):format(place)):match "%S+"
local environment = {}
for name, value in pairs(core.system.environment()) do environment[name] = value end
environment.GANTRY_IMAGE_DIR, environment.GANTRY_RUNTIME_DIR = scratch .. "/images", run
environment.GANTRY_STATE_DIR = scratch .. "/state"

---A launcher in a process of its own: one answer for each line that it is sent.
---@param name string
---@param words string[]
---@param runtime string?
---@return table
local function program(name, words, runtime)
  local answers, ended, held, quoted, list = task.queue(), task.event(), "", {}, {}
  for i, word in ipairs(words) do quoted[i] = shell.quote(word) end
  local command = "exec " .. table.concat(quoted, " ")
  local pure = runtime ~= "crun" or require("gantry.engine.oci.cgroups").version() == 2
  if not pure then
    command = "exec unshare -m sh -c " .. shell.quote("mount -t cgroup2 none /sys/fs/cgroup && " .. command)
  end
  for key, value in pairs(environment) do list[#list + 1] = key .. "=" .. value end
  local process = assert(core.process.spawn(task.loop(), { "sh", "-c", command, environment = list,
    input = "pipe", output = "pipe", error = "inherit",
    on_output = function(_, bytes)
      held = (held .. bytes):gsub("([^\n]*)\n", function(line) answers:put(line) return "" end)
    end,
    on_exit = function()
      answers:close()
      ended:set()
    end }))
  return { name = name, ready = {}, handshake = {}, processor = 0, close = function()
      process:close_input()
      ended:wait()
    end,
    ask = function(line)
      assert(process:write(line .. "\n"))
      return assert(json.decode((assert(answers:take(), name .. " has ended"))))
    end }
end

---@return number milliseconds of processor time that the machine has used so far
local function machine_time()
  local file <close> = assert(io.open "/proc/stat")
  local user, nice, system = file:read("l"):match "cpu +(%d+) (%d+) (%d+)"
  return (tonumber(user) + tonumber(nice) + tonumber(system)) * TICK
end

---@param path string
---@param text string
local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

---@param text string
---@return string pattern that finds exactly this text
local function literally(text) return (text:gsub("%p", "%%%0")) end

---The bundle that gantry gave its runtime, for a container of the same isolation by hand.
---@param gantry table launcher on that runtime
---@param runtime string
---@return string[] words of bare's
local function by_hand(gantry, runtime)
  local folder = ("%s/%s"):format(scratch, runtime)
  sh(("mkdir -p %s/sockets"):format(folder))
  local made = ("%s/.oci/containers/%s"):format(run, gantry.ask("keep").container)
  sh(("cp -r %s %s/bundle"):format(made, folder)) -- with the files beside it that it mounts
  gantry.ask "launch" -- ends what was kept
  local file <close> = assert(io.open(folder .. "/bundle/config.json"))
  local text = file:read("a"):gsub("\\/", "/")
  write(folder .. "/bundle/config.json", (text:gsub(literally(made), folder .. "/bundle")
    :gsub(literally(run) .. "/bench%-%d+", folder .. "/sockets")))
  local options = ("%s --root %s/state%s"):format(runtime, folder,
    runtime == "crun" and " --cgroup-manager=cgroupfs" or "")
  return { CACHE .. "/bench/bare", "-run", ("%s run --bundle %s/bundle bench"):format(options, folder),
    "-undo", ("%s kill bench KILL"):format(options), "-directory", folder .. "/sockets" }
end

---@return table[] launchers
local function launchers()
  sh(("mkdir -m 700 %s/native"):format(scratch))
  local list = { program("native", { CACHE .. "/bench/bare", "-run", CACHE .. "/kv/kv-1.8", "-directory",
    scratch .. "/native" }) }
  for _, runtime in ipairs(RUNTIMES) do
    if os.execute("command -v " .. runtime .. " >/dev/null") then
      local engine = "oci:" .. runtime
      sh(("docker save %s | GANTRY_IMAGE_DIR=%s/images %s image load --engine %s"):format(IMAGE, scratch, GANTRY,
        engine))
      local gantry = program("gantry, " .. runtime, { "lua5.4", "tests/bench/launcher.lua", engine, IMAGE }, runtime)
      list[#list + 1] = gantry
      list[#list + 1] = program("warm, " .. runtime, { "lua5.4", "tests/bench/launcher.lua", engine, IMAGE,
        "2" }, runtime)
      list[#list + 1] = program(runtime .. " run", by_hand(gantry, runtime), runtime)
      local policy = scratch .. "/plugin-" .. runtime
      write(policy, ("#!%s exec\nreturn { image = %q, disable_network = true }\n"):format(GANTRY, IMAGE))
      sh("chmod 755 " .. policy)
      list[#list + 1] = program("exec, " .. runtime, { "env", "GANTRY_ENGINE=" .. engine, CACHE .. "/bench/bare",
        "-run", policy }, runtime)
    else
      print(runtime .. " is not here: not measured")
    end
  end
  list[#list + 1] = program("gantry, daemon", { "lua5.4", "tests/bench/launcher.lua", "", IMAGE })
  list[#list + 1] = program("warm, daemon", { "lua5.4", "tests/bench/launcher.lua", "", IMAGE, "2" })
  for _, name in ipairs { "bare", "peer" } do
    list[#list + 1] = program(name, { CACHE .. "/bench/" .. name, "-image", IMAGE, "-network=false" })
  end
  list[#list + 1] = program("peer's default", { CACHE .. "/bench/peer", "-image", IMAGE })
  return list
end

---@param list table[]
local function measure(list)
  for _, one in ipairs(list) do one.ask "launch" end -- warms up: connections, files, the engine's caches
  for round = 1, COUNT do
    for turn = 1, #list do
      local one = list[(round + turn) % #list + 1]
      local before = machine_time()
      local answer = one.ask "launch"
      one.processor = one.processor + machine_time() - before
      table.insert(one.ready, answer.ready_ms)
      table.insert(one.handshake, answer.handshake_ms)
    end
  end
end

---What `gantry exec` adds to what its runtime takes by hand, until a host is connected and until nothing is left.
---@param exec table launcher
---@param hand table? launcher
---@return string
local function added(exec, hand)
  if not hand then return "" end
  return (", %.1f ms and %.1f ms of processor time more than by hand (goal %d each)"):format(
    median(exec.ready) - median(hand.ready), (exec.processor - hand.processor) / COUNT, OWN_GOAL)
end

---@param list table[]
local function report(list)
  local by_name, launcher = {}, {}
  for _, one in ipairs(list) do by_name[one.name], launcher[one.name] = median(one.ready), one end
  print(("%d launches each, interleaved, no network; medians"):format(COUNT))
  for _, one in ipairs(list) do
    local hand = by_name[(one.name:match "^gantry, (.+)$" or "") .. " run"]
    local goal = one.name:find "^warm" and (", goal %.1f ms and 0.1 of the peer"):format(
      MOST_OF_NATIVE * by_name.native + MOST_MORE) or ""
    local runtime = one.name:match "^exec, (.+)$"
    if runtime then goal = added(one, launcher[runtime .. " run"]) end
    print(("  %-15s ready %7.1f ms  (%5.2f of native, %.3f of the peer, %.3f of its default%s)  processor %6.1f ms%s%s")
      :format(one.name, by_name[one.name], by_name[one.name] / by_name.native, by_name[one.name] / by_name.peer,
        by_name[one.name] / by_name["peer's default"],
        hand and (", %.2f of by hand + 5 ms"):format(by_name[one.name] / (1.15 * hand + 5)) or "",
        one.processor / COUNT, #one.handshake > 0 and (", handshake %.1f ms"):format(median(one.handshake)) or "",
        goal))
  end
end

---@param list table[]
---@return number milliseconds of the peer
local function report_together(list)
  local peer = json.decode(sh(("%s/bench/peer -image %s -network=false -at-once %d"):format(CACHE, IMAGE, TOGETHER)))
  for _, one in ipairs(list) do
    if one.name:find "^gantry" then
      local all = one.ask("at-once " .. TOGETHER).all_ms
      print(("  %d at once, %s: all ready after %.0f ms (%.3f of the peer's %.0f)"):format(TOGETHER, one.name, all,
        all / peer.all_ms, peer.all_ms))
    end
  end
  return peer.all_ms
end

---@param process integer|string
---@return string command, string parent, string shared KiB of memory, what others have of it shared out, string own
local function memory_of(process)
  local status = sh(("cat /proc/%s/comm /proc/%s/status"):format(process, process))
  local memory = sh(("cat /proc/%s/smaps_rollup"):format(process))
  return status:match "%S+", status:match "PPid:%s*(%d+)", memory:match "Pss: +(%d+)", memory:match "Pss_Anon: +(%d+)"
end

---So many at once out of so many that wait, and what each of these takes while it does.
---@param list table[]
---@param peer number milliseconds
local function report_waiting(list, peer)
  for _, one in ipairs(list) do
    local engine = one.name:match "^gantry, (.+)$"
    if engine then
      local words = { "lua5.4", "tests/bench/launcher.lua", engine == "daemon" and "" or "oci:" .. engine, IMAGE,
        tostring(TOGETHER) }
      local waiting = program("waiting, " .. engine, words, engine)
      local gate = waiting.ask("waiting").processes[1]
      local _, parent, shared, own = memory_of(math.tointeger(gate))
      local name, _, of_parent = memory_of(parent)
      print(("  one of %d that wait, %s: its gate has %s KiB (%s of its own), %s %s KiB (PSS)"):format(TOGETHER, engine,
        shared, own, name, of_parent))
      local all = waiting.ask("at-once " .. TOGETHER).all_ms
      print(("  %d at once out of as many that wait, %s: all ready after %.0f ms (%.3f of the peer's %.0f, goal %.1f)")
        :format(TOGETHER, engine, all, all / peer, peer, TOGETHER_GOAL))
      waiting.close()
    end
  end
end

task.run(function()
  local list = launchers()
  measure(list)
  report(list)
  report_waiting(list, report_together(list))
  for _, one in ipairs(list) do one.close() end
end)
os.execute(("rm -rf %s %s"):format(scratch, run))
