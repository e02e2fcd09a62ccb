-- SPDX-License-Identifier: Apache-2.0
--
--- Containers that wait for a plugin under `gantry up`: a start takes one, others are made behind it, and whoever dies,
--- nothing is left and there are as many as there are to be.

local ahead = require "gantry.plugin.ahead"
local container = require "gantry.engine.container"
local core = require "gantry.core"
local engines = require "gantry.engine"
local launches = require "gantry.place.launches"
local oci = require "engine.oci"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local SIZE <const> = 2

---Docker, and the engine without a daemon with what it keeps in the place.
local KINDS <const> = {
  docker = {
    engine = function() return support.engine() end,
    prepare = function() end,
    policy = function(place, lines) place:policy("kv", lines) end,
  },
  oci = {
    engine = function(place)
      place.engine = place.engine or assert(engines.connect { url = "oci:", environment = {
        GANTRY_RUNTIME_DIR = place.runtime_dir, PATH = os.getenv "PATH", HOME = place.root } })
      return place.engine
    end,
    prepare = function(place)
      local options = place.options
      function place.options(...)
        local made = options(...)
        table.insert(made.environment, "GANTRY_ENGINE=oci:")
        return made
      end
    end,
    policy = function(place, lines)
      support.write(place.policies .. "/kv.lua", ([[
return { binary = %q, cookie = { %q, %q }, disable_network = true, stop_timeout = 2, %s }
]]):format(oci.kv "1.8", support.cookie[1], support.cookie[2], lines or ""))
    end,
  },
}

