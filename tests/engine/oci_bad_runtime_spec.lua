-- SPDX-License-Identifier: Apache-2.0
--
--- Runtimes that are not there, hang, fail without a word, or are of an unknown version: one error that says which, and
--- nothing that stays.

local claims = require "gantry.plugin.claims"
local core = require "gantry.core"
local oci = require "engine.oci"
local oci_containers = require "engine.oci_containers"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local support = require "engine.support"
local task = require "gantry.task"

-- Seconds that the test's calls of runtimes may take.
local SOON <const> = 1

describe("a runtime", function()
  local world, timeout

  local reason = oci_containers.missing()
  if reason then return it("can be tried", function() pending(reason) end) end

  before_each(function()
    world, timeout = oci_containers.new(), runtime_calls.TIMEOUT
  end)

  after_each(function()
    runtime_calls.TIMEOUT = timeout
    world:remove()
  end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---A client whose runtime is the machine's, but for what a script does first.
  ---@param script string of a shell; $* are the runtime's arguments
  ---@return gantry.EngineClient
  local function client_of(script)
    local client = world:connect()
    client.choice.runtime = { name = client.choice.runtime.name, path = world:program(("%s\nexec %s \"$@\"\n"):format(
      script, client.choice.runtime.path)) }
    return client
  end

  ---@return gantry.Error err
  local function does_not_start(client)
    local id = assert(world:create(client))
    local ok, err = client:start(id)
    assert.is_nil(ok)
    assert.are.equal("ENGINE_ERROR", err.code)
    assert.are.equal(err.message, assert(client:inspect(id)).state.error)
    assert.is_true(client:remove(id))
    return err
  end

  ---Runs the command on a machine where some programs are not there.
  ---@param hidden string[]
  ---@param words string
  ---@return string output
  local function run_without(hidden, words)
    local lines = {}
    for _, path in ipairs(hidden) do
      if core.system.stat(path) then lines[#lines + 1] = "mount --bind /dev/null " .. path end
    end
    support.write(world.root .. "/script", ("set -e\n%s\nexec env GANTRY_RUNTIME_DIR=%s/run GANTRY_STATE_DIR=%s/state "
      .. "%s %s 2>&1\n"):format(table.concat(lines, "\n"), world.root, world.root, support.executable, words))
    local pipe <close> = assert(io.popen("unshare -m sh " .. world.root .. "/script"))
    return pipe:read "a"
  end

  it("that is not installed is named, with the package to install", function()
    if core.system.euid() ~= 0 then return pending "programs are hidden by root" end
    local all = { "/usr/bin/crun", "/usr/bin/runc", "/usr/sbin/runc", "/usr/bin/runsc" }
    local policy = support.write(world.root .. "/kv.lua", ("return { binary = %q, cookie = { %q, %q } }"):format(
      oci.kv "1.8", table.unpack(support.cookie)))
    local text = run_without(all, "run --engine oci: " .. policy)
    assert.matches("no OCI runtime is installed to run containers without a daemon; apt install c?run", text)
    assert.are.equal(1, select(2, text:gsub("\n", "\n")), text)
    assert.matches("PROBLEM +engine: no OCI runtime is installed", run_without(all, "doctor --engine oci:"))
    text = run_without({ "/usr/bin/runsc" }, "run --engine oci:runsc " .. policy)
    assert.matches("the runtime runsc is not installed; apt install runsc", text)
    text = run_without({ "/usr/bin/runsc" }, "run --engine oci: " .. support.write(world.root .. "/kv.lua",
      ("return { binary = %q, cookie = { %q, %q }, runtime = 'runsc' }"):format(oci.kv "1.8",
      table.unpack(support.cookie))))
    assert.matches("the runtime runsc is not installed; apt install runsc", text)
  end)

  test("that hangs at its start is killed with what it has started", function()
    runtime_calls.TIMEOUT = SOON
    local err = does_not_start(client_of("case \"$*\" in *' run '*) sleep 1000 & sleep 1000; esac"))
    assert.matches("says: it did not answer within 1 s and was killed", err.message)
  end)

  test("that hangs as it deletes a container is told, and what it did not do is done later", function()
    local client = client_of("case \"$*\" in *' delete '*) test -e " .. world.root .. "/free || exec sleep 1000; esac")
    local id, heard, pid = world:start(client)
    runtime_calls.TIMEOUT = SOON
    local removed, err = client:remove(id)
    assert.is_nil(removed)
    assert.matches("delete container %x+: .* did not end within 1 s, and was killed; see whether it hangs", err.message)
    assert.is_true(oci_containers.ends(heard))
    assert.is_false(oci_containers.lives(pid))
    support.write(world.root .. "/free", "")
    runtime_calls.TIMEOUT = timeout
    assert.is_true(client:remove(id))
  end)

  test("that hangs as it signals a container of another gantry is told", function()
    local first = client_of("case \"$*\" in *' kill '*) exec sleep 1000; esac")
    local id, heard, pid = world:start(first)
    runtime_calls.TIMEOUT = SOON
    local sent, err = world:connect():kill(id, "TERM")
    assert.is_nil(sent)
    assert.matches("signal container %x+: .* did not end within 1 s", err.message)
    assert.is_true(oci_containers.lives(pid))
    runtime_calls.TIMEOUT = timeout
    assert.is_true(first:remove(id))
    assert.is_true(oci_containers.ends(heard))
  end)

  -- Its standard input is /dev/null, and a pipe is opened once there is somebody at its other end.
  local LATE <const> = [[
    case "$*" in *' run '*)
      for word do
        shift
        case "$word" in */pid) pid=$word word=$word.late ;; esac
        set -- "$@" "$word"
      done
      %s "$@" && read -r _ <%s && exec mv "$pid.late" "$pid" ;;
    esac]]

  test("that is late in writing down its process has started a container that runs", function()
    local pipe = world.root .. "/pipe"
    assert(os.execute("mkfifo " .. pipe))
    local client = world:connect()
    client = client_of(LATE:format(client.choice.runtime.path, pipe))
    local id = assert(world:create(client))
    local heard = oci_containers.attach(client, id)
    assert.are.equal("created", assert(client:list {})[1].status)
    local started = task.event()
    task.detach(function() started:set(client:start(id)) end)
    support.eventually("the handshake", function() return heard.stdout == "stays\n" end)

    local other, killed = world:connect(), task.event()
    local listed = assert(other:list {})[1]
    assert.are.equal("running", listed.status)
    assert.is_true(claims.is_living(listed))
    assert.is_false(claims.is_kept(listed, { keep = true }))
    task.detach(function() killed:set(other:kill(id, "KILL")) end)
    assert.is_nil(task.deadline(0.1, killed.wait, killed)) -- nobody knows yet whom to send it to
    support.write(pipe, "\n")
    assert.is_true(started:wait())
    assert.is_true(killed:wait())
    assert.is_true(oci_containers.ends(heard))
    assert.are.equal("exited", assert(other:inspect(id)).state.status)
    assert.is_true(client:remove(id))
  end)

  test("that fails or is killed without a word leaves how it ended", function()
    assert.matches("gave no reason %(exited 3%)", does_not_start(client_of "exit 3").message)
    assert.matches("gave no reason %(exited 137%)", does_not_start(client_of "kill -9 $$").message)
    local client = client_of ""
    client.choice.runtime.path = support.write(world.root .. "/no-program", "no program")
    assert.matches("gave no reason %(exec 13%)", does_not_start(client).message)
  end)

  test("that says it has made a container, and has not, is not believed", function()
    assert.matches("gave no reason %(pid 0%)", does_not_start(client_of "exit 0").message)
  end)

  test("that fails is told to who has paused his output until the start", function()
    local client = client_of("case \"$*\" in *' run '*) echo words; exit 3; esac")
    local id = assert(world:create(client))
    local heard = oci_containers.attach(client, id)
    heard.stream:pause()
    local ok, err = client:start(id)
    assert.is_nil(ok)
    assert.matches("exited 3", err.message)
    assert.are.equal("words\n", heard.stdout)
    assert.is_true(client:remove(id))
  end)

  test("of an unknown version runs containers all the same", function()
    for script, version in pairs { ["echo crun, of course; exit 0"] = false, ["exit 1"] = false, ["kill -9 $$"] = false,
      ["echo crun version 99.0-rc1; exit 0"] = "99.0-rc1" } do
      local client = client_of("test \"$1\" != --version || { " .. script .. "; }")
      local name = client.choice.runtime.name
      assert.are.equal(version and name .. " " .. version or name, client:info().version)
      local id = world:start(client)
      assert.is_true(client:remove(id))
    end
  end)

  test("leaves no cgroup behind where it fails", function()
    local client = world:connect()
    local id = assert(world:create(client, { entrypoint = { "/no/such/program" } }))
    local record = assert(client:find(id))
    assert.is_nil((client:start(id)))
    local pipe <close> = assert(io.popen("find /sys/fs/cgroup -name " .. record.id))
    assert.are.equal("", pipe:read "a")
    assert.is_true(client:remove(id))
  end)
end)
