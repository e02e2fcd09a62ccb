-- SPDX-License-Identifier: Apache-2.0
--
--- One policy and one site policy under each face of gantry: the engine is asked for the same, and told of the same
--- refusal. Under a supervisor, `why` says what the site made of the policy.

local gantry = require "gantry"
local site = require "gantry.policy.site"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

local SITE <const> = [[
local gantry = require "gantry"
return function(config, ctx)
  if config.labels.refused then gantry.refuse("labels", "no such label here") end
  config.memory = math.min(config.memory or 1 << 30, 48 << 20)
  config.pids_limit = 61
  config.labels.engine = ctx.engine.kind
  config.labels.folder = ctx.folder:match "[^/]*$"
  return config
end
]]

describe("the site policy", function()
  local place, rule, policy

  before_each(function()
    place = supervision.place()
    rule = support.write(place.root .. "/site.lua", SITE)
    -- With what exec sets where a policy is silent: user and read_only.
    place:policy("kv", 'memory = "256MiB", user = "0:0", read_only = true, labels = { own = "x" },',
      ("#!%s exec\n"):format(support.executable))
    policy = place.policies .. "/kv.lua"
    assert(os.execute("chmod 755 " .. policy))
  end)
  after_each(function()
    site.choose(nil)
    task.run(place.close, place)
  end)

  ---What of the one container does not depend on who launched it, and where its sockets are.
  local function asked_for()
    local found = place:containers()
    assert.are.equal(1, #found)
    local inspected = support.in_docker_words(found[1].id)
    local host, config = inspected.HostConfig, inspected.Config
    local labels = {}
    for name, value in pairs(config.Labels) do
      if not name:find "^gantry%." then labels[name] = value end
    end
    return { image = inspected.Image, user = config.User, labels = labels, memory = host.Memory,
      pids = host.PidsLimit, tmpfs = host.Tmpfs, drop = host.CapDrop, security = host.SecurityOpt,
      read_only = host.ReadonlyRootfs, network = config.NetworkDisabled, runtime = host.Runtime, cmd = config.Cmd,
      entrypoint = config.Entrypoint, network_mode = host.NetworkMode, mounts = #host.Mounts }
  end

  local function options(more)
    local all = place:options()
    table.insert(all.environment, "GANTRY_SITE=" .. rule)
    for _, entry in ipairs(more or {}) do table.insert(all.environment, entry) end
    return all
  end

  ---The command, until it says that the plugin is there.
  local function while_running(arguments, pattern, more, executable)
    local all = options(more)
    all.executable, all.input = executable, "pipe"
    local command = support.command(arguments, all)
    command:await("stdout", pattern)
    local found = asked_for()
    command.process:close_input()
    command:kill "TERM"
    command:wait()
    return found
  end

  local FACES = {
    launch = function()
      site.choose(rule)
      local plugin <close> = assert(gantry.launch(policy, { runtime_dir = place.runtime_dir }))
      return asked_for(), plugin
    end,
    run = function() return while_running({ "run", policy }, '"address"') end,
    exec = function()
      return while_running({}, "^1|%d+|unix|", { "GANTRY_KV_COOKIE=" .. support.cookie[2], "PLUGIN_MIN_PORT=10000",
        "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS=1" }, policy)
    end,
    repl = function()
      return while_running({ "-e", ('p = launch %q print("there") io.flush() io.read()'):format(policy) }, "there")
    end,
    up = function()
      local up = place:up(nil, nil, nil, { "GANTRY_SITE=" .. rule })
      place:await_state("kv", "ready")
      local found = asked_for()
      local why = place:run("why", "kv").stdout
      local change = ("the site policy (%s:4) makes memory 50331648; the policy has 268435456"):format(rule)
      assert.matches(change, why, 1, true)
      up:kill "TERM"
      up:wait()
      return found
    end,
  }

  local expected
  for _, name in ipairs { "launch", "run", "exec", "repl", "up" } do
    it("asks the engine for the same under " .. name, function()
      task.run(function()
        local found = FACES[name]()
        assert.are.equal(48 << 20, found.memory)
        assert.are.equal(61, found.pids)
        assert.are.equal("policies", found.labels.folder)
        expected = expected or found
        assert.are.same(expected, found)
      end)
    end)
  end

  it("refuses under each", function()
    task.run(function()
      place:policy("kv", 'labels = { refused = "x" },', ("#!%s exec\n"):format(support.executable))
      local wanted = "labels: refused by the site policy"
      site.choose(rule)
      local plugin, err = gantry.launch(policy, { runtime_dir = place.runtime_dir })
      assert.is_nil(plugin)
      assert.are.equal("SITE_REFUSED", err.code)
      for _, arguments in ipairs { { "run", policy }, { "-e", ("launch %q"):format(policy) }, { "exec", policy } } do
        local command = support.command(arguments, options { "GANTRY_KV_COOKIE=" .. support.cookie[2],
          "PLUGIN_PROTOCOL_VERSIONS=1" })
        assert.are_not.equal(0, command:wait().code)
        assert.matches(wanted, command.stderr, 1, true)
      end
      local up = place:up(nil, nil, nil, { "GANTRY_SITE=" .. rule })
      up:await("stderr", "refused by the site policy")
      assert.are.same({}, place:containers())
    end)
  end)
end)
