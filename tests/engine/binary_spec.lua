-- SPDX-License-Identifier: Apache-2.0
--
--- Plugins from their own files: what runs is what was hashed, whoever else launches, writes or collects meanwhile.

local binaries = require "gantry.place.binaries"
local binary_image = require "gantry.engine.binary_image"
local core = require "gantry.core"
local gantry = require "gantry"
local garbage = require "gantry.plugin.garbage"
local hosts = require "engine.hosts"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

local KV <const> = (os.getenv("GANTRY_CACHE") or support.source .. "/.cache") .. "/kv/kv-1.8"

describe("a plugin from its binary", function()
  local place, environment

  before_each(function()
    place = supervision.place()
    environment = { GANTRY_STATE_DIR = place.root .. "/state" }
    assert(os.execute(("cp %s %s/kv"):format(KV, place.policies)))
    assert(os.execute(("printf %s >> %s/kv"):format(core.system.random(8), place.policies))) -- nobody's but this test's
  end)

  after_each(function()
    task.run(function()
      local made = binaries.images(support.engine().endpoint.name, environment)
      place:close() -- and the records with it
      hosts.assert_nothing_left(place.root, place.runtime_dir)
      for _, one in ipairs(made) do
        assert(support.engine():remove_image(binary_image.reference(one.sha256)) ~= nil)
      end
    end)
  end)

  local function path() return place.policies .. "/kv" end

  local function digest()
    local pipe <close> = assert(io.popen("sha256sum < " .. path()))
    return pipe:read("a"):match "%x+"
  end

  ---@param fields table? more fields of the policy
  ---@param on_event fun(kind: string, fields: table)?
  local function launch(fields, on_event)
    local config = { name = "kv", binary = path(), cookie = support.cookie, disable_network = true }
    for name, value in pairs(fields or {}) do config[name] = value end
    return gantry.launch(config, { runtime_dir = place.runtime_dir, environment = environment, on_event = on_event })
  end

  ---@param plugin gantry.Plugin
  local function assert_works(plugin)
    assert(plugin:call("proto.KV/Put", { key = "k", value = "v" }))
    assert.are.equal("v", assert(plugin:call("proto.KV/Get", { key = "k" })).value)
  end

  local function image_of(hash)
    return (support.engine():image(binary_image.reference(hash)))
  end

  ---The policy as a file, as `name = value` lines.
  local function write_policy(lines)
    support.write(place.policies .. "/kv.lua", ("return {\n  binary = 'kv', disable_network = true, stop_timeout = 2,\n"
      .. "  cookie = { %q, %q },\n%s}\n"):format(support.cookie[1], support.cookie[2], lines or ""))
    return place.policies .. "/kv.lua"
  end

  it("runs in an image of that file, which is loaded once", function()
    local loaded = 0
    for round = 1, 2 do
      local plugin <close> = assert(launch({ sha256 = digest() }, function(kind)
        if kind == "loading" then loaded = loaded + 1 end
      end))
      assert_works(plugin)
      assert.are.equal(1, loaded, round)
      local container = support.running(plugin.container)
      local image = assert(image_of(digest()))
      assert.are.equal(image.id, container.image_id)
      -- Behind an init, where there is one.
      assert.matches("/plugin\0$", support.read(("/proc/%d/cmdline"):format(container.state.pid)))
      assert.are.equal(digest(), image.labels and image.labels[binary_image.LABEL] or digest())
    end
    local planned = assert(gantry.plan { binary = path() })
    assert.are.same({ image_of(digest()).id, path(), digest() }, { planned.image_id, planned.binary, planned.sha256 })
    os.remove(path())
    local _, err = launch()
    assert.are.equal("BINARY_NOT_FOUND", err.code)
  end)

  it("is refused where it is not the pinned one, before the engine has it", function()
    local _, err = launch { sha256 = ("0"):rep(64) }
    assert.are.equal("BINARY_PIN_MISMATCH", err.code)
    assert.is_truthy(err.message:find(digest(), 1, true), err.message)
    assert.is_nil(image_of(digest()))
  end)

  it("is launched by many at once", function()
    task.run(function()
      local scope <close> = task.scope()
      local works = 0
      for i = 1, 4 do
        scope:spawn(function()
          local plugin <close> = assert(launch { name = "kv" .. i })
          assert_works(plugin)
          works = works + 1
        end)
      end
      scope:wait()
      assert.are.equal(4, works)
    end)
  end)

  -- Written to in place, made shorter, and replaced by another file: between its hash and its way to the engine.
  for what, command in pairs { written = "printf x | dd of=%s bs=1 seek=5000000 conv=notrunc status=none",
    ["made shorter"] = "truncate -s -100000 %s" } do
    it(("that is %s while it is loaded is refused"):format(what), function()
      local hash = digest()
      local plugin, err = launch({}, function(kind)
        if kind == "loading" then assert(os.execute(command:format(path()))) end
      end)
      assert.is_nil(plugin)
      assert.are.equal("BINARY_CHANGED", err.code)
      assert.is_truthy(err.message:find(path(), 1, true), err.message)
      assert.is_nil(image_of(hash))
      assert.is_nil(image_of(digest()))
    end)
  end

  it("that is replaced while it is loaded runs as it was looked at", function()
    local hash = digest()
    local plugin <close> = assert(launch({ sha256 = hash }, function(kind)
      if kind == "loading" then assert(os.execute(("cp /bin/true %s.new && mv %s.new %s"):format(path(), path(),
        path()))) end
    end))
    assert_works(plugin)
    assert.are.equal(hash, assert(image_of(hash)).labels[binary_image.LABEL])
  end)

  it("does not believe an image of its name", function()
    local engine = support.engine()
    assert(engine:call("POST", ("/images/gantry-test-broken/tag?repo=localhost/gantry-binary&tag=%s"):format(digest()),
      { action = "tag" }))
    local plugin <close> = assert(launch { sha256 = digest() })
    assert_works(plugin)
    assert.are.equal(digest(), assert(image_of(digest())).labels[binary_image.LABEL])
  end)

  it("may be large: others have their turn, and it is never in Lua's memory", function()
    assert(os.execute(("truncate -s %d %s"):format(150 << 20, path())))
    task.run(function()
      local turns, most = 0, 0
      local scope <close> = task.scope()
      local watch = scope:spawn(function()
        while true do
          turns, most = turns + 1, math.max(most, collectgarbage "count")
          task.sleep(0)
        end
      end)
      local began = collectgarbage "count"
      local plugin <close> = assert(launch())
      assert_works(plugin)
      watch:cancel()
      assert.is_true(turns > 150, turns)
      assert.is_true(most - began < 10 * 1024, most - began) -- KiB
    end)
  end)

  it("that is dynamic gets this machine's libraries, read-only", function()
    support.write(place.root .. "/p.c", "#include <math.h>\n#include <stdio.h>\nint main(int c, char **v)"
      .. '{ (void)v; printf("%d by %.0f\\n", c, cbrt(27.0 * c * c * c)); return 7; }')
    local policy = place.policies .. "/p"
    assert(os.execute(("cc -o %s.bin %s/p.c -lm"):format(policy, place.root)))
    hosts.policy(policy, 'binary = "p.bin"')
    local options = { executable = policy, runtime_dir = place.runtime_dir,
      environment = { "GANTRY_STATE_DIR=" .. environment.GANTRY_STATE_DIR } }
    local result = support.run({ "describe" }, options)
    assert.are.equal(1, result.code)
    assert.is_truthy(result.stderr:find("libm.so.6, libc.so.6; set libraries = true", 1, true), result.stderr)
    hosts.policy(policy, 'binary = "p.bin", libraries = true')
    result = support.run({ "describe", "me" }, options)
    assert.are.equal("3 by 9\n", result.stdout, result.stderr)
    assert.are.equal(7, result.code)
  end)

  it("is shown by plan, check and doctor, and called", function()
    local policy = write_policy()
    local function run(...)
      local result = support.run({ ... }, place:options())
      return result.stdout .. result.stderr, result.code
    end
    local short = "sha256:" .. digest():sub(1, 12)
    assert.is_truthy(run("plan", policy):find(("from binary %s (%s…)"):format(path(), short), 1, true))
    assert.is_truthy(run("doctor", policy):find(("binary %s (%s…)"):format(path(), short), 1, true))
    assert.are.same({ "", 0 }, { run("check", policy) })
    local output, code = run("call", policy, "KV/Put", '{"key":"a","value":"Yg=="}')
    assert.are.same({ "{}\n", 0 }, { output, code })
    write_policy("sha256 = ('1'):rep(64),\n")
    output, code = run("check", policy)
    assert.are.equal(6, code)
    assert.matches("^" .. policy:gsub("%p", "%%%0") .. ":4: binary .* is not the pinned one", output)
    assert.are.equal(6, select(2, run("run", policy)))
  end)

  it("goes on under gantry up when the file changes; the next start has the new one", function()
    task.run(function()
      write_policy()
      place:up()
      local before = place:await_state("kv", "ready")
      assert.are.equal(path(), place:plugin("kv").image)
      local hash = digest()
      assert(os.execute(("cp %s %s/new && printf new >> %s/new && mv %s/new %s"):format(path(), place.root, place.root,
        place.root, path())))
      assert.are.equal(0, place:run("reload").code)
      assert.are.equal(before.container, place:plugin("kv").container)
      assert.are.equal(0, place:run("restart", "kv").code)
      local after = place:await_state("kv", "ready")
      assert.are_not.equal(before.container, after.container)
      assert.are_not.equal(hash, digest())
      assert.are.equal(image_of(digest()).id, after.image_id)
    end)
  end)

  it("is forgotten by gc once no policy names it and no container uses it", function()
    task.run(function()
      local engine = support.engine()
      local function found()
        local names = {}
        for _, item in ipairs(assert(garbage.find(engine, { runtime_dir = place.runtime_dir,
          environment = environment }))) do
          names[#names + 1] = item.kind == "image" and item.name or nil
        end
        return names
      end
      local policy, reference = write_policy(), binary_image.reference(digest())
      support.eventually("the file stands still", function()
        local file <close> = assert(core.files.open(path()))
        return os.time() - select(2, file:stamp()) > 1
      end, 10)
      local plugin = assert(gantry.launch(policy, { runtime_dir = place.runtime_dir, environment = environment }))
      os.remove(policy)
      assert.are.same({}, found()) -- its container is there
      plugin:stop()
      write_policy()
      local again <close> = assert(gantry.launch(policy, { runtime_dir = place.runtime_dir,
        environment = environment }))
      again:stop()
      assert.are.same({}, found()) -- its policy is there
      os.remove(policy)
      assert.are.same({ reference }, found())
      local result = support.run({ "gc" }, place:options())
      assert.is_truthy(result.stdout:find("removed image " .. reference, 1, true), result.stdout .. result.stderr)
      assert.is_nil(image_of(digest()))
      assert.are.same({}, binaries.images(engine.endpoint.name, environment))
    end)
  end)
end)
