-- SPDX-License-Identifier: Apache-2.0
--
--- The site policy: what it may do to policies, where it is looked for, and that nothing starts where it is broken.

local core = require "gantry.core"
local json = require "gantry.json"
local policies = require "gantry.policy"
local policy_set = require "gantry.supervisor.policies"
local task = require "gantry.task"

local executable = os.getenv "GANTRY"

describe("a site policy", function()
  local folder

  local function write(name, text)
    local path = folder .. "/" .. name
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    return path
  end

  local function run(arguments, environment)
    local command = ("cd %s && %s %s %s 2>&1"):format(folder, environment or "", executable, arguments)
    local pipe = assert(io.popen(command))
    local text = pipe:read "a"
    return select(3, pipe:close()), text
  end

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
    write("a.lua", "return {\n  image = 'x', name = 'a',\n  memory = '1GiB' }")
    write("site.lua", [[
local gantry = require "gantry"
return function(config, ctx)
  if config.image == "bad" then gantry.refuse("image", "bad things are not run in " .. ctx.verb) end
  config.memory = math.min(config.memory or 64 << 20, 512 << 20)
  config.pids_limit = config.pids_limit or 32
  return config
end
]])
  end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  it("fills in and changes, and the plan says what and where", function()
    local site = { path = folder .. "/site.lua" }
    local found = assert(policies.load(folder .. "/a.lua", {}, { site = site }))
    assert.are.equal(512 << 20, found.config.memory)
    assert.are.same({
      { field = "memory", from = 1 << 30, to = 512 << 20, place = site.path .. ":4" },
      { field = "pids_limit", to = 32, place = site.path .. ":5" },
    }, found.site)
    local code, text = run "plan --offline --site site.lua a.lua"
    assert.are.equal(0, code, text)
    assert.matches("a: the site policy (site.lua:4) makes memory 536870912; the policy has 1073741824", text, 1, true)
    assert.matches("makes pids_limit 32; the policy does not set it", text, 1, true)
    code, text = run("plan --offline --json a.lua", "GANTRY_SITE=site.lua")
    assert.are.equal(0, code, text)
    assert.are.equal("memory", json.decode(text).site[1].field)
  end)

  it("refuses with an exit code of its own, and the policy's line", function()
    write("b.lua", "return {\n  image = 'bad' }")
    for _, arguments in ipairs { "plan b.lua", "check b.lua", "run b.lua", "simulate b.lua --oom 1",
      "call b.lua --list" } do
      local code, text = run(arguments, "GANTRY_SITE=site.lua")
      assert.are.equal(9, code, arguments .. ": " .. text)
      assert.matches("b.lua:2: image: refused by the site policy (site.lua:3): bad things are not run in "
        .. arguments:match "^%a+", text, 1, true)
    end
  end)

  for name, one in pairs {
    ["is not there"] = { nil, "no such file" },
    ["returns nothing"] = { "", "a site policy must return a function of (config, ctx), got nothing" },
    ["returns a table"] = { "return {}", "got a table" },
    ["gives nothing back"] = { "return function() end", "its function must return the config" },
    ["raises"] = { "return function()\n  error 'oops' end", "broken.lua:2: oops" },
    ["is no Lua"] = { "return return", "unexpected symbol" },
    ["loops"] = { "return function() while true do end end", "instructions" },
    ["makes what is none"] = { "return function(c)\n c.memory = 1\n return c end",
      "broken.lua:2: memory must be at least" },
    ["renames"] = { "return function(c) c.name = 'b' return c end", "it changed the plugin's name" },
  } do
    it("lets nothing start where it " .. name, function()
      if one[1] then write("broken.lua", one[1]) end
      for _, verb in ipairs { "run", "check", "plan --offline" } do
        local code, text = run(verb .. " --site broken.lua a.lua")
        assert.are.equal(3, code, text)
        assert.matches("the site policy is broken, and nothing starts until it is repaired: ", text, 1, true)
        assert.matches(one[2], text, 1, true)
      end
    end)
  end

  it("is one that only its owner may write to", function()
    assert(os.execute(("chmod o+w %s/site.lua"):format(folder)))
    local code, text = run "check --site site.lua a.lua"
    assert.are.equal(3, code)
    assert.matches("everybody may write to it", text, 1, true)
  end)

  it("is checked by itself, and is no policy among others", function()
    assert.are.equal(0, (run "check --site site.lua"))
    assert.are.equal(0, (run "check --site site.lua a.lua site.lua"))
    assert.are.equal(2, (run "check"))
  end)

  it("holds for what decisions change", function()
    write("c.lua", [[
local without = require("gantry").without
return { image = "x", tag = "1", memory = "256MiB", restart = function(exit, history)
  if exit.cause == "signal" then return "restart", { tag = without } end
  if exit.cause == "exit" then return "restart", { image = "bad" } end
  return "restart", { memory = history.config.memory * 4, reason = "more" }
end }]])
    local code, text = run "simulate --json --site site.lua c.lua --oom 3 --exit 1 --signal SEGV"
    assert.are.equal(0, code, text)
    local steps = json.decode(text).steps
    assert.are.equal(512 << 20, steps[2].exit.memory_limit or steps[1].decision.changes.memory)
    for i = 1, 3 do assert.are.equal(512 << 20, steps[i].decision.changes.memory) end
    assert.matches("bad things are not run", steps[4].decision.fault.message, 1, true)
    assert.are.same({ tag = { ["gantry.without"] = true } }, steps[5].decision.changes)
  end)

  it("is applied where a supervisor's policies are loaded, and an edit of it is seen", function()
    assert(os.execute(("mkdir %s/set && mv %s/a.lua %s/set"):format(folder, folder, folder)))
    local site = require "gantry.policy.site"
    site.choose(folder .. "/site.lua")
    finally(function() site.choose(nil) end)
    task.run(function()
      local set = policy_set.new(folder .. "/set", { engine = {} })
      finally(function()
        set:close()
        site.choose(nil)
      end)
      local found = assert(set:scan())
      assert.are.same({}, found.broken)
      assert.are.equal(512 << 20, found.set.a.config.memory)
      assert.are.same({ "memory", "pids_limit" }, { found.set.a.site[1].field, found.set.a.site[2].field })
      write("site.lua", "return function(config) config.memory = 8 << 20 return config end")
      assert.are.equal(8 << 20, assert(set:scan()).set.a.config.memory)
      write("site.lua", "return 5")
      local broken = assert(set:scan())
      assert.are.equal("SITE_BROKEN", broken.broken[1].errors[1].code)
      assert.are.equal(8 << 20, broken.set.a.config.memory) -- the last good one stays
    end)
  end)

  it("holds for tables that a program launches", function()
    local site = require "gantry.policy.site"
    site.choose(folder .. "/site.lua")
    finally(function() site.choose(nil) end)
    local gantry = require "gantry"
    local plan = assert(gantry.plan({ image = "x" }, { offline = true }))
    assert.are.equal(64 << 20, plan.request.HostConfig.Memory)
    local found, err = gantry.plan({ image = "bad" }, { offline = true })
    assert.is_nil(found)
    assert.are.equal("SITE_REFUSED", err.code)
  end)
end)
