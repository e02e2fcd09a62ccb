-- SPDX-License-Identifier: Apache-2.0
--
--- calls.lua [ROUNDS]: calls of an embedding program, measured in one run and interleaved with a Go host's on grpc-go:
--- one after the other and 64 under way on one plugin, the messages of a stream, and 8 MB there and back, both on a
--- server on grpc-go. Prints times, processor times and ratios, medians of the rounds. Needs the programs of
--- tests/bench/build.sh, GANTRY_GRPC_SERVER (tests/core/build_grpc_server.sh) and the test images.

local core = require "gantry.core"
local files = require "lua.protobuf_files"
local gantry = require "gantry"
local json = require "gantry.json"
local median = require "bench.median"
local rpc = require "gantry.grpc.rpc"
local task = require "gantry.task"

local ROUNDS <const> = tonumber(arg[1]) or 9
local PEER <const> = (os.getenv("GANTRY_CACHE") or ".cache") .. "/bench/peer"
local SERVER <const> = assert(os.getenv "GANTRY_GRPC_SERVER", "GANTRY_GRPC_SERVER must name the program")
local UNDER_WAY <const> = 64
local LARGE <const> = 8 * 1000 * 1000

-- What is measured: kind, count, and what else the kind needs; the sum is told for each of `per`.
local CASES <const> = {
  { title = "one after the other", kind = "one", count = 1024, per = "call" },
  { title = "64 under way", kind = "many", count = 8192, more = UNDER_WAY, per = "call" },
  { title = "a stream, 16 bytes", kind = "stream", count = 50000, more = 16, per = "message" },
  { title = "a stream, 4 KiB", kind = "stream", count = 20000, more = 4096, per = "message" },
  { title = "8 MB there and back", kind = "large", count = 1, more = LARGE, per = "call" },
}

---@param command string[]
---@return table program :ask(line) gives the next line that it prints, :close()
local function program(command)
  local answers, held = task.queue(), ""
  command.input, command.output, command.error = "pipe", "pipe", "inherit"
  command.on_output = function(_, bytes)
    held = (held .. bytes):gsub("([^\n]*)\n", function(line) answers:put(line) return "" end)
  end
  command.on_exit = function() answers:close() end
  local process = assert(core.process.spawn(task.loop(), command))
  return setmetatable({
    ask = function(_, line)
      if line then assert(process:write(line .. "\n")) end
      return (assert(answers:take(), command[1] .. " has ended"))
    end,
  }, { __close = function() process:close() end })
end

---Gets the value so many times.
local function get(plugin, count)
  for _ = 1, count do assert(plugin:call("proto.KV/Get", { key = "greeting" }).value == "hello") end
end

---@param plugin gantry.Plugin
---@param server gantry.Rpc
---@return table<string, fun(count: integer, more: integer)>
local function own_calls(plugin, server)
  local Bytes = files.message { name = "Bytes", { "value", 1, "bytes" } }
  local function decode(bytes) return Bytes:decode(bytes) end
  return {
    one = function(count) get(plugin, count) end,
    many = function(count, under_way)
      local scope <close> = task.scope()
      for _ = 1, under_way do scope:spawn(get, plugin, count // under_way) end
      scope:wait()
    end,
    stream = function(count, size)
      local got, request = 0, assert(Bytes:encode { value = string.pack(">I4I4", count, size) })
      for _ in server:stream("/gantry.Test/Download", request, {}, { convert = decode }) do got = got + 1 end
      assert(got == count)
    end,
    large = function(_, size)
      local request = assert(Bytes:encode { value = ("\0"):rep(size) })
      assert(#decode(assert(server:unary("/gantry.Test/Echo", request))).value == size)
    end,
  }
end

---@param calls table<string, function>
local function measure_own(calls, case)
  local began, cpu = core.loop.clock(), os.clock()
  calls[case.kind](case.count, case.more)
  return { us = (core.loop.clock() - began) * 1e6, cpu_us = (os.clock() - cpu) * 1e6 }
end

local function measure_peer(peer, case)
  local first, second = case.count, case.more or 0
  if case.kind == "large" then first, second = case.more, 0 end
  return assert(json.decode(peer:ask(("%s %d %d"):format(case.kind, first, second))))
end

---@param case table
---@param found table<string, table[]>
local function show(case, found)
  local medians = {}
  for who, rounds in pairs(found) do
    local us, cpu = {}, {}
    for index, round in ipairs(rounds) do us[index], cpu[index] = round.us / case.count, round.cpu_us / case.count end
    medians[who] = { us = median(us), cpu = median(cpu) }
  end
  local ours, peer = medians.gantry, medians.peer
  print(("%-20s gantry %8.1f us a %s (cpu %8.1f)   grpc-go %8.1f us (cpu %8.1f)   ratio %.2f (cpu %.2f)"):format(
    case.title, ours.us, case.per, ours.cpu, peer.us, peer.cpu, ours.us / peer.us, ours.cpu / peer.cpu))
end

task.run(function()
  local folder = ("%s/gantry-bench-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
  assert(os.execute("mkdir -m 700 " .. folder))
  local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. folder) end })
  local server <close> = program { SERVER, folder .. "/socket" }
  server:ask()
  local plugin <close> = assert(gantry.launch { name = "bench", image = "gantry-demo-kv", disable_network = true,
    cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" } })
  assert(plugin:call("proto.KV/Put", { key = "greeting", value = "hello" }))
  local connection = assert(rpc.connect { socket = folder .. "/socket", timeout = 30 })
  local peer <close> = program { PEER, "-calls", plugin.address.string .. "," .. folder .. "/socket" }
  local calls = own_calls(plugin, connection)
  for _, case in ipairs(CASES) do
    local found = { gantry = {}, peer = {} }
    for round = 0, ROUNDS do
      local ours, theirs
      if round % 2 == 0 then ours = measure_own(calls, case) end
      theirs = measure_peer(peer, case)
      ours = ours or measure_own(calls, case)
      if round > 0 then -- the first warms up
        table.insert(found.gantry, ours)
        table.insert(found.peer, theirs)
      end
    end
    show(case, found)
  end
  connection:close()
end)
