-- SPDX-License-Identifier: Apache-2.0
--
--- Nothing is loaded from where one stands: modules in the current directory, such as a repository that somebody
--- cloned, change nothing in any verb, however Lua's variables are set.

local core = require "gantry.core"

local GANTRY <const> = assert(os.getenv "GANTRY")
local MODULES <const> = { "cjson", "argparse", "gantry", "gantry/init", "gantry/core", "gantry/core/http",
  "gantry/base/errors", "gantry/json", "gantry/cli", "gantry/cli/init", "gantry/cli/check", "gantry/exec/launcher",
  "gantry/exec/cleaner", "init" }
local VERBS <const> = { "version", "check good.lua", "-e 'return 1'", "repl", "plan --help", "ps", "why kv", "doctor",
  "exec ./good.lua", "simulate good.lua --exit 1", "no-such-verb", "host -- true" }
local VARIABLES <const> = { "", "LUA_PATH='./?.lua;./?/init.lua;;'", "LUA_PATH='?.lua' LUA_CPATH='?.so'",
  "LUA_PATH_5_4='?.lua;;' LUA_CPATH_5_4='./?.so;;'", "LUA_INIT='@init.lua'" }

describe("modules in the current directory", function()
  local folder

  ---@param path string
  ---@param text string
  local function write(path, text)
    os.execute(("mkdir -p '%s/%s'"):format(folder, path:match "^(.*)/" or "."))
    local file <close> = assert(io.open(folder .. "/" .. path, "w"))
    file:write(text)
  end

  setup(function()
    folder = "/tmp/gantry-modules-" .. core.system.random(6)
    assert(os.execute("mkdir -m 755 " .. folder))
    for _, module in ipairs(MODULES) do
      write(module .. ".lua", ("os.execute 'touch %s/loaded'"):format(folder))
      write(module .. ".so", "no library")
    end
    write("good.lua", 'return { image = "gantry-test-none" }')
  end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  for _, verb in ipairs(VERBS) do
    it("are not loaded by gantry " .. verb, function()
      for _, variables in ipairs(VARIABLES) do
        local pipe = assert(io.popen(("cd %s && env -u LUA_PATH -u LUA_CPATH DOCKER_HOST=unix:///nowhere "
          .. "GANTRY_CONTROL=%s/none GANTRY_STATE_DIR=%s/state GANTRY_RUNTIME_DIR=%s/run %s timeout 20 %s %s "
          .. "</dev/null 2>&1"):format(folder, folder, folder, folder, variables, GANTRY, verb)))
        local output = pipe:read "a"
        pipe:close()
        assert.is_nil(core.system.stat(folder .. "/loaded"), variables .. ": " .. output)
        assert.is_nil(output:find("no library", 1, true), output)
        assert.is_nil(output:find("invalid ELF header", 1, true), output)
        assert.is_nil(output:find("stack traceback", 1, true), output)
      end
    end)
  end
end)
