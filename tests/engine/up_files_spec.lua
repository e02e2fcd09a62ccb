-- SPDX-License-Identifier: Apache-2.0
--
--- The policies of `gantry up` behind links, in folders that are exchanged, and what only has the name of a policy.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("gantry up, of its folder of policies,", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  local function shell(script)
    assert(os.execute(("sh -ec 'cd \"$0\"; %s' %s"):format(script, place.root)))
  end

  ---A supervisor of another path than the place's own.
  local function up_of(path)
    place.policies = place.root .. path
    return place:up()
  end

  test("sees a release that is put in the place of another", function()
    shell "mkdir -p releases/1 releases/2"
    support.write(place.root .. "/releases/1/kv.lua", support.policy_text())
    support.write(place.root .. "/releases/2/kv.lua", support.policy_text())
    support.write(place.root .. "/releases/2/more.lua", support.policy_text())
    shell "ln -s releases/1 current"
    up_of "/current"
    local before = place:await_state("kv", "ready")
    shell "ln -s releases/2 new; mv -T new current"
    place:await_state("more", "ready")
    assert.are.equal(before.container, place:plugin("kv").container)
    shell "rm -r releases/1; rm current; mkdir current" -- no link any more: nothing is there
    support.eventually("nothing is supervised", function() return #place:ask("ps").plugins == 0 end)
  end)

  test("follows links to policies, and sees what they lead to change", function()
    shell "mkdir elsewhere"
    support.write(place.root .. "/elsewhere/kv.lua", support.policy_text())
    shell "ln -s ../elsewhere/kv.lua policies/kv.lua"
    place:up()
    local before = place:await_state("kv", "ready")
    support.write(place.root .. "/elsewhere/new", support.policy_text "env = { CHANGED = '1' },")
    shell "mv elsewhere/new elsewhere/kv.lua"
    support.eventually("the changed policy is in force", function()
      local now = place:plugin "kv"
      return now.state == "ready" and now.container ~= before.container
    end)
  end)

  test("names what is no policy, and goes on", function()
    place:policy "kv"
    shell "mkfifo policies/pipe.lua; ln -s ../later.lua policies/later.lua; mkdir policies/folder.lua"
    support.write(place.policies .. "/windows.lua", "\xef\xbb\xbf" .. support.policy_text():gsub("\n", "\r\n"))
    local up = place:up()
    place:await_state("kv", "ready")
    place:await_state("windows", "ready")
    assert.matches("pipe%.lua: is no regular file", up.stderr)
    assert.matches("folder%.lua: is a directory", up.stderr)
    assert.matches("later%.lua: is a link to '%.%./later%.lua', which is not there", up.stderr)
    support.write(place.root .. "/later.lua", support.policy_text())
    place:await_state("later", "ready")
  end)
end)
