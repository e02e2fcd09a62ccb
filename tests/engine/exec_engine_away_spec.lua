-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` whose connections to the engine are cut, fall silent, or have nobody at their other end any more: none
--- of that is the plugin's end. What is, is learnt all the same.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

-- Makes gRPC say on standard error, which only the engine carries, that a client spoke nonsense.
local KV <const> = 'image = "gantry-test-kv:latest", disable_network = true, engine_timeout = "3s",\n'
  .. 'env = { GRPC_GO_LOG_SEVERITY_LEVEL = "info" },\n'

describe("gantry exec, while its engine is away,", function()
  local root, runtime_dir, policy, proxy, host

  before_each(function()
    root = support.temporary()
    runtime_dir, policy = root .. "/run", root .. "/plugin"
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
  end)

  local function start_proxy() proxy = hosts.cutting_proxy(root .. "/engine.sock") end

  local function stop_proxy()
    proxy:stop()
    proxy = nil
  end

  after_each(function()
    task.run(function()
      if host and not host.exit then host:kill "KILL" end
      if not proxy then start_proxy() end -- where a test failed
      hosts.assert_nothing_left(policy, runtime_dir)
      stop_proxy()
    end)
    support.remove(root)
    host = nil
  end)

  ---@param fields string? further ones of the policy
  local function start_host(fields)
    hosts.policy(policy, KV .. (fields or ""))
    host = hosts.start("hold", { policy }, { runtime_dir = runtime_dir, input = "pipe",
      environment = { "DOCKER_HOST=unix://" .. root .. "/engine.sock" } })
    host:await("stdout", "ready")
    support.eventually("the launch is over", function() return #hosts.processes(policy).launcher == 0 end)
  end

  local function test(name, fn)
    it(name, function()
      if not hosts.find "hold" then return pending "go-plugin's hosts need a newer Go" end
      task.run(function()
        start_proxy()
        fn()
      end)
    end)
  end

  local function await_line(pattern)
    host:await("stderr", pattern)
  end

  ---Has the plugin say a word on its standard error, until the host has it.
  local function hear(word)
    local socket
    for _, entry in ipairs(support.entries(runtime_dir)) do
      if not entry:find "^%." then socket = runtime_dir .. "/" .. entry end
    end
    for _, entry in ipairs(support.entries(socket)) do socket = socket .. "/" .. entry end
    support.eventually("the host hears " .. word, function()
      support.run({ "-s", "--max-time", "5", "--unix-socket", socket, "http://x/" .. word },
        { executable = "/usr/bin/curl" })
      return host.stderr:find("GET /" .. word, 1, true) ~= nil, host.stderr
    end, 30)
  end

  local function close_host()
    host.process:close_input()
    assert.are.equal(0, host:wait().code, host.stderr)
    assert.is_nil(host.stderr:find("failed to exit gracefully", 1, true), host.stderr)
  end

  local function count(text, what)
    return select(2, text:gsub(what:gsub("%p", "%%%0"), ""))
  end

  test("attaches again, says that output may be missing, and carries what comes", function()
    start_host()
    hear "before"
    proxy:tell "cut"
    await_line "was lost, and is there again after %d+ s; output of the plugin may be missing"
    hear "after"
    close_host()
  end)

  test("is neither loud nor larger after many cuts", function()
    start_host()
    local face = hosts.processes(policy).face[1]
    local function descriptors() return #support.entries(("/proc/%d/fd"):format(face)) end
    hear "before"
    local before = descriptors()
    proxy:tell "idle 300"
    task.sleep(6)
    proxy:tell "idle 600000"
    hear "after"
    support.eventually("it holds no more than before", function()
      return descriptors() <= before + 1 and #hosts.processes(policy).launcher == 0, tostring(descriptors())
    end, 20)
    assert.is_true(count(host.stderr, "output of the plugin may be missing") <= 3, host.stderr)
    close_host()
  end)

  test("waits for it, and goes on where it comes back in time", function()
    start_host()
    stop_proxy()
    await_line "is away .-looked for again for 3 s %(engine_timeout%)"
    start_proxy()
    await_line "is there again"
    hear "after"
    close_host()
  end)

  test("gives up after the policy's time, and the container goes once it is back", function()
    start_host()
    stop_proxy()
    assert.are.equal(1, host:wait().code)
    assert.is_truthy(host.stderr:find("was away for more than 3 s (engine_timeout)", 1, true), host.stderr)
    start_proxy()
  end)

  test("learns of its plugin's end from the plugin's own process", function()
    start_host()
    stop_proxy()
    await_line "is away"
    support.engine():kill(support.containers(runtime_dir)[1].id, "KILL")
    assert.are.equal(1, host:wait().code)
    assert.is_truthy(host.stderr:find("has ended, with an exit code that only the engine knows", 1, true), host.stderr)
    start_proxy()
  end)

  test("gives the exit code where connections say nothing any more", function()
    start_host()
    proxy:tell "mute"
    support.engine():kill(support.containers(runtime_dir)[1].id, "KILL")
    assert.is_truthy(host:wait())
    assert.is_truthy(host.stderr:find("exit status 137", 1, true), host.stderr)
  end)

  test("asks from time to time where the process is on another machine", function()
    proxy:tell "elsewhere"
    start_host()
    proxy:tell "mute"
    support.engine():kill(support.containers(runtime_dir)[1].id, "KILL")
    assert.is_truthy(task.deadline(40, host.wait, host), host.stderr)
    assert.is_truthy(host.stderr:find("exit status 137", 1, true), host.stderr)
  end)

  local function restart_container()
    assert(support.engine():call("POST", "/containers/" .. support.containers(runtime_dir)[1].id .. "/restart?t=0",
      { action = "restart it" }))
  end

  test("ends with the process that its host knows, where somebody starts the container again", function()
    start_host()
    restart_container()
    assert.are.equal(1, host:wait().code)
    -- With an exit code or without: Docker answers 0 where the container runs again before it has looked.
    assert.is_truthy(host.stderr:find("plugin process exited", 1, true), host.stderr)
    assert.is_nil(host.stderr:find("started again", 1, true))
  end)

  test("says that the container was started again, where it did not see that happen", function()
    start_host()
    proxy:tell "mute"
    restart_container()
    assert.are.equal(1, host:wait().code)
    assert.is_truthy(host.stderr:find("its container was started again by somebody else", 1, true), host.stderr)
  end)

  test("is closed by its host, and the container goes once the engine is back", function()
    start_host()
    stop_proxy()
    await_line "is away"
    local began = core.loop.clock()
    host.process:close_input()
    host:wait()
    assert.is_true(core.loop.clock() - began < 20)
    start_proxy()
  end)

  ---Has the proxy of faults in the other one's place.
  ---@param pattern string
  ---@param action string
  ---@return gantry.Process faulty to be closed
  ---@return gantry.Event broken
  local function replace_proxy(pattern, action)
    stop_proxy()
    local faulty = hosts.fault_proxy(root .. "/engine.sock", pattern, action)
    return faulty.process, faulty.broken
  end

  test("leaves no container whose request was lost on its way back, and sent once more", function()
    local faulty, broken = replace_proxy("/containers/create", "abandon")
    hosts.policy(policy, KV)
    host = hosts.start("hold", { policy }, { runtime_dir = runtime_dir, input = "pipe",
      environment = { "DOCKER_HOST=unix://" .. root .. "/engine.sock" } })
    broken:wait()
    host.process:close_input()
    host:wait()
    hosts.assert_nothing_left(policy, runtime_dir)
    faulty:close()
    os.remove(root .. "/engine.sock")
    start_proxy()
  end)

  test("has the container go where the engine goes away in the middle of its removal", function()
    start_host()
    local socket = root .. "/engine.sock"
    local faulty, broken = replace_proxy("DELETE /", "die")
    await_line "is there again after"
    host:kill "KILL"
    broken:wait()
    task.sleep(11) -- longer than one removal is tried
    faulty:close()
    os.remove(socket)
    start_proxy()
    hosts.assert_nothing_left(policy, runtime_dir)
  end)
end)
