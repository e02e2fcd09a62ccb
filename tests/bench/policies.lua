-- SPDX-License-Identifier: Apache-2.0
--
--- policies.lua: what it takes to check and to test a repository of 30 policies on 5 bases, with a site policy and 60
--- tests, as the command does it. Prints the medians of five runs.

local core = require "gantry.core"

local BASES <const>, POLICIES <const>, TESTS <const>, RUNS <const> = 5, 30, 2, 5
local gantry = assert(os.getenv "GANTRY", "GANTRY must name the executable")
local folder = ("%s/gantry-bench-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))

---@param name string
---@param text string
local function write(name, text)
  local file <close> = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
end

local function write_all()
  write("site.lua", "return function(config) config.memory = math.min(config.memory, 1 << 30) return config end\n")
  for i = 1, BASES do
    write(("base%d.lua"):format(i), ('return { memory = "%dMiB", read_only = true, labels = { base = "%d" } }\n')
      :format(64 * i, i))
  end
  for i = 1, POLICIES do
    write(("policy%d.lua"):format(i), ([[
local gantry, base = require "gantry", require "base%d"
return function(ctx)
  return gantry.extend(base, { image = "plugin%d", runtime = ctx.engine.runtimes.runsc and "runsc" or nil,
    restart = function(exit, history)
      if exit.cause == "oom" then return "restart", { memory = history.config.memory * 2 } end
      return "restart", { after = history.backoff { first = "1s" } }
    end })
end
]]):format(i % BASES + 1, i))
    local tests = { 'local t = require "gantry.test"\n' }
    for k = 1, TESTS do
      tests[#tests + 1] = ([[
t.test("number %d", function()
  local policy = t.load("policy%d.lua", nil, { site = "site.lua" })
  t.equal(policy.request.HostConfig.ReadonlyRootfs, true)
  t.equal(policy:ends({ oom = 2 })[2].memory, math.min(policy.config.memory * 2, 1 << 30))
end)
]]):format(k, i)
    end
    write(("policy%d_test.lua"):format(i), table.concat(tests))
  end
  write("ctx.json", '{"engine": {"runtimes": ["runc", "runsc"]}}')
end

---@param name string
---@param arguments string
local function measure(name, arguments)
  local times = {}
  for i = 1, RUNS do
    local began = core.loop.clock()
    assert(os.execute(("cd %s && %s %s >/dev/null"):format(folder, gantry, arguments)))
    times[i] = core.loop.clock() - began
  end
  table.sort(times)
  print(("%-8s median %.3f s, best %.3f s"):format(name, times[RUNS // 2 + 1], times[1]))
end

assert(core.files.make_directory(folder))
local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. folder) end })
write_all()
measure("check", "check --site site.lua --ctx ctx.json *.lua")
measure("test", "test .")
