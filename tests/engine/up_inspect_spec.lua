-- SPDX-License-Identifier: Apache-2.0
--
--- What `gantry inspect` tells of plugins that run: who set each field, and nothing that is secret.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local BASE <const> = 'return { disable_network = true, memory = "64MiB", env_files = %q }\n'
local KV <const> = [[
local gantry = require "gantry"
return gantry.extend(require "base", {
  image = "gantry-test-kv", tag = "latest", stop_timeout = 2, cpus = 0.5, env = { SHOWN = "plain" },
  cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  restart = function() return "restart", { memory = "96MiB", reason = "more room" } end,
})
]]

describe("gantry inspect", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(function() place:close() end) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  local function up()
    local secrets = support.write(place.root .. "/secret.env", "TOKEN=not-for-any-eyes\n")
    assert(os.execute("chmod 600 " .. secrets))
    support.write(place.root .. "/site.lua", "return function(config)\n  config.pids_limit = 100 return config end\n")
    support.write(place.policies .. "/base.lua", BASE:format(secrets))
    support.write(place.policies .. "/kv.lua", KV)
    place:up(nil, { "--site", place.root .. "/site.lua" })
    place:await_state("kv", "ready")
  end

  ---@param config table
  ---@param name string
  ---@return string
  local function said(config, name)
    local one = config[name]
    return ("%s %s %s"):format(one.value, one.origin, one.place and one.place:match "[^/]*$" or "-")
  end

  test("says who set each field of the config in force, also what was decided", function()
    up()
    local found = place:ask("inspect", "kv")
    assert.are.same({ "kv", "ready", place.policies .. "/kv.lua", { place.policies .. "/base.lua" } },
      { found.name, found.state, found.policy, found.built_on })
    assert.are.equal("67108864 base base.lua:1", said(found.config, "memory"))
    assert.are.equal("100 site site.lua:2", said(found.config, "pids_limit"))
    assert.are.equal("gantry-test-kv policy kv.lua:3", said(found.config, "image"))
    assert.are.equal("500000000 policy kv.lua:3", said(found.config, "nano_cpus"))
    assert.are.equal("60 default -", said(found.config, "start_timeout"))
    assert.are.equal("kv default -", said(found.config, "name"))
    assert.are.equal("function at kv.lua:5 policy kv.lua:5", said(found.config, "restart"))
    assert.are.same({}, found.decisions)

    assert(support.engine():kill(found.container, "KILL"))
    support.eventually("the next generation is there", function()
      local now = place:ask("inspect", "kv")
      return now.state == "ready" and now.generation == 2
    end)
    found = place:ask("inspect", "kv")
    assert.are.equal("100663296 decision -", said(found.config, "memory"))
    assert.are.same({ "exit", "decision" }, { found.decisions[1].kind, found.decisions[2].kind })
    assert.matches("more room", found.decisions[2].text)
  end)

  test("says the same after gantry up was killed", function()
    up()
    place.ups[1]:kill "KILL"
    place.ups[1]:wait()
    place:up(nil, { "--site", place.root .. "/site.lua" })
    place:await_state("kv", "ready")
    local found = place:ask("inspect", "kv")
    assert.are.equal("67108864 base base.lua:1", said(found.config, "memory"))
    assert.is_truthy(found.container)
  end)

  test("prints a text for people, of several, and no secret", function()
    up()
    place:policy "plain"
    place:run "reload"
    place:await_state("plain", "ready")
    local result = place:run("inspect", "kv", "plain")
    assert.are.equal(0, result.code, result.stderr)
    assert.matches("^kv\nstate +ready for [^\n]+\n", result.stdout)
    assert.matches("\nsocket +unix:/[^\n]+, grpc 1\n", result.stdout)
    assert.matches("\nmemory +64MiB +base /[^\n]+base.lua:1\n", result.stdout)
    assert.matches("\nstop_timeout +2s +policy /[^\n]+kv.lua:3\n", result.stdout)
    assert.matches("\nplain\nstate +ready", result.stdout)
    local container = place:ask("inspect", "kv").container
    assert.matches("not%-for%-any%-eyes", table.concat(support.engine():inspect(container).env, "\n"))
    for _, text in ipairs { result.stdout, place:run("inspect", "--json", "kv").stdout } do
      assert.matches("SHOWN", text)
      assert.not_matches("not%-for%-any%-eyes", text)
    end
  end)

  test("tells of one that has not started, and of none", function()
    support.write(place.policies .. "/lost.lua", 'return { image = "gantry-no-such-image", after = { "nobody" } }\n')
    place:up()
    place:await_state("lost", "waiting")
    local result = place:run("inspect", "lost", "nobody")
    assert.are.equal(1, result.code)
    assert.matches("\nimage +gantry%-no%-such%-image", result.stdout)
    assert.not_matches("\ncontainer", result.stdout)
    assert.matches("no plugin 'nobody' is supervised", result.stderr)
  end)

  test("and its fellows have plugins' names completed", function()
    up()
    for _, verb in ipairs { "inspect", "logs", "why" } do
      assert.are.equal("kv\tready\n:\n", place:run("__complete", verb, "").stdout)
    end
    assert.are.equal("debug\t\nerror\t\ninfo\t\ntrace\t\nwarn\t\n:\n",
      place:run("__complete", "logs", "--level", "").stdout)
  end)
end)
