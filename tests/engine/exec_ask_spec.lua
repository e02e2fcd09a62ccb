-- SPDX-License-Identifier: Apache-2.0
--
--- What is executed without a handshake and with arguments, such as `describe` or `-version`: the image's program runs
--- once, and what it says and how it ends is the answer, as if it had been executed itself.

local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local KV <const> = 'image = "gantry-test-kv:latest", disable_network = true,\n'
local FLOOD <const> = "-flood-before -flood-stdout 1000064 -exit-now 7"

describe("gantry exec, asked something,", function()
  local root, runtime_dir, policy

  before_each(function()
    root = support.temporary()
    runtime_dir, policy = root .. "/run", root .. "/plugin"
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
    hosts.policy(policy, KV)
  end)

  after_each(function()
    task.run(function() hosts.assert_nothing_left(policy, runtime_dir) end)
    support.remove(root)
  end)

  local function ask(arguments, environment)
    return support.run(arguments, { executable = policy, runtime_dir = runtime_dir, environment = environment })
  end

  ---@param script string of the shell, in which "$0" is the policy
  local function shell(script, environment)
    return support.run({ "-c", script, policy }, { executable = "/bin/sh", runtime_dir = runtime_dir,
      environment = environment })
  end

  it("runs its program once, and passes on what it says and nothing else", function()
    hosts.policy(policy, KV .. 'args = { "-exit-now", "9" }, cookie = { "GANTRY_KV_COOKIE", "x" }')
    local result = ask { "-flood-before", "-flood-stdout", "300032", "-flood-stderr", "1024", "-exit-now", "7" }
    assert.are.equal(7, result.code, result.stderr)
    assert.are.equal(300032, #result.stdout)
    assert.matches("^flood 000000000000 .-\nflood 000000000001 ", result.stdout)
    assert.are.equal(1024, #result.stderr, result.stderr)
    assert.matches("^flood 000000000000 ", result.stderr)
    result = ask { "-no-such-flag" }
    assert.are.equal(2, result.code, result.stderr)
    assert.matches("^flag provided but not defined: %-no%-such%-flag\n", result.stderr)
  end)

  -- More than gantry holds of it, and less.
  for _, size in ipairs { 1000064, 200064 } do
    it(("gives all of an answer of %d bytes to who reads it late"):format(size), function()
      -- Longer than gantry waits for the host of a plugin that has ended.
      local result = shell(('{ "$0" -flood-before -flood-stdout %d -exit-now 7; echo $? >&2; } | { sleep 4; wc -c; }')
        :format(size))
      assert.are.equal(size .. "\n", result.stdout, result.stderr)
      assert.are.equal("7\n", result.stderr)
    end)
  end

  it("gives all of the answer through an engine behind TLS, too", function()
    if not hosts.find("tlsfront") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local front, environment = hosts.behind_tls(root .. "/tls")
      -- Longer than the process that keeps the connection waits for a plugin's host.
      local result = shell(('{ "$0" %s; echo $? >&2; } | { sleep 12; wc -c; }'):format(FLOOD), environment)
      assert.are.equal("1000064\n", result.stdout, result.stderr)
      assert.are.equal("7\n", result.stderr)
      hosts.assert_nothing_left(policy, runtime_dir)
      front:close()
    end)
  end)

  it("writes into files, and where nobody listens", function()
    local result = shell(('"$0" %s >%s/out 2>&1; echo $?; "$0" %s >&- 2>&-; echo $?'):format(FLOOD, root, FLOOD))
    assert.are.equal("7\n7\n", result.stdout, result.stderr)
    assert.are.equal(1000064, #support.read(root .. "/out"))
  end)

  it("ends with who has read enough", function()
    local result = shell '"$0" -flood-before -flood-stdout 1000000000 | head -c 5'
    assert.are.equal("flood", result.stdout, result.stderr)
    assert.are.equal("", result.stderr)
  end)

  it("leaves its host's input alone", function()
    local result = shell 'echo yes | { "$0" -exit-now 0; cat; }'
    assert.are.equal("yes\n", result.stdout, result.stderr)
  end)

  -- A host that is a plugin itself hands down what its own host set.
  for what, environment in pairs {
    ["go-plugin's"] = { "ITS_COOKIE=x", "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
      "PLUGIN_PROTOCOL_VERSIONS=1" },
    ["Packer's"] = { "PACKER_PLUGIN_MAGIC_COOKIE=x", "PACKER_PLUGIN_MIN_PORT=10000", "PACKER_PLUGIN_MAX_PORT=25000" },
  } do
    it("answers although it inherits " .. what .. " variables", function()
      hosts.policy(policy, KV .. 'cookie = { "ITS_COOKIE", "x" }')
      local result = shell(('{ "$0" %s; echo $? >&2; } | wc -c'):format(FLOOD), environment)
      assert.are.equal("1000064\n", result.stdout, result.stderr)
      assert.matches("7\n$", result.stderr)
    end)
  end

  for what, case in pairs {
    ["an image that is not there"] = { 'image = "gantry-test-no-such-image"',
      { "is not on the engine at ", "is not in gantry's own store" } },
    ["a broken policy"] = { KV .. 'memmory = "1GiB"', "unknown field 'memmory'; did you mean 'memory'?" },
    ["a program that is not there"] = { KV .. 'entrypoint = { "/no/such" }', "/no/such" },
    ["an engine that is away"] = { KV, "/no/engine.sock", { "DOCKER_HOST=unix:///no/engine.sock" } },
    -- On a busy machine there was no time to begin with it.
    ["an engine that takes too long"] = { KV .. 'start_timeout = "150ms"', { "took longer than", "was not started" } },
  } do
    it("says in one line why there is no answer: " .. what, function()
      hosts.policy(policy, case[1])
      local result = ask({ "describe" }, case[3])
      assert.are.equal(1, result.code, result.stderr)
      assert.are.equal("", result.stdout)
      assert.matches("^%[ERROR%] gantry: [^\n]*\n$", result.stderr)
      local said = false
      for _, wanted in ipairs(type(case[2]) == "table" and case[2] or { case[2] }) do
        said = said or result.stderr:find(wanted, 1, true) ~= nil
      end
      assert.is_true(said, result.stderr)
    end)
  end
end)
