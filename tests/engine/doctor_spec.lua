-- SPDX-License-Identifier: Apache-2.0
--
--- gantry doctor and gantry gc: what is found, what is said to do, and what is removed.

local json = require "gantry.json"
local core = require "gantry.core"
local support = require "engine.support"
local task = require "gantry.task"

describe("gantry doctor", function()
  local runtime_dir, folder, environment

  before_each(function()
    runtime_dir, folder = support.temporary(), support.temporary()
    environment = { "GANTRY_STATE_DIR=" .. folder .. "/state" }
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
    support.remove(folder)
  end)

  local function run(verb, ...)
    return support.run({ verb, ... }, { runtime_dir = runtime_dir, environment = environment })
  end

  ---@return table<string, table> the first finding of each check that is not ok, else the last
  ---@return integer exit_code
  local function examine(...)
    local result = run("doctor", "--json", ...)
    local told = assert(json.decode(result.stdout), result.stdout .. result.stderr)
    assert.are.equal(result.code == 0, told.ok)
    local found = {}
    for _, one in ipairs(told.findings) do
      assert.is_truthy(one.level == "ok" or one.remedy or one.code, one.message)
      if not found[one.check] or found[one.check].level == "ok" then found[one.check] = one end
    end
    return found, result.code
  end

  local function policy(text) return support.write(folder .. "/kv.lua", support.policy_text(text)) end

  it("finds nothing wrong here, and leaves nothing", function()
    local found, code = examine(policy "")
    assert.are.equal(0, code)
    for _, check in ipairs { "engine", "runtimes", "runtime directory", "path length", "visibility", "state directory",
      "leftovers", "policy", "launch" } do
      assert.are.equal("ok", found[check] and found[check].level, check)
    end
    assert.are.same({}, support.entries(runtime_dir))
    local text = run "doctor"
    assert.is_truthy(text.stdout:find("\nok +engine: "), text.stdout)
  end)

  it("says what is wrong with a policy on this machine", function()
    local found, code = examine(policy "runtime = 'nope', mounts = { { source = '/nowhere', target = '/x' } }")
    assert.are.equal(5, code)
    assert.are.equal("RUNTIME_UNKNOWN", found.launch.code)
    assert.is_truthy(found.mounts.message:find("/nowhere", 1, true))
    found, code = examine(policy "memmory = 1")
    assert.are.equal(3, code)
    assert.are.equal("CONFIG_INVALID", found.policy.code)
    found, code = examine(policy "tag = 'none'")
    assert.are.equal(6, code)
    assert.are.equal("IMAGE_NOT_FOUND", found.launch.code)
    assert.are.equal(0, select(2, examine(policy "tag = 'none', pull = 'missing'")))
  end)

  it("says that no engine answers, and goes on", function()
    local found, code = examine("--engine", "unix://" .. folder .. "/none.sock")
    assert.are.equal(5, code)
    assert.are.equal("ENGINE_UNREACHABLE", found.engine.code)
    assert.are.equal("ok", found["runtime directory"].level)
  end)

  it("says that the runtime directory cannot be used", function()
    assert(os.execute("chmod 777 " .. runtime_dir))
    local found, code = examine()
    assert.are.equal(7, code)
    assert.are.equal("RUNTIME_DIR_UNSAFE", found["runtime directory"].code)
    assert(os.execute("chmod 700 " .. runtime_dir))

    local short = runtime_dir
    runtime_dir = short .. "/" .. ("x"):rep(83 - #short)
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
    found, code = examine()
    assert.are.equal("warning", found["path length"].level)
    assert.is_truthy(found["path length"].message:find("leaves 5 bytes", 1, true), found["path length"].message)
    assert.is_truthy(code)
    runtime_dir = short
  end)

  it("finds what a killed gantry left; gc removes it", function()
    local path = policy "name = 'killed'"
    task.run(function()
      local command = support.command({ "run", path }, { runtime_dir = runtime_dir, environment = environment })
      command:await("stdout", "\n")
      -- While it lives, it is none of gc's.
      assert.are.equal("ok", examine().leftovers.level)
      assert.are.equal(0, run("gc").code)
      assert.are.equal(1, #support.containers(runtime_dir))
      command:kill "KILL"
      command:wait()
    end)
    assert(core.socket_dir.make(runtime_dir, "stray")):close()
    assert(os.execute("mkdir -m 700 " .. runtime_dir .. "/theirs")) -- not gantry's: no marker
    local found, code = examine()
    assert.are.equal(0, code)
    assert.are.equal("warning", found.leftovers.level)
    assert.is_truthy(found.leftovers.remedy:find("gantry gc", 1, true))

    local told = run("gc", "--dry-run").stdout
    assert.is_truthy(told:find("would remove container %x+ of plugin 'killed' %(running%)"), told)
    assert.is_truthy(told:find("stray", 1, true), told)
    assert.is_nil(told:find("theirs", 1, true))
    assert.are.equal(1, #support.containers(runtime_dir))
    assert.are.equal(0, run("gc").code)
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({ "theirs" }, support.entries(runtime_dir))
    assert(os.execute("rmdir " .. runtime_dir .. "/theirs"))
    assert.are.same({}, support.entries(folder .. "/state/reattach"))
    assert.are.equal("", run("gc").stdout)
  end)
end)
