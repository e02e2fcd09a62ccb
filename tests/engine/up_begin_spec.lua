-- SPDX-License-Identifier: Apache-2.0
--
--- How `gantry up` begins, as service managers, deployments and nohup start it: before the engine is there, on folders
--- behind links that are swapped, on what is no policy.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

-- A service manager: prints what it is told, a line each.
local MANAGER <const> = [[
import os, socket, sys
told, *command = sys.argv[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(told)
child = os.fork()
if child == 0:
    os.environ.update(NOTIFY_SOCKET=told, WATCHDOG_USEC="400000")
    os.execv(command[0], command)
notify.settimeout(0.2)
while os.waitpid(child, os.WNOHANG) == (0, 0):
    try:
        print(notify.recv(4096).decode(), flush=True)
    except TimeoutError:
        pass
]]

describe("gantry up", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  test("waits for an engine that comes later, and tells the service manager so", function()
    place:policy("kv", nil, "local _ = 1; ")
    support.write(place.policies .. "/asks.lua", ("return function(ctx) assert(ctx.engine.kind)\n%s end"):format(
      support.policy_text()))
    local manager = support.write(place.root .. "/manager.py", MANAGER)
    local options = place:options()
    options.executable = "/usr/bin/python3"
    local up = support.command({ manager, place.root .. "/told", support.executable, "up", place.policies, "--engine",
      "unix://" .. place:engine_socket() }, options)
    up:await("stdout", "STATUS=waits for an engine: no engine answers[^\n]+\nEXTEND_TIMEOUT_USEC=%d+\n")
    up:await("stderr", "waits for an engine: no engine answers")
    local _, before = up.stdout:gsub("WATCHDOG=1", "")
    support.eventually("the watchdog is fed", function()
      return select(2, up.stdout:gsub("WATCHDOG=1", "")) > before + 2
    end)
    assert.is_nil(up.stdout:find("READY=1", 1, true), up.stdout)
    assert.are.same({}, place:ask("ps").plugins) -- it can be asked meanwhile
    local reload = place:run "reload"
    assert.are.equal(5, reload.code, reload.stderr)
    place:engine_comes()
    up:await("stdout", "READY=1\n")
    place:await_state("kv", "ready")
    place:await_state("asks", "ready")
    place:run "down"
    assert.are.equal(0, up:wait().code, up.stderr)
    assert.is_nil(up.stdout:find("READY=1.*waits for"), up.stdout)
  end)

  test("ends in order while it waits", function()
    for _, signal in ipairs { "TERM", "INT" } do
      local up = place:up(nil, { "--engine", "unix://" .. place:engine_socket() })
      up:await("stderr", "waits for an engine")
      up:kill "HUP"
      up:kill(signal)
      assert.are.equal(0, up:wait().code, up.stderr)
    end
  end)

  test("does not wait for an engine that cannot be one", function()
    local up = place:start_up(nil, { "--engine", "nonsense" })
    assert.are_not.equal(0, up:wait().code)
    assert.is_truthy(up.stderr:find("is not an engine's address", 1, true), up.stderr)
  end)

  test("reads a policy again that the engine did not answer", function()
    support.write(place.policies .. "/asks.lua", ("return function(ctx) assert(ctx.engine.kind)\n%s end"):format(
      support.policy_text()))
    place:engine_comes("/info ", "500")
    local up = place:up(nil, { "--engine", "unix://" .. place:engine_socket() })
    up:await("stderr", "policy: [^\n]*the engine is broken\n")
    place:await_state("asks", "ready")
  end)

  ---@param release string
  ---@param names string[] of policies
  local function deploy(release, names)
    local folder = place.root .. "/releases/" .. release
    assert(os.execute("mkdir -p " .. folder))
    for _, name in ipairs(names) do support.write(("%s/%s.lua"):format(folder, name), support.policy_text()) end
  end

  ---@return string names of the plugins
  local function names()
    local list = {}
    for _, one in ipairs(place:ask("ps").plugins) do list[#list + 1] = one.name end
    table.sort(list)
    return table.concat(list, " ")
  end

  local function await_names(wanted)
    support.eventually("plugins are " .. wanted, function() return names() == wanted end)
  end

  test("follows a release folder that is swapped", function()
    deploy("1", { "one", "both" })
    deploy("2", { "two", "both" })
    assert(os.execute(("cd %s && ln -s releases/1 current"):format(place.root)))
    place.policies = place.root .. "/current"
    place:up()
    await_names "both one"
    assert(os.execute(("cd %s && ln -s releases/2 next && mv -T next current"):format(place.root)))
    await_names "both two" -- seen by itself
    assert(os.execute(("cd %s && ln -sfn releases/1 current"):format(place.root)))
    await_names "both one"
    support.write(place.root .. "/releases/1/added.lua", support.policy_text())
    await_names "added both one"
    assert(os.execute(("cd %s && ln -sfn releases/2 current"):format(place.root)))
    assert.are.equal(0, place:run("reload").code)
    await_names "both two"
  end)

  test("follows policies behind links, as a configuration map has them", function()
    deploy("a", { "kv" })
    deploy("b", { "kv" })
    support.write(place.root .. "/releases/b/kv.lua", support.policy_text 'args = { "-print-stderr", "second" },')
    assert(os.execute(("cd %s && ln -s ../releases/a policies/..data && ln -s ..data/kv.lua policies/kv.lua")
      :format(place.root)))
    local up = place:up()
    place:await_state("kv", "ready")
    assert(os.execute(("cd %s/policies && ln -s ../releases/b ..tmp && mv -T ..tmp ..data"):format(place.root)))
    up:await("stderr", "second")
    support.write(place.root .. "/releases/b/kv.lua", support.policy_text 'args = { "-print-stderr", "third" },')
    up:await("stderr", "third")
  end)

  test("reads any line ends and byte order marks, and names what is no policy", function()
    local text = support.policy_text():gsub("\n", "\r\n")
    support.write(place.policies .. "/dos.lua", "\xEF\xBB\xBF" .. text)
    support.write(place.policies .. "/wide.lua", "\xFF\xFEr\0e\0t\0")
    assert(os.execute(("cd %s && mkfifo fifo.lua && ln -s nowhere dangling.lua && ln -s circle.lua circle.lua "
      .. "&& mkdir folder.lua && ln -s /dev/zero zero.lua"):format(place.policies)))
    local up = place:up()
    place:await_state("dos", "ready")
    for name, told in pairs { fifo = "is no regular file", dangling = "is a link to 'nowhere', which is not there",
      circle = "is a link to 'circle.lua', which is not there", folder = "is a directory",
      zero = "is no regular file", wide = "is UTF%-16" } do
      up:await("stderr", ("%s.lua: %s"):format(name, told))
    end
    assert.are.equal(3, place:run("reload").code) -- it tells what is still wrong
    assert.are.equal("dos", names())
  end)

  test("is left alone by the hangup that nohup keeps from it", function()
    place:policy "kv"
    local options = place:options()
    options.executable = "/usr/bin/nohup"
    local up = support.command({ support.executable, "up", place.policies }, options)
    place.ups[1] = up
    up:await("stderr", "supervises")
    place:await_state("kv", "ready")
    up:kill "HUP"
    assert.are.equal("ready", place:plugin("kv").state)
    assert.is_nil(up.exit)
    place:run "down"
    assert.are.equal(0, up:wait().code)
  end)
end)
