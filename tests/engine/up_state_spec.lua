-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry up` on a state directory that is full or read-only: it goes on, says so once, and takes over what runs by
--- what the engine says of it.

local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("gantry up, with a state directory", function()
  local place, state, mounted

  before_each(function()
    place, mounted = supervision.place(), nil
    state = place.root .. "/state"
  end)
  after_each(function()
    task.run(place.stop, place)
    if mounted then assert(os.execute("umount " .. mounted)) end
    task.run(place.close, place)
  end)

  ---@param folder string "/up" for the supervisor's part of the state, "" for all of it, on a file system of its own
  local function test(name, folder, fn)
    it(name, function()
      local path = state .. folder
      assert(os.execute("mkdir -m 700 -p " .. path))
      if not os.execute("mount -t tmpfs -o size=64k,mode=700 none " .. path .. " 2>/dev/null") then
        return pending "mounting needs root"
      end
      mounted = path
      task.run(fn)
    end)
  end

  local function fill() os.execute(("cat /dev/zero > %s/filler 2>/dev/null"):format(mounted)) end
  local function make_room() assert(os.remove(mounted .. "/filler")) end
  local function remount(how) assert(os.execute(("mount -o remount,%s %s"):format(how, mounted))) end

  local function saved()
    return assert(json.decode(support.read(state .. "/up/kv.json")))
  end

  ---@param up table
  ---@return integer how often it said that the state cannot be kept
  local function warnings(up)
    return select(2, up.stderr:gsub("the state cannot be kept", ""))
  end

  local function kill(up)
    up:kill "KILL"
    up:wait()
  end

  ---The plugin runs on under the next supervisor.
  ---@param before table
  local function check_taken_over(before)
    local after = place:await_state("kv", "ready")
    assert.are.equal(before.container, after.container)
    assert.are.equal(before.restarts, after.restarts)
    place:await_containers(1)
    local why = place:run("why", "kv").stdout
    assert.matches("adopt     generation %d+, container " .. before.container:sub(1, 12), why)
    for _, invented in ipairs { "its end is unknown", "broken off", "removed container" } do
      assert.is_nil(why:find(invented, 1, true), why)
    end
  end

  test("that is full", "/up", function()
    place:policy("kv", "memory = '64MiB'")
    local up = place:up()
    place:await_state("kv", "ready")
    fill()
    for _ = 1, 2 do assert.are.equal(0, place:run("restart", "kv").code) end
    assert.are.equal(1, warnings(up), up.stderr)
    assert.matches("write " .. state:gsub("%p", "%%%0") .. "/up/kv.json: No space left", up.stderr)
    assert.are.equal(3, place:plugin("kv").generation)
    assert.are.equal(1, saved().restart.generation, "the last state that could be written is whole")

    make_room()
    assert.are.equal(0, place:run("restart", "kv").code)
    assert.are.equal(4, saved().restart.generation)
    fill()
    place:run("restart", "kv")
    assert.are.equal(2, warnings(up), "what came back and went again is told again")
    assert.are.equal("stopped kv\n", place:run("down").stdout)
    up:wait()
  end)

  -- The state file names a generation that is dead and whose successor could not be written down: the successor was
  -- taken for something left over, and its predecessor for lost. What runs by the plugin's name is adopted.
  test("that was full when the last supervisor died", "", function()
    place:policy "kv"
    local up = place:up()
    place:await_state("kv", "ready")
    fill()
    place:run("restart", "kv")
    local before = place:plugin "kv"
    place:await_containers(1) -- else the next one removes the first generation's, and says so
    kill(up)
    place:up()
    check_taken_over(before)
  end)

  test("that is full from the beginning", "", function()
    fill()
    place:policy "kv"
    local up = place:up()
    local before = place:await_state("kv", "ready")
    assert.are.equal(1, warnings(up))
    kill(up)
    place:up()
    check_taken_over(before)
  end)

  -- The lock could not be opened for writing, so that nobody looked after what ran.
  test("that became read-only", "", function()
    place:policy("kv", "auto_mtls = true")
    local up = place:up()
    local before = place:await_state("kv", "ready")
    kill(up)
    remount "ro"
    up = place:up()
    up:await("stderr", "the state cannot be kept: [^\n]*Read%-only file system")
    check_taken_over(before)
    local second = place:run("up", place.policies)
    assert.are.equal(7, second.code)
    assert.matches("another gantry up holds the state directory", second.stderr)
    assert.are.equal(0, place:run("restart", "kv").code)
    assert.are.equal("stopped kv\n", place:run("down").stdout)
    up:wait()
    remount "rw"
  end)

  test("that is read-only from the beginning is refused with a remedy", "", function()
    remount "ro"
    place:policy "kv"
    local refused = place:run("up", place.policies)
    assert.are.equal(7, refused.code)
    assert.matches("^gantry: [^\n]*" .. state:gsub("%p", "%%%0") .. "[^\n]*Read%-only file system[^\n]*%-%-state",
      refused.stderr)
    remount "rw"
  end)
end)
