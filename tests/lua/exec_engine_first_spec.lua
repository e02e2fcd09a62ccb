-- SPDX-License-Identifier: Apache-2.0
--
--- A launch for a host asks its engine what it is before it reads the policy, and an engine that says nothing keeps
--- nobody from hearing what is wrong with that policy.

local core = require "gantry.core"
local core_control = require "gantry.core.control"
local task = require "gantry.task"

local GANTRY <const> = os.getenv "GANTRY" or "build/gantry"

describe("gantry exec", function()
  local folder, engine, asked, held

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
    local policy = assert(io.open(folder .. "/plugin.lua", "w"))
    assert(policy:write("return {}\n"))
    assert(policy:close())
    asked, held = {}, {}
  end)

  after_each(function()
    for _, request in ipairs(held) do request:close() end
    engine:close()
    assert(os.execute("rm -rf " .. folder))
  end)

  ---@param greets boolean whether the engine answers a ping; it answers nothing else
  local function start_engine(greets)
    local listening = assert(core_control.listen(folder .. "/engine.sock", tonumber("600", 8)))
    engine = assert(core_control.open(task.loop(), listening, function(request)
      asked[#asked + 1] = request:path()
      if greets and request:path():find "_ping" then request:answer(200, "text/plain", "OK") end
      held[#held + 1] = request
    end))
  end

  ---Starts the policy as a host would. Returns what gantry says.
  local function run()
    local said, ended = {}, task.event()
    local environment = { "PLUGIN_MIN_PORT=10000", "PLUGIN_PROTOCOL_VERSIONS=1", "GANTRY_RUNTIME_DIR=" .. folder,
      "DOCKER_HOST=unix://" .. folder .. "/engine.sock", "HOME=" .. folder, "PATH=" .. os.getenv "PATH" }
    local _ <close> = assert(core.process.spawn(task.loop(), { GANTRY, "exec", folder .. "/plugin.lua",
      environment = environment, input = "null", output = "pipe", error = "pipe",
      on_output = function(_, bytes) said[#said + 1] = bytes end,
      on_exit = function(exit) ended:set(exit) end }))
    -- Less than the half minute that an engine has for its greeting.
    assert(task.deadline(20, function() return ended:wait() end))
    return table.concat(said)
  end

  it("asks the engine before it reads the policy", function()
    start_engine(true)
    task.run(function()
      -- On a busy machine the head start that the question gets may be over before it is out.
      for _ = 1, 20 do
        assert.is_truthy(run():find("image is missing", 1, true))
        if #asked > 0 and asked[#asked]:find "/info$" then return end
      end
      error("asked: " .. table.concat(asked, " "))
    end)
  end)

  it("says what is wrong with a policy while the engine says nothing", function()
    start_engine(false)
    task.run(function() assert.is_truthy(run():find("image is missing", 1, true)) end)
    for _, question in ipairs(asked) do assert.are.equal("/_ping", question) end
  end)
end)
