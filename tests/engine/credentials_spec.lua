-- SPDX-License-Identifier: Apache-2.0
--
-- credentials_spec.lua: credentials and files of variables, as the plugin's process has them, and where they are not.

local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

local SECRET <const>, VARIABLE <const> = "sesame-credential", "sesame-variable"

local function shell(text, ...)
  local pipe <close> = assert(io.popen(text:format(...)))
  return (pipe:read "a":gsub("\n$", ""))
end

---What another user than root may read in the container, without any right of root's.
---@param pid integer
---@param user string
---@param path string
---@return string
local function read_as(pid, user, path)
  return shell("exec 9</proc/%d/root && setpriv --reuid %s --regid 65533 --clear-groups --inh-caps=-all cat "
    .. "/proc/self/fd/9%s 2>&1", pid, user, path)
end

---All that is in a folder, by name, as text.
local function all_of(folder)
  return shell("grep -rs . %s; ls -R %s", folder, folder)
end

describe("credentials", function()
  local folder, runtime_dir, place, state

  before_each(function()
    place = supervision.place()
    folder, runtime_dir, state = place.root .. "/secrets", place.runtime_dir, place.root .. "/state"
    assert(os.execute("mkdir -m 700 " .. folder))
    support.write(folder .. "/token", SECRET)
    support.write(folder .. "/kv.env", "FROM_FILE=" .. VARIABLE .. "\n")
  end)

  after_each(function() place:close() end)

  ---@param more string? Lua
  ---@return string path
  local function policy(more)
    place:policy("kv", ([[credentials = { token = %q }, env_files = %q, %s]]):format(folder .. "/token",
      folder .. "/kv.env", more or ""))
    return place.policies .. "/kv.lua"
  end

  ---@return table inspected, string source folder on the host
  local function container_of(plugin)
    local inspected = support.running(plugin.container)
    for _, mount in ipairs(inspected.mounts) do
      if mount.target == "/run/credentials/kv" then return inspected, mount.source end
    end
    error "no folder of credentials"
  end

  for name, more in pairs { root = "user = '0:0'", ["a number"] = "user = '65532:65532'",
    ["the image's own"] = "tag = 'nonroot'" } do
    it("are the plugin's user's alone, in memory: " .. name, function()
      task.run(function()
        local plugin <close> = assert(gantry.launch(policy(more), { runtime_dir = runtime_dir }))
        local inspected, source = container_of(plugin)
        local uid = support.user_of(plugin.container)
        local status = core.system.stat(("/proc/%d/root/run/credentials/kv/token"):format(inspected.state.pid))
        assert.same({ uid, tonumber("400", 8), #SECRET }, { status.uid, status.mode, status.size })
        assert.is_true(core.system.in_memory(source))
        assert.equal(SECRET, read_as(inspected.state.pid, uid, "/run/credentials/kv/token"))
        assert.matches("Permission denied", read_as(inspected.state.pid, "64321", "/run/credentials/kv/token"))
        assert.matches("Permission denied",
          shell("setpriv --reuid 64321 --regid 64321 --clear-groups ls %s 2>&1", source))
        plugin:stop()
        assert.is_nil(core.system.stat(source))
      end)
    end)
  end

  it("belong to a user that the image alone knows by number", function()
    assert(os.execute(("printf 'root:x:0:0::/:\\nkv:x:4321:4321::/:\\n' > %s/passwd && "
      .. "printf 'FROM gantry-test-kv:latest\\nCOPY passwd /etc/passwd\\nUSER kv\\n' > %s/Dockerfile && "
      .. "docker build -q -t gantry-test-kv:named %s >/dev/null 2>&1"):format(place.root, place.root, place.root)))
    local _ <close> = setmetatable({}, { __close = function()
      os.execute "docker rmi gantry-test-kv:named >/dev/null"
    end })
    task.run(function()
      local plugin <close> = assert(gantry.launch(policy "tag = 'named'", { runtime_dir = runtime_dir }))
      local _, source = container_of(plugin)
      assert.equal(4321, core.system.stat(source .. "/token").uid)
      plugin:stop()
      local _, err = gantry.launch(policy "user = 'nobody-here'", { runtime_dir = runtime_dir })
      assert.equal("USER_UNKNOWN", err.code)
    end)
    assert.same({}, support.containers(runtime_dir))
  end)

  it("are in nothing that is shown or kept: inspect, plan, diagnosis, logs, state", function()
    local planned = place:run("plan", policy(), "--json")
    assert.equal(0, planned.code, planned.stderr)
    local request = assert(json.decode(planned.stdout)).request
    assert.equal("FROM_FILE=********", request.Env[1])
    local text = place:run("plan", policy())
    task.run(function()
      local plugin <close> = assert(gantry.launch(policy 'debug = "env"', { runtime_dir = runtime_dir,
        environment = { GANTRY_STATE_DIR = state } }))
      local inspected = container_of(plugin)
      local diagnosis = assert(json.encode(plugin:diagnose()))
      local kept = all_of(state)
      assert.matches("credentials", kept)
      for what, shown in pairs { inspect = assert(json.encode(inspected)), plan = planned.stdout .. text.stdout,
        diagnosis = diagnosis, state = kept } do
        assert.is_nil(shown:find(SECRET, 1, true), what)
        -- A container's variables are in its inspect: the engine has no other way. Nowhere else.
        if what ~= "inspect" then assert.is_nil(shown:find(VARIABLE, 1, true), what) end
      end
      assert.matches("FROM_FILE=%*%*%*%*", diagnosis)
      plugin:stop()
      assert(support.engine():remove(plugin.container))
    end)
  end)

  it("are not in the memory of the process that put them there", function()
    task.run(function()
      local command = support.command({ "run", policy() }, place:options())
      command:await("stdout", "ready_ms")
      local pid = command.process:pid()
      local found = shell("python3 - %d <<'END'\n%s\nEND", pid, ([[
import re, sys
pid, found, path = sys.argv[1], 0, 0
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in maps:
        first, last, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
        if rights[0] != "r" or "[v" in line: continue
        memory.seek(int(first, 16))
        content = memory.read(int(last, 16) - int(first, 16))
        found, path = found + content.count(b"%s"), path + content.count(b"%s/token")
print(found, path > 0)]]):format(SECRET, folder))
      command:kill "INT"
      command:wait()
      assert.equal("0 True", found)
    end)
  end)

  it("go with the generation, also where gantry was killed", function()
    task.run(function()
      local command = support.command({ "run", policy() }, place:options())
      local container = command:await("stdout", '"container":"(%x+)"')
      local _, source = container_of { container = container }
      command:kill "KILL"
      command:wait()
      assert.is_truthy(core.system.stat(source))
      local again = support.command({ "run", policy() }, place:options())
      local second = again:await("stdout", '"container":"(%x+)"')
      assert.is_nil(core.system.stat(source))
      _, source = container_of { container = second }
      again:kill "KILL"
      again:wait()
      local gc = place:run("gc")
      assert.equal(0, gc.code, gc.stderr)
      assert.is_nil(core.system.stat(source))
    end)
  end)

  it("of a plugin that a later `gantry up` took over go with it as well", function()
    task.run(function()
      policy()
      local first = place:up()
      local _, source = container_of { container = place:await_state("kv", "ready").container }
      first:kill "KILL"
      first:wait()
      place:up()
      place:await_state("kv", "ready")
      assert.is_truthy(core.system.stat(source))
      assert.equal(0, place:run("down").code)
      assert.is_nil(core.system.stat(source))
    end)
  end)

  it("that cannot be used refuse the launch before anything is made", function()
    assert(os.execute("chmod 666 " .. folder .. "/token"))
    local ran = place:run("run", policy())
    assert.is_true(ran.code ~= 0)
    assert.matches("credentials%.token: /.*/token may be written to by everybody; run: chmod go%-w", ran.stderr)
    assert.is_nil(ran.stderr:find(SECRET, 1, true))
    assert.same({}, support.containers(runtime_dir))
  end)

  it("restart a plugin that is to be restarted for them, and no other; a missing file does not", function()
    task.run(function()
      support.write(folder .. "/other", "1")
      place:policy("kv", ("credentials = { token = { file = %q, on_change = 'restart' } }"):format(folder .. "/token"))
      place:policy("still", ("credentials = { token = %q }"):format(folder .. "/token"))
      place:up()
      local before, still = place:await_state("kv", "ready"), place:await_state("still", "ready")
      os.remove(folder .. "/token")
      support.eventually("the missing file is told of", function()
        return place:run("why", "kv").stdout:find("does not exist; make it", 1, true)
      end)
      assert.equal(before.generation, place:plugin("kv").generation)
      support.write(folder .. "/new", SECRET .. "-2")
      assert(os.rename(folder .. "/new", folder .. "/token"))
      local after = support.eventually("a new generation is ready", function()
        local one = place:plugin "kv"
        return one.generation > before.generation and one.state == "ready" and one
      end)
      local _, source = container_of { container = after.container }
      assert.equal(SECRET .. "-2", support.read(source .. "/token"))
      assert.matches("restart for the changed credentials", place:run("why", "kv").stdout)
      assert.equal(still.generation, place:plugin("still").generation)
      assert.is_nil(all_of(state):find(SECRET, 1, true))
      assert.equal(0, place:run("down").code)
      assert.is_nil(core.system.stat(source))
    end)
  end)

  it("of a container that somebody removed by hand go with the next launch", function()
    task.run(function()
      local command = support.command({ "run", policy() }, place:options())
      local container = command:await("stdout", '"container":"(%x+)"')
      local _, source = container_of { container = container }
      command:kill "KILL"
      command:wait()
      assert(support.engine():remove(container))
      assert.is_truthy(core.system.stat(source))
      local again = support.command({ "run", policy() }, place:options())
      again:await("stdout", "ready_ms")
      again:kill "INT"
      again:wait()
      assert.is_nil(core.system.stat(source))
    end)
  end)

  it("are there under `gantry exec` as well, and go with it", function()
    task.run(function()
      local options = place:options()
      for _, entry in ipairs { "GANTRY_KV_COOKIE=" .. support.cookie[2], "CREDENTIALS_DIRECTORY=/host/own",
        "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS=1" } do
        table.insert(options.environment, entry)
      end
      local command = support.command({ "exec", policy() }, options)
      command:await("stdout", "|grpc")
      local inspected, source = container_of { container = support.containers(runtime_dir)[1].id }
      assert.equal(SECRET, support.read(source .. "/token"))
      local found = {}
      for _, entry in ipairs(inspected.env) do
        local name, value = entry:match "^([^=]*)=(.*)$"
        found[name] = value
      end
      assert.same({ "/run/credentials/kv", VARIABLE }, { found.CREDENTIALS_DIRECTORY, found.FROM_FILE })
      command:kill "KILL"
      command:wait()
      support.eventually("all is gone", function() return not core.system.stat(source) end)
    end)
  end)
end)
