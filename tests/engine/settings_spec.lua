-- SPDX-License-Identifier: Apache-2.0
--
--- Settings of a user's file under a running `gantry up`, and verbs that meet it without its environment.

local core = require "gantry.core"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

describe("a gantry up", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  ---@param text string of the user's file
  ---@return string HOME=… of a user who has it
  local function user(text)
    assert(core.files.make_directory(place.root .. "/home/.config/gantry"))
    support.write(place.root .. "/home/.config/gantry/gantry.lua", text)
    return "HOME=" .. place.root .. "/home"
  end

  ---@param environment string[]
  ---@param ... string
  local function run(environment, ...)
    local command = support.command({ ... }, { environment = environment })
    local exit = command:wait()
    return { code = exit.code, stdout = command.stdout, stderr = command.stderr }
  end

  it("does what the user's file says, unless its line says otherwise", function()
    task.run(function()
      place:policy "kv"
      local home = user 'return { log_format = "json", log_dir = "~/logs", timestamps = true }'
      local up = place:up(nil, nil, nil, { home })
      assert.matches('^{"kind":"state"', up.stderr)
      place:await_state("kv", "ready")
      support.eventually("a file of output", function()
        return core.system.stat(place.root .. "/home/logs/kv.log")
      end)
      local control = "GANTRY_RUNTIME_DIR=" .. place.runtime_dir
      assert.matches("^%d+%-%d+%-%d+T", run({ home, control }, "logs", "kv").stdout)
      assert.not_matches("^%d+%-%d+%-%d+T", run({ home, control }, "logs", "--no-timestamps", "kv").stdout)
      up:kill "TERM"
      up:wait()
      local text = place:up(nil, { "--log-format", "text", "--no-timestamps" }, nil, { home })
      assert.matches("^gantry: state: supervises", text.stderr)
    end)
  end)

  it("is where the user's file says, for every verb", function()
    task.run(function()
      place:policy "kv"
      local home = user(([[return { control = "%s/control.sock", runtime_dir = "%s", state_dir = "%s/state" }]]):format(
        place.root, place.runtime_dir, place.root))
      local nothing = { home, "GANTRY_RUNTIME_DIR=", "GANTRY_STATE_DIR=" }
      place:start_up(nil, nil, nil, nothing)
      support.eventually("it answers", function() return run(nothing, "ps").stdout:find "kv +ready" end)
      assert.are.same({ ".control", "kv.json", "lock" }, support.entries(place.root .. "/state/up"))
      local told = run(nothing, "doctor").stdout
      assert.is_truthy(told:find(("settings: control = %s/control.sock (%s/home/.config/gantry/gantry.lua)"):format(
        place.root, place.root), 1, true), told)
    end)
  end)

  it("ends at once where the user's file is broken", function()
    task.run(function()
      local home = user "return {\n  state_dri = '/x',\n}"
      for _, verb in ipairs { { "up", place.policies }, { "ps" }, { "gc" }, { "doctor" }, { "logs", "kv" } } do
        local result = run({ home }, table.unpack(verb))
        assert.are.equal(3, result.code, verb[1])
        local told = "gantry.lua:2: there is no setting 'state_dri'; did you mean 'state_dir'?"
        assert.is_truthy((result.stdout .. result.stderr):find(told, 1, true), verb[1])
      end
      assert.are.equal(0, run({ home }, "version").code)
    end)
  end)

  it("of a login is found from cron, which has no XDG_RUNTIME_DIR, and the other way round", function()
    task.run(function()
      place:policy "kv"
      local state = "GANTRY_STATE_DIR=" .. place.root .. "/state"
      local login, cron = { state, "XDG_RUNTIME_DIR=" .. place.runtime_dir }, { state, "XDG_RUNTIME_DIR=" }
      local up = place:start_up(nil, nil, nil, { "GANTRY_RUNTIME_DIR=", login[2] })
      support.eventually("it answers", function() return run(login, "ps").stdout:find "kv +ready" end)
      assert.matches("kv +ready", run(cron, "ps").stdout)
      assert.matches("kv: ready", run(cron, "restart", "kv").stdout)
      local named = run({ state, "GANTRY_RUNTIME_DIR=" .. place.root }, "ps")
      assert.are.equal(7, named.code)
      assert.is_truthy(named.stderr:find("nobody listens on " .. place.root .. "/.control.sock", 1, true), named.stderr)
      assert.are.equal(0, run(cron, "down").code)
      up:wait()
      local gone = run(cron, "ps")
      assert.are.equal(7, gone.code)
      assert.is_nil(gone.stderr:find(place.runtime_dir, 1, true), gone.stderr)
    end)
  end)
end)
