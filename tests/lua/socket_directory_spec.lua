-- SPDX-License-Identifier: Apache-2.0
--
--- place/socket_directory.lua: what a plugin leaves in its directory, however much, is removed while the loop goes on.

local core = require "gantry.core"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"

local FILES <const>, DEPTH <const> = 6000, 200

describe("a socket directory that a plugin has filled", function()
  local root

  before_each(function()
    root = "/tmp/gantry-sockets-" .. core.system.random(6)
    assert(core.socket_dir.root(root))
  end)
  after_each(function() os.execute("rm -rf " .. root) end)

  ---Many files, some below others, and directories that nest deeper than is descended at once.
  local function fill()
    local script = [[cd "$0/kv" && mkdir sub && seq "$1" | xargs touch && cd sub && seq "$1" | xargs touch &&
      for i in $(seq "$2"); do mkdir d && cd d; done]]
    assert(os.execute(("sh -c '%s' %s %d %d"):format(script, root, FILES // 2, DEPTH)))
  end

  ---How often another task had its turn meanwhile.
  local function turns_during(fn)
    local turns, done = 0, false
    task.all(function()
      fn()
      done = true
    end, function()
      while not done do
        turns = turns + 1
        task.sleep(0)
      end
    end)
    return turns
  end

  it("is removed in steps", function()
    task.run(function()
      local directory = assert(socket_directory.make(root, "kv", { mode = tonumber("700", 8) }))
      fill()
      local turns = turns_during(function() assert(socket_directory.remove(directory)) end)
      assert.is_true(turns >= FILES / 1000, turns)
      assert.are.same({}, core.files.list(root))
    end)
  end)

  it("by an owner that is dead is emptied in steps", function()
    task.run(function()
      assert(socket_directory.make(root, "kv", { mode = tonumber("700", 8) })):close()
      fill()
      local directory
      local turns = turns_during(function()
        directory = assert(socket_directory.make(root, "kv", { mode = tonumber("700", 8) }))
      end)
      assert.is_true(turns >= FILES / 1000, turns)
      assert.is_false(directory:fresh())
      assert.are.same({}, core.files.list(root .. "/kv"))
      assert(socket_directory.remove(directory))
    end)
  end)
end)
