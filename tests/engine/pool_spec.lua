-- SPDX-License-Identifier: Apache-2.0
--
--- Containers that wait for a program's launches: taken, refilled, gone with the pool; and what a program leaves that
--- is killed.

local core = require "gantry.core"
local engines = require "gantry.engine"
local gantry = require "gantry"
local gate = require "gantry.plugin.gate"
local gate_input = require "gantry.plugin.gate_input"
local plugins = require "gantry.plugin"
local pools = require "gantry.plugin.pool"
local support = require "engine.support"
local task = require "gantry.task"
local validate = require("gantry.config").validate
local wire = require "gantry.protobuf.wire"

describe("a pool", function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  ---@param options gantry.PoolOptions
  ---@return gantry.LaunchPool
  local function open(options, config)
    options.runtime_dir = runtime_dir
    return assert(gantry.pool(config or support.kv(), options))
  end

  ---A plugin that was in one that waited, and answers.
  local function take(pool, options)
    local taken
    local plugin = assert(pool:launch(options or { on_event = function(kind) taken = taken or kind == "taken" end }))
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
    return plugin, taken
  end

  it("gives a plugin out of a container that waits, any number beside each other", function()
    task.run(function()
      local config = support.kv()
      config.auto_mtls = true
      local name = "kv-" .. core.system.random(3) -- beside other tests' plugins on this engine
      local pool <close> = open({ size = 2, name = name }, config)
      assert(pool:fill())
      assert.are.equal(2, #support.containers(runtime_dir))
      local one <close>, first = take(pool)
      local two <close>, second = take(pool)
      assert.is_true(first and second)
      assert.are_not.equal(one.name, two.name)
      assert.are_not.equal(one.container, two.container)
      assert(pool:fill())
      assert.are.equal(4, #support.containers(runtime_dir))
      -- What waits is no plugin to call by name.
      assert.is_nil((gantry.attach(name, { engine = support.engine() })))
      -- Nothing of what the plugin is started with is told by the engine.
      for _, entry in ipairs(support.in_docker_words(one.container).Config.Env or {}) do
        assert.is_nil(entry:find("PLUGIN_CLIENT_CERT", 1, true))
        assert.is_nil(entry:find(support.cookie[2], 1, true))
      end
      assert.are.equal(0, one:stop().code)
    end)
    assert.are.same({}, support.entries(runtime_dir))
  end)

  it("launches what keeps nothing of the one that it follows, which kept nothing of another", function()
    task.run(function()
      local config = assert(validate(support.kv()))
      local plugin <close> = assert(plugins.launch(config, { engine = support.engine(), follows = {},
        runtime_dir = runtime_dir, name = "kv-" .. core.system.random(3) }))
      assert.is_nil(plugin.options.follows)
    end)
  end)

  it("launches as ever where none waits, and is not asked once it is closed", function()
    task.run(function()
      local pool = open { size = 0 }
      local plugin <close>, taken = take(pool)
      assert.is_false(taken)
      pool:close()
      pool:close()
      assert.has_error(function() pool:launch() end)
      assert.are.equal("ready", plugin.state)
    end)
  end)

  it("looks at the image anew", function()
    task.run(function()
      local engine = support.engine()
      local config = support.kv()
      local function tag(what)
        assert(engine:call("POST", ("/images/%s/tag?repo=gantry-test-pool&tag=moves"):format(what), { action = "tag" }))
      end
      tag "gantry-test-kv:1.8"
      config.image, config.tag = "gantry-test-pool:moves", nil
      local pool <close> = open({ size = 1 }, config)
      assert(pool:fill())
      tag "gantry-test-kv:1.6"
      local plugin <close>, taken = take(pool)
      assert.is_false(taken)
      assert.are.equal(assert(engine:image "gantry-test-kv:1.6").id, plugin.image.id)
      assert(engine:remove_image "gantry-test-pool:moves")
      local none, err = pool:launch()
      assert.is_nil(none)
      assert.are.equal("IMAGE_NOT_FOUND", err.code)
    end)
  end)

  ---A policy of a program that is mounted into its container.
  ---@param text string
  ---@param mode string
  local function mounted(text, mode)
    local path = support.write(runtime_dir .. "/program", text)
    assert(os.execute(("chmod %s %s"):format(mode, path)))
    local config = support.kv()
    config.entrypoint, config.mounts = { "/program" }, { { source = path, target = "/program", read_only = true } }
    return config
  end

  -- Of a machine that this one is not: the header is whole.
  local FOREIGN <const> = "\127ELF\2\1\1" .. ("\0"):rep(9) .. string.pack("<I2I2I4I8I8I8I4I2I2I2I2I2I2", 2, 22, 1, 0,
    64, 0, 0, 64, 56, 0, 64, 0, 0)

  for what, bad in pairs {
    ["is missing"] = { function() local config = support.kv() config.entrypoint = { "/no/such" } return config end,
      "is not in the image" },
    ["is not executable"] = { function() return mounted("#!/kv\n", "644") end, "exec" },
    ["is of another machine"] = { function() return mounted(FOREIGN, "755") end, "is built for s390x" },
    ["lacks its interpreter"] = { function() return mounted("#!/no/such\n", "755") end, "is a script for '/no/such'" },
    ["gets more variables than a kernel takes"] = { function()
      local config = support.kv()
      config.env = {}
      for i = 1, 60 do config.env[i] = ("V%d=%s"):format(i, ("x"):rep(100 * 1024)) end
      return config
    end, "Argument list too long" },
  } do
    it("says that its plugin " .. what, function()
      task.run(function()
        local pool <close> = open({ size = 1 }, bad[1]())
        assert(pool:fill())
        local plugin, err = pool:launch()
        assert.is_nil(plugin)
        assert.matches(bad[2], err.code .. " " .. err.message)
      end)
    end)
  end

  it("takes more variables than fit into one packet", function()
    task.run(function()
      local config = support.kv()
      config.env = {}
      for i = 1, 3 do config.env[i] = ("V%d=%s"):format(i, ("x"):rep(100 * 1024)) end
      local pool <close> = open({ size = 1 }, config)
      assert(pool:fill())
      local _ <close>, taken = take(pool)
      assert.is_true(taken)
    end)
  end)

  ---Containers of this engine are asked over their input from here on, as where a first one let no socket through.
  local function without_sockets()
    local engine = assert(engines.connect {})
    gate_input.learn { engine = engine, config = {} }
    return engine
  end

  it("asks over the input of its containers where no socket passes", function()
    task.run(function()
      local engine <close> = without_sockets()
      local pool <close> = open({ size = 1, engine = engine }, support.kv())
      assert(pool:fill())
      local one <close>, first = take(pool)
      assert.is_true(first)
      assert.is_true(support.in_docker_words(one.container).Config.OpenStdin)
      assert.is_true(one:kill "KILL")
      assert.are.equal("KILL", one:wait().signal)
      assert(pool:fill())
      local two <close>, second = take(pool)
      assert.is_true(second)
      -- The plugin is its program's: closing the input is what becomes of it with its program.
      gate.let_go(two)
      assert.are_not.equal("KILL", two:wait().signal)
    end)
  end)

  it("takes over containers that are asked over their input", function()
    task.run(function()
      local engine <close> = without_sockets()
      local config = assert(validate(support.kv()))
      config.name = "kv"
      local function new()
        local function options()
          return { engine = engine, unique = true, runtime_dir = runtime_dir, ahead = "waiting" }
        end
        return pools.new { name = "kv", key = function() return "" end, size = function() return 1 end,
          config = function() return config end, options = options, ahead = "waiting", tell = error }
      end
      local first = new()
      assert(first:grow())
      local left = first.members[1]
      first:let_go()
      local second = new()
      second:adopt { { container = left.container, name = left.container_name, directory = left.directory_path,
        fits = "", by_input = true } }
      local plugin <close> = assert(second:launch(config, { engine = engine, unique = true, runtime_dir = runtime_dir,
        supervisor = runtime_dir }))
      assert.are.equal(left.container, plugin.container)
      -- It was started for one that it is to outlive: nobody has its input.
      assert.is_nil(plugin.gate)
      assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
    end)
  end)

  it("has one in which a program that forks and ends leaves nothing", function()
    task.run(function()
      local folder = support.temporary()
      local _ <close> = setmetatable({}, { __close = function() support.remove(folder) end })
      local source = support.write(folder .. "/forks.c",
        "#include <unistd.h>\nint main(void) { if (fork() == 0) for (;;) pause(); return 3; }\n")
      assert(os.execute(("cc -static -o %s/forks %s"):format(folder, source)))
      local config = support.kv()
      config.entrypoint, config.mounts = { "/forks" }, { { source = folder .. "/forks", target = "/forks",
        read_only = true } }
      local pool <close> = open({ size = 1 }, config)
      assert(pool:fill())
      local plugin, err = pool:launch()
      assert.is_nil(plugin)
      assert.are.equal("EXITED_BEFORE_HANDSHAKE", err.code)
      assert.are.equal(3, err.diagnosis.exit.code)
    end)
  end)

  it("leaves nothing running where its program is killed", function()
    task.run(function()
      local script = support.write(runtime_dir .. "/program.lua", ([[
        local gantry = require "gantry"
        local pool = assert(gantry.pool({ image = "gantry-test-kv:latest", cookie = { %q, %q }, name = "kv" },
          { size = 1, runtime_dir = %q }))
        assert(pool:fill())
        local plugin = assert(pool:launch())
        assert(pool:fill())
        io.stdout:write(plugin.container, " ", pool.pool.members[1].container, "\n")
        io.stdout:flush()
        gantry.task.sleep(600)
      ]]):format(support.cookie[1], support.cookie[2], runtime_dir))
      local said = task.event()
      local ended = task.event()
      local program = assert(core.process.spawn(task.loop(), { "/usr/bin/lua5.4", script, input = "null",
        output = "pipe", error = "inherit", on_output = function(_, bytes) said:set(bytes) end,
        on_exit = function() ended:set() end }))
      local id, waiting = said:wait():match "(%x+) (%x+)"
      program:signal "KILL"
      ended:wait()
      local engine = support.engine()
      for what, one in pairs { ["the plugin"] = id, ["what waits"] = waiting } do
        support.eventually(what .. " ends with its program", function()
          return not assert(engine:inspect(one)).state.running
        end)
      end
      -- The next launch of its kind takes away what is left.
      local pool <close> = open { size = 0 }
      local plugin <close> = take(pool)
      support.eventually("nothing else is left", function() return #support.containers(runtime_dir) == 1 end)
      assert.is_not.equal(id, plugin.container)
    end)
  end)
end)
