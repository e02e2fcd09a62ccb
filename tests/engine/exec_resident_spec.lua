-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` beside a `gantry up --serve-hosts` of the same user: a go-plugin host gets a container that waited for
--- its plugin, and sees no other difference.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local resident = require "engine.resident"
local support = require "engine.support"
local task = require "gantry.task"

local SIZE <const> = resident.SIZE
local VERSION <const> = require "gantry.base.version"

describe("gantry exec beside a resident", function()
  local world, place, policy

  after_each(function()
    if world then task.run(world.close, world) end
    world = nil
  end)

  local function test(name, fn)
    it(name, function()
      if not hosts.find "hold" then return pending "go-plugin's hosts need a newer Go" end
      task.run(function()
        world = resident.world "docker"
        place, policy = world.place, world.policy
        fn()
      end)
    end)
  end

  ---Asks in a face's place.
  ---@param text string of the request, with "|" for zero bytes
  ---@param prefix string[]? a command that runs who asks
  ---@param descriptors integer?
  ---@return string answer
  local function ask_by_hand(text, prefix, descriptors)
    local command = { table.unpack(prefix or {}) }
    table.move({ world:asker(), world:socket(), text, tostring(descriptors or 2) }, 1, 4, #command + 1, command)
    local executable = table.remove(command, 1)
    local options = place:options()
    options.executable = executable
    table.move({ table.concat(support.cookie, "="), "PLUGIN_MIN_PORT=1", "PLUGIN_MAX_PORT=2",
      "PLUGIN_PROTOCOL_VERSIONS=1" }, 1, 4, #options.environment + 1, options.environment)
    return (support.run(command, options).stdout:gsub("\n$", ""))
  end

  test("gives it one that waited, and makes another behind it", function()
    world:serve()
    local host = world:hold()
    assert.are.equal(1, world:given())
    assert.matches("which waited for it", host.stderr, 1, true)
    world:await_full()
    assert.are.equal(SIZE + 1, #support.containers(place.runtime_dir))
    local found = hosts.processes(policy)
    assert.are.equal(0, #found.launcher)
    local libraries = support.read(("/proc/%d/maps"):format(found.face[1]))
    assert.is_nil(libraries:find("curl", 1, true))
    assert.is_nil(libraries:find("gantry-core", 1, true))
    world:close_host(host)
    assert.is_nil(host.stderr:find("failed to exit gracefully", 1, true), host.stderr)
    world:await_settled()
  end)

  test("has nobody load anything for a host, and takes up what changed", function()
    world:serve()
    world:write_policy 'env = { CHANGED = "yes" },'
    support.eventually("those that wait are of the new policy", function()
      local host = world:hold()
      local environment = world:plugin_environment()
      world:close_host(host)
      return environment.CHANGED == "yes" and world:given() > 0
    end, 120)
    world:await_settled()
  end)

  test("gives the plugin what the host meant for it, and nothing else", function()
    world:serve 'pass_env = { "WANTED" }, env = { MORE = "1" },'
    local host = world:hold({ "WANTED=really", "SECRET_TOKEN=hidden" }, { "-add", "FOR_THE_PLUGIN=yes" })
    assert.are.equal(1, world:given())
    local environment = world:plugin_environment()
    assert.are.equal("really", environment.WANTED)
    assert.are.equal("1", environment.MORE)
    assert.are.equal("yes", environment.FOR_THE_PLUGIN)
    assert.are.equal(support.cookie[2], environment[support.cookie[1]])
    assert.is_nil(environment.SECRET_TOKEN)
    world:close_host(host)
    world:await_settled()
  end)

  test("hands over more than 128 KiB of environment", function()
    world:serve 'pass_env = { "LONG_*" },'
    local long = {}
    for i = 1, 3 do long[i] = ("LONG_%d=%s"):format(i, ("x"):rep(100 * 1024)) end
    local host = world:hold(long)
    assert.are.equal(1, world:given())
    local environment = world:plugin_environment()
    for i = 1, 3 do assert.are.equal(100 * 1024, #environment["LONG_" .. i]) end
    world:close_host(host)
    world:await_settled()
  end)

  test("leaves what only the host's own launch can do to that", function()
    world:serve()
    local host = world:hold({ "DOCKER_HOST=unix:///run/docker.sock" })
    assert.are.equal(0, world:given())
    world:close_host(host)
    host = world:hold(nil, nil, { "-health", "serving" })
    world:close_host(host)
    assert.are.equal(0, world:given())
    world:await_settled()
  end)

  test("has it launched by itself where the policy is a function", function()
    support.write(policy, ('#!%s exec\nreturn function() return { image = "gantry-test-kv:latest", '
      .. 'disable_network = true, warm = 1 } end\n'):format(support.executable))
    assert(os.execute("chmod 755 " .. policy))
    place:up(nil, { "--serve-hosts" })
    local host = world:hold()
    assert.are.equal(0, world:given())
    world:close_host(host)
    assert.matches("cannot wait for hosts", place:run("why", "kv").stdout, 1, true)
  end)

  test("has more hosts than containers that wait served, all of them", function()
    world:serve()
    local held = {}
    task.all(table.unpack((function()
      local jobs = {}
      for i = 1, SIZE + 2 do jobs[i] = function() held[i] = world:hold() end end
      return jobs
    end)()))
    assert.is_true(world:given() >= 1)
    for _, host in ipairs(held) do world:close_host(host) end
    world:await_settled()
  end)

  test("has a plugin launched anew whose sockets are where TMPDIR says, and knows that of the next", function()
    hosts.policy(policy, ('image = "gantry-test-old", disable_network = true, warm = %d'):format(SIZE))
    place:up(nil, { "--serve-hosts" })
    world:await_full()
    for try = 1, 3 do
      local all = place:options()
      local result = hosts.run("old", { "host", policy }, all)
      assert.matches("met the plugin's listener\n", result.stdout .. result.stderr, 1, true)
      world:await_settled()
      assert.are.equal(try, world:given())
      local _, taken_back = place:run("why", "kv").stdout:gsub("its sockets are where TMPDIR says", "")
      assert.are.equal(1, taken_back)
    end
  end)

  -- ---- hosts ----

  -- go-plugin's examples: the policy that is served lies elsewhere than where the host looks, and is linked there.
  local EXAMPLES <const> = {
    basic = { { image = "basic-plugin", link = "plugin/greeter", runs = { { says = "Hello!" } } } },
    grpc = {
      { image = "grpc-plugin-go-grpc", link = "plugin", environment = "KV_PROTO=grpc",
        runs = { { "put", "hello", "world" }, { "get", "hello", says = "world" } } },
      { image = "grpc-plugin-go-netrpc", link = "plugin", environment = "KV_PROTO=netrpc",
        runs = { { "put", "hi", "there" }, { "get", "hi", says = "there" } } },
    },
    negotiated = { { image = "negotiated-plugin-go", link = "kv-plugin", environment = "KV_PROTO=grpc",
      runs = { { "put", "key", "value" }, { "get", "key", says = "value" } } } },
    streaming = { { image = "streaming-plugin", link = "plugin/streamer", runs = { { "out" } } } },
    -- Its plugin dials a socket that its host serves in its temporary directory.
    bidirectional = { { image = "bidirectional-plugin-go-grpc", link = "plugin",
      runs = { { "put", "counter", "1" }, { "put", "counter", "2" }, { "get", "counter", says = "3" } } } },
  }

  ---@param name string of the host
  ---@param example table
  local function run_example(name, example)
    local work = ("%s/%s"):format(place.root, example.image)
    assert(os.execute(("mkdir -p $(dirname %s/%s) && ln -s %s/%s.lua %s/%s"):format(work, example.link,
      place.policies, example.image, work, example.link)))
    for number, arguments in ipairs(example.runs) do
      support.eventually("one waits", function()
        local found = place:plugin(example.image)
        return found and found.warm and found.warm.waiting > 0
      end, 120)
      local all = place:options()
      all.directory = work
      table.move({ "TMPDIR=" .. work, "COUNTER_PLUGIN=./plugin", "KV_PLUGIN=./" .. example.link,
        example.environment }, 1, 4, #all.environment + 1, all.environment)
      local given = { table.unpack(arguments) }
      if given[1] == "out" then given[1] = work .. "/out" end
      local result = hosts.run("example-" .. name, given, all)
      assert.are.equal(0, result.code, example.image .. ": " .. result.stdout .. result.stderr)
      if arguments.says then assert.matches(arguments.says, result.stdout, 1, true) end
      assert.are.equal(number, world:given(example.image), place:run("why", example.image).stdout)
    end
  end

  test("serves go-plugin's example hosts", function()
    for _, examples in pairs(EXAMPLES) do
      for _, one in ipairs(examples) do
        local work = ("%s/%s"):format(place.root, one.image)
        assert(os.execute("mkdir " .. work))
        hosts.policy(("%s/%s.lua"):format(place.policies, one.image), ([[
image = "gantry-test-example-%s", disable_network = true, warm = 1, working_dir = %q,
mounts = { { source = %q, target = %q } }]]):format(one.image, work, work, work))
      end
    end
    place:up(nil, { "--serve-hosts" })
    for name, examples in pairs(EXAMPLES) do
      for _, one in ipairs(examples) do run_example(name, one) end
    end
  end)

  test("serves a host that calls its plugin back, with AutoMTLS", function()
    if not hosts.find "counter" then return pending "counter needs a newer Go" end
    local folder = place.root .. "/tmp"
    assert(os.execute("mkdir " .. folder))
    hosts.policy(policy, ([[
image = "gantry-test-example-counter", disable_network = true, warm = %d,
mounts = { { source = %q, target = %q } }]]):format(SIZE, folder, folder))
    place:up(nil, { "--serve-hosts" })
    world:await_full()
    local all = place:options()
    table.insert(all.environment, "TMPDIR=" .. folder)
    local result = hosts.run("counter", { "-mtls", policy, "3", "4" }, all)
    assert.are.equal("3\n7\n4 calls of the plugin\n", result.stdout, result.stderr)
    assert.are.equal(1, world:given())
    assert.is_nil(result.stderr:find("cannot see", 1, true), result.stderr)
    world:await_settled()
  end)

  test("serves a provider of OpenTofu's", function()
    if not hosts.find "tofu" then return pending "tofu was not built: it needs a newer Go" end
    local mirror = ("%s/mirror/registry.opentofu.org/hashicorp/time/0.14.2/linux_%s"):format(place.root,
      io.popen("go env GOARCH 2>/dev/null || echo amd64"):read "l")
    local work, configuration = place.root .. "/work", place.root .. "/tofu.rc"
    assert(os.execute(("mkdir -p %s %s && ln -s %s %s/terraform-provider-time_v0.14.2"):format(mirror, work, policy,
      mirror)))
    hosts.policy(policy, ('image = "gantry-test-provider-time", disable_network = true, warm = %d'):format(SIZE))
    support.write(configuration, ('provider_installation {\n  filesystem_mirror {\n    path = "%s/mirror"\n  }\n}\n')
      :format(place.root))
    support.write(work .. "/main.tf", [[
terraform {
  required_providers { time = { source = "hashicorp/time", version = "0.14.2" } }
}
resource "time_static" "now" {}
]])
    place:up(nil, { "--serve-hosts" })
    for _, arguments in ipairs { { "init" }, { "plan", "-out=saved" }, { "apply", "saved" },
      { "destroy", "-auto-approve" } } do
      world:await_full()
      local before, all = world:given(), place:options()
      all.directory = work
      table.move({ "TF_CLI_CONFIG_FILE=" .. configuration, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1",
        "HOME=" .. place.root }, 1, 4, #all.environment + 1, all.environment)
      local result = hosts.run("tofu", arguments, all)
      assert.are.equal(0, result.code, arguments[1] .. ": " .. result.stdout .. result.stderr)
      assert.are.equal(arguments[1] ~= "init", world:given() > before)
    end
    world:await_settled()
  end)

  -- ---- bad input ----

  test("answers nobody else, and takes back what is not taken", function()
    world:serve()
    local request = ("%s|%s|0"):format(VERSION, policy)
    assert.are.equal("X", ask_by_hand "nonsense")
    assert.are.equal("X", ask_by_hand "")
    assert.are.equal("X", ask_by_hand(("0.0.1|%s|0"):format(policy)))
    assert.are.equal("X", ask_by_hand(("%s|/etc/passwd|0"):format(VERSION)))
    for count = 0, 1 do assert.are.equal("X", ask_by_hand(request, nil, count)) end
    if core.system.euid() == 0 then
      assert(os.execute(("chmod 711 %s %s && chmod 666 %s"):format(place.root, place.runtime_dir, world:socket())))
      assert.are.equal("gone", ask_by_hand(request, { "/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
        "--clear-groups" }))
      assert(os.execute(("chmod 700 %s %s"):format(place.root, place.runtime_dir)))
    end
    world:await_settled()
    -- It has got one, and ends without a word.
    local answer = ask_by_hand(request)
    assert.are.equal("M", answer, answer ~= "M" and place:run("why", "kv").stdout or nil)
    world:await_settled()
    assert.matches("its host has gone", place:run("why", "kv").stdout, 1, true)
  end)

  ---Has something else listen where a resident would, and a host launch its plugin all the same.
  ---@param answer string
  ---@param prefix string[]? a command that runs who listens
  ---@return boolean asked whether it was asked for anything
  local function listens(answer, prefix)
    local command = { table.unpack(prefix or {}) }
    table.move({ world:asker(), "-listen", world:socket(), answer }, 1, 4, #command + 1, command)
    local other = support.command(table.move(command, 2, #command, 1, {}), { executable = command[1] })
    other:await("stdout", "ready")
    assert(os.execute(("chmod 700 %s %s"):format(place.root, place.runtime_dir)))
    local host = world:hold()
    world:close_host(host)
    other:kill "KILL"
    other:wait()
    return other.stdout:find "asked" ~= nil
  end

  test("is not waited for where something else answers, or nothing", function()
    world:write_policy()
    for _, answer in ipairs { "X", "M", "nonsense", "" } do assert.is_true(listens(answer)) end
  end)

  test("is not asked where its socket is another user's", function()
    if core.system.euid() ~= 0 then return pending "only root makes a socket for another user" end
    world:write_policy()
    assert(os.execute(("chmod 711 %s && chmod 777 %s"):format(place.root, place.runtime_dir)))
    assert.is_false(listens("X", { "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups" }))
  end)
end)