for kind, how in pairs(KINDS) do
  describe("containers that wait, on " .. kind, function()
    local one, missing = engines.connect { url = kind == "oci" and "oci:" or nil }
    if not one then return it("can be made", function() pending(tostring(missing)) end) end
    if kind == "oci" then one:close() end

    local place

    before_each(function()
      place = supervision.place()
      how.prepare(place)
    end)

    after_each(function()
      task.run(function()
        place:stop()
        for _, found in ipairs(how.engine(place):list { [container.LABEL.plugin] = true }) do
          local directory = found.labels[container.LABEL.directory]
          if directory:sub(1, #place.runtime_dir) == place.runtime_dir then how.engine(place):remove(found.id) end
        end
      end)
      task.run(place.close, place)
    end)

    local function test(name, fn)
      it(name, function() task.run(fn) end)
    end

    ---@return table[] containers of this place that have not ended
    local function containers()
      local list = {}
      for _, found in ipairs(how.engine(place):list { [container.LABEL.plugin] = true }) do
        local directory = found.labels[container.LABEL.directory]
        if directory:sub(1, #place.runtime_dir) == place.runtime_dir then list[#list + 1] = found end
      end
      return list
    end

    ---The plugin is ready, and so many containers wait for it: nothing else is there.
    local function await_full(size)
      local view = support.eventually("the pool is full", function()
        local found = place:plugin "kv"
        return found and found.state == "ready" and found.warm and found.warm.waiting == size and found
      end, 120)
      support.eventually("nothing else is left", function() return #containers() == size + 1 end)
      support.eventually("each has its record", function() return #place:records() == size + 1 end)
      return view
    end

    local function check_usable()
      local put = place:run("call", "kv", "KV/Put", '{"key": "a", "value": "YQ=="}')
      assert.are.equal(0, put.code, put.stderr)
    end

    local function waiting_ids()
      local live, ids = place:plugin("kv").container, {}
      for _, found in ipairs(containers()) do
        if found.id ~= live then ids[#ids + 1] = found.id end
      end
      table.sort(ids)
      return ids
    end

    local function check_gone()
      assert.are.same({}, containers())
      assert.are.same({}, place:records())
      assert.are.same({}, place:directories())
    end

    test("are taken by a start, refilled, and gone after down", function()
      how.policy(place, ("warm = %d, auto_mtls = true, restart = 'always',"):format(SIZE))
      local up = place:up()
      local first = await_full(SIZE)
      assert.are.same({ size = SIZE, waiting = SIZE }, first.warm)
      local waiting = table.concat(waiting_ids(), " ")
      assert.are.equal(0, place:run("restart", "kv").code)
      local second = await_full(SIZE)
      assert.is_truthy(waiting:find(second.container, 1, true), "the plugin is in none of those that waited")
      assert.matches("which waited for it", place:run("why", "kv").stdout)
      check_usable()
      -- Each serves one plugin: its death is a death, and the next takes another.
      how.engine(place):kill(second.container, "KILL")
      support.eventually("another one", function()
        local now = place:plugin "kv"
        return now.state == "ready" and now.container ~= second.container
      end)
      await_full(SIZE)
      check_usable()
      assert.matches("killed by SIGKILL", place:run("why", "kv").stdout)
      assert.matches("2/2", place:run("ps", "--columns", "name,warm").stdout)
      local metrics <close> = assert(io.popen(("curl -s --unix-socket %s/.control.sock http://gantry/v1/metrics")
        :format(place.runtime_dir)))
      assert.matches('gantry_plugin_warm_containers{plugin="kv"} 2', metrics:read "a")
      assert.are.equal(0, place:run("down").code)
      up:wait()
      check_gone()
    end)

    test("are replaced where the policy changed, and are as many as it says", function()
      how.policy(place, "warm = 2,")
      place:up()
      await_full(2)
      local before = waiting_ids()
      how.policy(place, "warm = 1,")
      await_full(1)
      how.policy(place, "warm = 1, env = { 'A=1' },")
      support.eventually("the plugin is another one", function() return place:plugin("kv").generation > 1 end)
      await_full(1)
      for _, id in ipairs(waiting_ids()) do assert.is_nil(table.concat(before, " "):find(id, 1, true)) end
      how.policy(place, "env = { 'A=1' },")
      support.eventually("none waits", function() return #containers() == 1 end)
      place:run("stop", "kv")
      check_gone()
    end)

    test("are taken away with a plugin that is stopped, and made again with it", function()
      how.policy(place, "warm = 2,")
      place:up()
      await_full(2)
      assert.are.equal(0, place:run("stop", "kv").code)
      check_gone()
      assert.are.equal(0, place:run("start", "kv").code)
      await_full(2)
    end)

    test("that are killed are replaced, and keep nobody from starting", function()
      how.policy(place, "warm = 2,")
      place:up()
      await_full(2)
      for _, id in ipairs(waiting_ids()) do how.engine(place):kill(id, "KILL") end
      assert.are.equal(0, place:run("restart", "kv").code)
      await_full(2)
      check_usable()
    end)

    test("end with their plugin, whose own process is killed, and tell how", function()
      how.policy(place, "warm = 1, restart = 'always',")
      place:up()
      await_full(1)
      place:run("restart", "kv")
      local view = await_full(1)
      local gate = assert(how.engine(place):inspect(view.container)).state.pid
      local plugin = support.read(("/proc/%d/task/%d/children"):format(gate, gate)):match "%d+"
      assert(os.execute("kill -9 " .. plugin))
      support.eventually("another one", function()
        local now = place:plugin "kv"
        return now.state == "ready" and now.container ~= view.container
      end)
      local now = await_full(1)
      assert.are.equal("KILL", now.last_exit.signal)
      assert.are.equal(137, now.last_exit.code)
      -- The name that it took over is its own.
      assert.matches("already running", place:run("run", place.policies .. "/kv.lua").stderr)
      assert.are.equal(0, place:run("down").code)
      check_gone()
    end)

    test("of another program than its name means by now are passed over", function()
      local path = place.root .. "/kv"
      local function become(version)
        assert(os.execute(("cp %s %s.new && mv %s.new %s"):format(oci.kv(version), path, path, path)))
      end
      become "1.8"
      support.write(place.policies .. "/kv.lua", ([[
return { binary = %q, cookie = { %q, %q }, disable_network = true, stop_timeout = 2, warm = %d, restart = "always" }
]]):format(path, support.cookie[1], support.cookie[2], SIZE))
      place:up()
      local before = await_full(SIZE)
      local waited, old = waiting_ids(), assert(how.engine(place):inspect(before.container)).image_id
      become "1.6" -- the one behind it is looked up while its policy is asked, and found to be another one
      how.engine(place):kill(before.container, "KILL")
      support.eventually("another one", function()
        local now = place:plugin "kv"
        return now.state == "ready" and now.container ~= before.container
      end)
      local now = await_full(SIZE)
      assert.is_nil(table.concat(waited, " "):find(now.container, 1, true))
      assert.are_not.equal(old, assert(how.engine(place):inspect(now.container)).image_id)
      check_usable()
    end)

    test("grow no further than memory allows, which is told", function()
      how.policy(place, ("warm = 9, memory = %d,"):format(core.system.memory() // 4))
      place:up()
      place:await_why("kv", "of 9 containers wait for plugin 'kv', and no more are made for now: memory allows no more")
      assert.is_true(place:plugin("kv").warm.waiting < 4)
      check_usable()
    end)

    for _, step in ipairs(ahead.names "waiting") do
      test("leave nothing where gantry up is killed at " .. step, function()
        how.policy(place, "warm = 2,")
        if step:find "^adopted" then
          local before = place:up()
          await_full(2)
          before:kill "KILL"
          before:wait()
        end
        local dying = place:start_up("kv:" .. step)
        if step:find "^taken" then
          dying:await("stderr", "supervises")
          local live = await_full(2)
          how.engine(place):kill(live.container, "KILL")
        end
        assert.are.equal(9, dying:wait().signal, dying.stderr)
        place:check_names("kv", containers())
        place:up()
        await_full(2)
        check_usable()
        assert.are.equal(0, place:run("down").code)
        check_gone()
      end)
    end

    test("leave no directory of a container that a killed gantry up had asked for, and that never came", function()
      how.policy(place, ("warm = %d,"):format(SIZE))
      local environment, engine = { GANTRY_STATE_DIR = place.root .. "/state" }, how.engine(place).endpoint.name
      -- One whose maker was told its id, one whose maker was not, and one that somebody else keeps account of.
      for name, more in pairs { ["kv-000001"] = { id = ("0"):rep(64) }, ["kv-000002"] = {},
        ["kv-000003"] = { supervisor = place.root .. "/other" } } do
        local directory = assert(core.socket_dir.make(place.runtime_dir, name, {}))
        local launch = { container = "gantry-" .. name, plugin = "kv", engine = engine, waits = "waiting",
          directory = directory:path(), supervisor = place.root .. "/state/up" }
        for key, value in pairs(more) do launch[key] = value end
        assert(launches.keep(launch, environment))
        directory:close()
      end
      assert(os.execute("touch -d '1 minute ago' " .. place.runtime_dir .. "/kv-000002")) -- nothing appears any more
      place:up()
      support.eventually("the pool is full", function()
        local found = place:plugin "kv"
        return found and found.state == "ready" and found.warm and found.warm.waiting == SIZE
      end, 120)
      local left = table.concat(place:directories(), " ") .. " " .. table.concat(place:records(), " ")
      assert.is_nil(left:find("kv-000001", 1, true), left)
      assert.is_nil(left:find("kv-000002", 1, true), left)
      assert.is_truthy(left:find("kv-000003 ", 1, true) and left:find("gantry-kv-000003.json", 1, true), left)
      assert(os.execute("rm -r " .. place.runtime_dir .. "/kv-000003"))
    end)

    test("leave no directory that a killed gantry up had just begun to make", function()
      how.policy(place, "warm = 1,")
      assert(os.execute(("mkdir %s/kv-0a1b2c %s/other-0a1b2c"):format(place.runtime_dir, place.runtime_dir)))
      place:up()
      await_full(1)
      local left = table.concat(place:directories(), " ")
      assert.is_nil(left:find("kv-0a1b2c", 1, true), left)
      assert.is_table(core.system.stat(place.runtime_dir .. "/other-0a1b2c"))
      assert(os.remove(place.runtime_dir .. "/other-0a1b2c"))
    end)

    ---@return integer pid of the parent of a container's first process
    local function parent_of(id)
      local gate = assert(how.engine(place):inspect(id)).state.pid
      return assert(math.tointeger(tonumber(support.read(("/proc/%d/stat"):format(gate)):match "%) %u (%d+)"))), gate
    end

    for _, whose in ipairs { "one that waits", "the plugin" } do
      test("leave nothing where the parent of " .. whose .. " is killed", function()
        how.policy(place, "warm = 2, restart = 'always',")
        place:up()
        await_full(2)
        place:run("restart", "kv")
        local live = await_full(2).container
        local id = whose == "the plugin" and live or waiting_ids()[1]
        local parent, gate = parent_of(id)
        assert(os.execute("kill -9 " .. parent))
        support.eventually("it is another one", function()
          local now = place:plugin "kv"
          return now.state == "ready" and (whose ~= "the plugin" or now.container ~= live)
            and not core.system.stat("/proc/" .. gate)
        end)
        await_full(2)
        check_usable()
        for _, found in ipairs(containers()) do assert.are_not.equal(id, found.id) end
        assert.are.equal(0, place:run("down").code)
        check_gone()
      end)
    end

    test("are there after gantry up is killed, and its plugin is taken over in one", function()
      how.policy(place, "warm = 1,")
      local up = place:up()
      await_full(1)
      place:run("restart", "kv")
      local before, waiting = await_full(1), waiting_ids()
      up:kill "KILL"
      up:wait()
      place:up()
      local after = await_full(1)
      assert.are.same(waiting, waiting_ids())
      assert.are.equal(before.container, after.container)
      assert.are.equal(before.generation, after.generation)
      check_usable()
      -- Its own name is its own still.
      local other = place:run("run", place.policies .. "/kv.lua")
      assert.matches("already running", other.stderr)
      assert.are.equal(0, place:run("down").code)
      check_gone()
    end)

    ---@return integer bytes of its output that `gantry up` has taken
    local function taken_output()
      local metrics <close> = assert(io.popen(("curl -s --unix-socket %s/.control.sock http://gantry/v1/metrics")
        :format(place.runtime_dir)))
      return math.tointeger(tonumber(metrics:read "a":match 'gantry_plugin_output_bytes_total{plugin="kv"} (%d+)'))
    end

    test("write on where gantry up is killed, and to the next one", function()
      -- From its first call on, which is a look at its health, it writes to its own streams as to go-plugin's.
      how.policy(place, "warm = 1, args = { '-babble', '5s' },")
      local up = place:up()
      await_full(1)
      place:run("restart", "kv")
      local before = place:plugin "kv"
      up:kill "KILL"
      up:wait()
      place:up()
      support.eventually("its output is taken", function() return (taken_output() or 0) > 0 end)
      assert.are.equal(before.container, await_full(1).container)
      assert.matches("which waited for it", place:run("why", "kv").stdout)
      check_usable()
    end)

    test("are taken over with what only the launch knows, and replaced where their policy changed meanwhile", function()
      how.policy(place, "warm = 2, auto_mtls = true, env = { 'A=1' },")
      local up = place:up()
      await_full(2)
      local waiting = table.concat(waiting_ids(), " ")
      up:kill "KILL"
      up:wait()
      up = place:up()
      await_full(2)
      place:run("restart", "kv")
      assert.is_truthy(waiting:find(await_full(2).container, 1, true), "it is in none of those")
      check_usable()
      waiting = table.concat(waiting_ids(), " ")
      up:kill "KILL"
      up:wait()
      how.policy(place, "warm = 1, auto_mtls = true, env = { 'A=2' },")
      place:up()
      support.eventually("the policy holds", function() return (place:plugin "kv" or {}).generation == 3 end)
      await_full(1)
      for _, id in ipairs(waiting_ids()) do assert.is_nil(waiting:find(id, 1, true)) end
      check_usable()
    end)

    test("are collected where nobody comes back", function()
      how.policy(place, "warm = 1,")
      local up = place:up()
      await_full(1)
      place:run("restart", "kv")
      local live = await_full(1)
      up:kill "KILL"
      up:wait()
      assert.are.equal(0, place:run("gc").code)
      local left = containers()
      assert.are.equal(1, #left)
      assert.are.equal(live.container, left[1].id)
      assert.are.equal(0, place:run("down", "--orphans").code)
      check_gone()
    end)
  end)
end
