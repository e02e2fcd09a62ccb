-- SPDX-License-Identifier: Apache-2.0
--
--- Containers without a daemon, over the deaths of all who have to do with them: gantry, monitor, runtime, plugin. With
--- the runtime that gantry takes here, or that of GANTRY_MATRIX_ADDRESS: tests/engines has it with each.

local container = require "gantry.engine.container"
local core = require "gantry.core"
local engines = require "gantry.engine"
local oci = require "engine.oci"
local removal = require "gantry.plugin.removal"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local support = require "engine.support"
local task = require "gantry.task"

-- Seconds for what happens on a busy machine.
local PATIENCE <const> = 30
local ADDRESS <const> = os.getenv "GANTRY_MATRIX_ADDRESS" or "oci:"

describe("a container without a daemon", function()
  local root, clients, image, timeout

  ---A client of this machine's runtime, with containers of its own.
  local function connect()
    local client = assert(engines.connect { url = ADDRESS, environment = { GANTRY_RUNTIME_DIR = root,
      GANTRY_IMAGE_DIR = os.getenv "GANTRY_IMAGE_DIR", PATH = os.getenv "PATH", HOME = root } })
    clients[#clients + 1] = client
    return client
  end

  local one, missing = engines.connect { url = ADDRESS }
  if not one then return it("can be made", function() pending(tostring(missing)) end) end
  one:close()

  before_each(function()
    root, clients, timeout = support.temporary(), {}, runtime_calls.TIMEOUT
    image = image or oci.image(connect(), oci.kv "1.8")
  end)

  after_each(function()
    runtime_calls.TIMEOUT = timeout
    task.run(function()
      local last = connect()
      for _, found in ipairs(last:list {}) do assert(last:remove(found.id)) end
    end)
    for _, client in ipairs(clients) do client:close() end
    assert.are.same({}, support.entries(root .. "/.oci/containers"))
    support.remove(root)
  end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@return any what a condition gives in time
  ---@return string id
  local function create(client, args, changes)
    local spec = container.spec({ args = args, disable_network = true }, { image = image, directory = root, groups = {},
      environment = {}, labels = {} })
    if not client.capabilities.pids then spec.pids_limit = nil end
    for name, value in pairs(changes or {}) do spec[name] = value end
    return assert(client:create("gantry-test-" .. core.system.random(4), assert(client:request(spec)))).id
  end

  ---@return table heard
  local function attach(client, id)
    local heard = { stdout = "", stderr = "", engine = "", ended = task.event() }
    heard.stream = assert(client:attach(id, { on_output = function(name, bytes) heard[name] = heard[name] .. bytes end,
      on_end = function(err) heard.ended:set(err or true) end }))
    return heard
  end

  ---Starts the test plugin and waits until it has said its handshake.
  local function start(client, args, changes)
    local id = create(client, { "-handshake", "stays", table.unpack(args) }, changes)
    local heard = attach(client, id)
    assert.is_true(client:start(id))
    support.eventually("the handshake", function() return heard.stdout == "stays\n" end)
    return id, heard
  end

  local function ends(heard)
    return task.deadline(PATIENCE, heard.ended.wait, heard.ended)
  end

  ---@return integer pid
  local function monitor_of(id)
    local pipe <close> = assert(io.popen("pgrep -f '[g]antry-monitor .*/" .. id .. " '"))
    return assert(math.tointeger(tonumber(pipe:read "l")), "there is no monitor")
  end

  local function is_gone(client, id)
    return client:inspect(id) == nil and core.system.stat(client.layout:container(id)) == nil
  end

  -- ---- gantry ----

  ---`gantry run` of the plugin, which is ready.
  local function run()
    local file = support.write(root .. "/kv.lua", ("return { binary = %q, cookie = { %q, %q }, stop_timeout = 1 }")
      :format(oci.kv "1.8", table.unpack(support.cookie)))
    local command = support.command({ "run", file, "--engine", ADDRESS }, { runtime_dir = root,
      environment = { "GANTRY_STATE_DIR=" .. root .. "/state" } })
    command:await("stdout", "ready_ms")
    return command
  end

  test("goes with the process that made it, and the next launch forgets it", function()
    local command = run()
    local client = connect()
    local found = assert(client:list({ ["gantry.plugin"] = "kv" })[1])
    -- The plugin may be ready before its runtime has written down which process it is.
    local pid
    support.eventually("its process", function()
      pid = assert(client:inspect(found.id)).state.pid
      return pid ~= nil
    end)
    command:kill "KILL"
    support.eventually("the container's end", function() return is_gone(client, found.id) end)
    assert.is_nil(core.system.stat("/proc/" .. pid .. "/exe"))
    for _, name in ipairs(support.entries(client.layout:runtime_root(client.choice.runtime.name))) do
      assert.is_nil(name:find(found.id, 1, true)) -- crun keeps filters there, too
    end
    for _, controller in ipairs { "memory", "pids", "" } do
      assert.is_nil(core.system.stat(("/sys/fs/cgroup/%s/gantry/%s"):format(controller, found.id)))
    end
    assert.are.equal(1, #support.entries(root .. "/state/launches"))
    local again = run()
    again:kill "TERM"
    assert.are.equal(0, again:wait().code)
    assert.are.same({}, support.entries(root .. "/state/launches"))
  end)

  test("goes with it before its start, too, and nothing is left", function()
    local first = connect()
    local id = create(first, {})
    first:close()
    local second = connect()
    support.eventually("its monitor's end", function()
      local found = second:inspect(id)
      return found == nil or found.state.status == "dead"
    end)
    assert.is_not_nil(second:remove(id))
    assert.is_true(is_gone(second, id))
  end)

  test("with a root of its own is left to the next one, and what it wrote is gone then", function()
    local first = connect()
    local id = start(first, {}, { read_only = false })
    local directory = first.layout:container(id)
    assert.is_truthy(core.system.stat(directory .. "/root/tmp"))
    first:close()
    local second = connect()
    support.eventually("its end", function() return not assert(second:inspect(id)).state.running end)
    assert.is_true(removal.remove(second, id)) -- its monitor may be at it
    assert.is_true(is_gone(second, id))
    assert.is_nil(support.read("/proc/self/mountinfo"):find(id, 1, true))
  end)

  test("outlives it where it is to, and keeps for the next one what nobody has read", function()
    local first = connect()
    local id = start(first, { "-say", "once", "-exit-after", "60s" }, { outlives = true })
    first:close()
    local second = connect()
    assert.is_true(assert(second:inspect(id)).state.running)
    local heard = attach(second, id)
    assert.is_true(second:kill(id, "QUIT"))
    assert.is_true(ends(heard))
    assert.is_truthy((heard.stderr):find("SIGQUIT", 1, true))
    assert.are.equal(2, assert(second:wait(id)).exit_code)
  end)

  test("tells the next one how it has ended while nobody was there", function()
    local first = connect()
    local id = create(first, { "-handshake", "stays", "-exit-after", "300ms", "-exit-code", "4" }, { outlives = true })
    attach(first, id).stream:pause()
    assert.is_true(first:start(id))
    first:close()
    local second = connect()
    assert.are.same({ exit_code = 4 }, assert(second:wait(id)))
    local state = assert(second:inspect(id)).state
    assert.are.same({ "exited", 4, false }, { state.status, state.exit_code, state.running })
    local heard = attach(second, id)
    assert.is_true(ends(heard))
    assert.are.equal("stays\n", heard.stdout)
  end)

  test("stays with the one that has it: another one hears of its end alone", function()
    local first, second = connect(), connect()
    local id, heard = start(first, {})
    local other = attach(second, id)
    task.sleep(0.1)
    assert.is_true(assert(first:inspect(id)).state.running)
    assert.is_true(second:kill(id, "QUIT"))
    assert.is_true(ends(heard))
    assert.is_true(ends(other))
    assert.are.equal("", other.stdout .. other.stderr)
    assert.is_truthy(heard.stderr:find("SIGQUIT", 1, true))
  end)

  ---Has a container paused by hand, where its runtime can: an ordinary user's has no cgroup for that. That gVisor has
  ---paused it, the kernel does not show.
  ---@return boolean paused
  local function pause(client, id)
    local gvisor = client.choice.runtime.name == "runsc"
    if not gvisor and not client.places.parent then return false end
    assert(os.execute((client:by_hand("unpause", id):gsub(" resume ", " pause "))))
    if not gvisor then
      support.eventually("its pause", function() return client:inspect(id).state.status == "paused" end)
    end
    return true
  end

  test("has ended once it was killed, whoever did it, and though somebody has paused it", function()
    local first, second = connect(), connect()
    for _, client in ipairs { first, second } do
      local id = start(first, {})
      assert.is_true(client:kill(id, "KILL"))
      assert.are.same({ "exited", 137 }, { first:inspect(id).state.status, first:inspect(id).state.exit_code })
      assert.is_true(first:remove(id))
      id = start(first, {})
      pause(first, id)
      assert.is_true(client:kill(id, "KILL"))
      assert.are.equal("exited", first:inspect(id).state.status)
      assert.is_true(first:remove(id))
    end
  end)

  test("is looked at by hand as its engine says", function()
    local client = connect()
    local id = start(client, {})
    assert.is_nil(client:by_hand("remove", id))
    for _, action in ipairs { "list", "inspect" } do
      local pipe <close> = assert(io.popen(client:by_hand(action, action == "inspect" and id or nil)))
      assert.is_truthy(pipe:read("a"):find(id, 1, true))
    end
    if pause(client, id) then
      assert(os.execute(client:by_hand("unpause", id)))
      support.eventually("its going on", function() return client:inspect(id).state.status == "running" end)
    end
    assert.is_true(client:remove(id))
  end)

  test("can be removed by another gantry, which its own survives", function()
    local first, second = connect(), connect()
    local id, heard = start(first, {})
    assert.is_true(second:remove(id))
    assert.is_truthy(ends(heard))
    assert.is_false(first:remove(id))
    assert.is_true(is_gone(first, id))
  end)

  -- ---- its monitor ----

  test("is dead to gantry once its monitor was killed, and its process goes with its removal", function()
    local client = connect()
    local id, heard = start(client, {})
    local pid = assert(client:inspect(id)).state.pid
    assert(os.execute("kill -9 " .. monitor_of(id)))
    assert.is_truthy(ends(heard))
    local state = assert(client:inspect(id)).state
    assert.are.same({ "dead", false }, { state.status, state.running })
    assert.matches("monitor was killed", state.error)
    assert.is_true(client:remove(id))
    support.eventually("its process's end", function() return core.system.stat("/proc/" .. pid .. "/exe") == nil end)
  end)

  -- ---- its runtime ----

  ---Whether the runtime's own process is the container: it is gVisor's, for an ordinary user.
  local function is_runtime_s_own(client, id)
    return runtime_calls.stays(assert(client:find(id)))
  end

  test("may end with the code that gVisor ends with", function()
    local client = connect()
    local id = create(client, { "-exit-now", "128" })
    assert.is_true(client:start(id))
    assert.are.same({ exit_code = 128 }, assert(client:wait(id)))
    local state = assert(client:inspect(id)).state
    assert.are.same({ "exited", 128 }, { state.status, state.exit_code, state.error })
    assert.is_true(client:remove(id))
  end)

  ---Has a client run containers by a program of its own making.
  local function fake_runtime(client, text)
    local path = support.write(root .. "/runtime", "#!/bin/sh\n" .. text)
    assert(os.execute("chmod +x " .. path))
    client.choice.runtime.path = path
  end

  test("says what its runtime says of a program that is not there", function()
    local client = connect()
    local id = create(client, {}, { entrypoint = { "/no/such/program" } })
    local ok, err = client:start(id)
    assert.are.same({ exit_code = 127 }, assert(client:wait(id)))
    local state = assert(client:inspect(id)).state
    assert.are.same({ "created", 127 }, { state.status, state.exit_code })
    assert.matches("/no/such/program", state.error)
    if not (ok and is_runtime_s_own(client, id)) then
      assert.is_nil(ok)
      assert.are.same({ "ENGINE_ERROR", state.error }, { err.code, err.message })
    end
    local again, refused = client:start(id)
    assert.is_nil(again)
    assert.are.equal("CONFLICT", refused.code)
  end)

  test("waits for no runtime that hangs", function()
    local client = connect()
    runtime_calls.TIMEOUT = 1
    fake_runtime(client, "exec sleep 1000\n")
    local id = create(client, {})
    local ok, err = client:start(id)
    assert.is_nil(ok)
    assert.matches("did not answer within 1 s and was killed", err.message)
    assert.is_true(client:remove(id))
  end)

  test("says so where a runtime fails without a word", function()
    local client = connect()
    fake_runtime(client, "exit 3\n")
    local id = create(client, {})
    local ok, err = client:start(id)
    if is_runtime_s_own(client, id) then -- nobody could tell
      assert.are.same({ exit_code = 3 }, assert(client:wait(id)))
      return assert.is_true(client:remove(id)) and nil
    end
    assert.is_nil(ok)
    assert.matches("gave no reason %(exited 3%)", err.message)
    assert.is_true(client:remove(id))
  end)

  -- ---- its directory ----

  test("whose making was broken off is found and taken away", function()
    local client = connect()
    assert(client.layout:make())
    local old, fresh = client.layout:container(("a"):rep(64)), client.layout:container(("b"):rep(64))
    for _, path in ipairs { old, fresh } do
      assert(core.files.make_directory(path, tonumber("700", 8)))
      support.write(path .. "/config.json", "{")
    end
    assert(os.execute("touch -d '1 hour ago' " .. old))
    assert.are.same({}, client:list {})
    assert.is_nil(core.system.stat(old))
    assert.is_truthy(core.system.stat(fresh))
    -- Its maker held this file until it died.
    support.write(fresh .. "/owner", "")
    assert(os.execute("touch -d '10 seconds ago' " .. fresh))
    do
      local held <close> = assert(core.files.lock(fresh .. "/owner"))
      assert.are.same({}, client:list {})
      assert.is_truthy(held and core.system.stat(fresh))
    end
    assert.are.same({}, client:list {})
    assert.is_nil(core.system.stat(fresh))
    assert(core.files.make_directory(fresh, tonumber("700", 8)))
    assert(os.execute("rm -r " .. fresh))
  end)

  test("is not believed where its record is not as it was written", function()
    local client = connect()
    local id = create(client, {})
    local path = client.layout:container(id) .. "/record.json"
    local text = support.read(path)
    for _, wrong in ipairs { "", "{", "[]", (text:gsub(id, ("c"):rep(64))),
      (text:gsub('"labels":%b{}', '"labels":7')) } do
      support.write(path, wrong)
      local found, err = client:inspect(id)
      assert.is_nil(found)
      assert.are.equal("NOT_FOUND", err.code)
    end
    support.write(path, text)
    assert.is_true(client:remove(id))
  end)
end)
