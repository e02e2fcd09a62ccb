-- SPDX-License-Identifier: Apache-2.0
--
--- What a plugin uses: of its cgroup, which the kernel keeps, and of the engine, where that is elsewhere.

local cgroup = require "gantry.plugin.cgroup"
local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

local ALLOCATED <const>, LIMIT <const> = 32 << 20, 128 << 20

describe("a plugin's statistics", function()
  local runtime_dir, engine

  before_each(function() runtime_dir, engine = support.temporary(), support.engine() end)
  after_each(function()
    engine.call = nil
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  local function launch(fields, ...)
    local config = support.kv(...)
    config.name = "kv-" .. core.system.random(4)
    for name, value in pairs(fields or {}) do config[name] = value end
    return assert(gantry.launch(config, { runtime_dir = runtime_dir }))
  end

  ---From here on the engine is not to be asked.
  local function without_engine()
    engine.call = function(_, _, path) error("the engine was asked for " .. path, 2) end
  end

  ---@return gantry.Stats
  local function stats_of_engine(plugin)
    plugin.cgroup = false
    local stats = assert(plugin:stats())
    plugin.cgroup = nil
    assert.are.equal("engine", stats.source)
    return stats
  end

  it("are read of its cgroup, with no request to the engine, and agree with what that says", function()
    local plugin <close> = launch({ memory = LIMIT, pids_limit = 77 }, "-allocate", tostring(ALLOCATED))
    without_engine()
    task.run(function() -- it allocates beside its handshake
      while plugin:stats().memory_bytes < ALLOCATED do task.sleep(0.02) end
    end)
    local first = assert(plugin:stats())
    engine.call = nil
    local told = stats_of_engine(plugin)
    without_engine()
    local last = assert(plugin:stats())
    engine.call = nil
    for _, stats in ipairs { first, told, last } do
      assert.are.same({ LIMIT, 77 }, { stats.memory_limit_bytes, stats.pids_limit })
      assert.is_true(stats.memory_bytes >= ALLOCATED and stats.memory_bytes < LIMIT)
      assert.is_true(stats.pids > 1 and stats.cpu_share > 0)
    end
    assert.are.same({ "cgroup", "cgroup" }, { first.source, last.source })
    assert.is_true(0 < first.cpu_seconds and first.cpu_seconds <= told.cpu_seconds)
    assert.is_true(told.cpu_seconds <= last.cpu_seconds and first.clock < told.clock and told.clock < last.clock)
    assert.are.equal(plugin.ready_ms / 1000, first.ready_seconds)
    assert.is_true(0 < first.handshake_seconds and first.handshake_seconds <= first.ready_seconds)
  end)

  it("have no limit where there is none", function()
    local plugin <close> = launch()
    for _, stats in ipairs { assert(plugin:stats()), stats_of_engine(plugin) } do
      assert.is_nil(stats.memory_limit_bytes, stats.source)
    end
  end)

  it("count calls, those that fail, and output", function()
    local plugin <close> = launch({}, "-flood-stderr", "65536")
    local function count()
      local stats = assert(plugin:stats())
      return { stats.calls, stats.calls_failed }
    end
    assert.are.same({ 0, 0 }, count())
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "a") .. wire.bytes_field(2, "b")))
    assert.is_nil(plugin:call("proto.KV/None", ""))
    assert.is_nil(plugin:call("proto.KV/Get", { no_such_field = 1 })) -- is not made
    assert.are.same({ 2, 1 }, count())
    local stream <close> = plugin:stream("proto.KV/None", "")
    assert.is_nil(stream:next())
    assert.are.same({ 3, 2 }, count())
    task.run(function()
      while plugin:stats().output_bytes < 65536 do task.sleep(0.02) end
    end)
  end)

  it("are those of any other object of it", function()
    local plugin <close> = launch { memory = LIMIT }
    local guest <close> = assert(gantry.attach(plugin.name))
    without_engine()
    local stats = assert(guest:stats())
    engine.call = nil
    assert.are.same({ "cgroup", LIMIT, nil }, { stats.source, stats.memory_limit_bytes, stats.ready_seconds })
    guest:detach()
    assert.has_error(function() guest:stats() end, ("plugin '%s' is detached"):format(plugin.name))
  end)

  it("need one look of the engine's where it listens on no socket", function()
    local plugin <close> = launch()
    local address, asked = plugin.handshake, 0
    plugin.handshake = { network = "tcp", address = "127.0.0.1:1" }
    engine.call = function(self, method, path, options)
      asked = asked + 1
      engine.call = nil
      local answer, err = self:call(method, path, options)
      without_engine()
      return answer, err
    end
    assert.are.equal("cgroup", assert(plugin:stats()).source)
    assert.are.equal("cgroup", assert(plugin:stats()).source)
    engine.call, plugin.handshake = nil, address
    assert.are.equal(1, asked)
  end)

  it("are asked of the engine where its processes are in another view", function()
    if core.system.euid() ~= 0 then return pending "only root can have a view of processes of its own" end
    local plugin <close> = launch { memory = LIMIT }
    local result = support.run({ "--pid", "--fork", "--mount-proc", support.executable, "-e",
      ("p = attach %q; s = p:stats(); print(s.source, s.memory_limit_bytes, s.cpu_share > 0)"):format(plugin.name) },
      { executable = "/usr/bin/unshare", runtime_dir = runtime_dir })
    assert.are.equal(("engine\t%d\ttrue\n"):format(LIMIT), result.stdout, result.stderr)
  end)

  it("end with it", function()
    task.run(function()
      local plugin <close> = launch()
      assert(plugin:stats())
      local place, id = plugin.cgroup, plugin.container
      local ends = task.spawn(function()
        plugin:kill "KILL"
        plugin:wait()
      end)
      -- Whenever one looks: figures, an error or, once it has ended, what every method says of that.
      while plugin.state == "ready" do
        local stats, err = plugin:stats()
        assert.is_true(stats ~= nil or type(err.code) == "string")
        task.sleep(0)
      end
      ends:wait()
      assert.is_nil(cgroup.read(place))
      assert.has_error(function() plugin:stats() end, ("plugin '%s' has ended"):format(plugin.name))
      assert.are.equal("NOT_FOUND", select(2, engine:stats(id)).code)
    end)
  end)

  it("tell where nobody keeps account of a dead one", function()
    local plugin <close> = launch { debug = true }
    local id = plugin.container
    local _ <close> = setmetatable({}, { __close = function() engine:remove(id) end })
    plugin:stop()
    plugin.state, plugin.cgroup = "ready", nil -- as where its end is not known yet
    local stats, err = plugin:stats()
    plugin.state = "ended"
    assert.is_nil(stats)
    assert.are.equal("STATS_UNKNOWN", err.code)
    assert.matches("keeps no account of plugin", err.message)
  end)
end)
