-- SPDX-License-Identifier: Apache-2.0
--
--- later_spec.lua: what not every verb uses is loaded with its first use by the executable, and at once by a program
--- that has gantry in it.

local core = require "gantry.core"

local GANTRY <const> = assert(os.getenv "GANTRY")
local SOURCE <const> = assert(os.getenv "GANTRY_SOURCE")
local BUILD <const> = GANTRY:match "^(.*)/"

---@param command string
---@return string output
local function output_of(command)
  local pipe <close> = assert(io.popen(("cd / && DOCKER_HOST=unix:///nowhere timeout 20 %s 2>&1"):format(command)))
  return pipe:read "a"
end

describe("modules for later", function()
  it("are loaded with their first use by the executable", function()
    assert.are.equal("nil\ttrue\n", output_of(("env -u LUA_PATH -u LUA_CPATH %s %s"):format(GANTRY, [[-e '
      local name = "gantry.plugin.garbage"
      local garbage = require "gantry.base.later"(name)
      print(package.loaded[name], garbage.find ~= nil and garbage.find == require(name).find)']])))
  end)

  it("are loaded at once by a program that may go to another folder then", function()
    assert.are.equal("true\ttrue\ttrue\n", output_of([[lua5.4 -e '
      require "gantry"
      package.path, package.cpath = "", ""
      local list = {}
      for i, name in ipairs { "gantry.plugin", "gantry.plugin.diagnosis", "gantry.grpc.reflection" } do
        list[i] = type(package.loaded[name]) == "table"
      end
      print(table.unpack(list))']]))
  end)

  describe("in a tree", function()
    local folder

    setup(function()
      folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
      assert(os.execute(("mkdir %s && cp %s %s/gantry && cp -r %s/lua %s/lua && ln -s %s/lib %s/lib"):format(folder,
        GANTRY, folder, SOURCE, folder, BUILD, folder)))
      for name, text in pairs { ["lua/gantry/plugin/init.lua"] = "error [=[the plugin was loaded]=]",
        ["good.lua"] = "return { image = [=[gantry-test-none]=] }" } do
        local file <close> = assert(io.open(folder .. "/" .. name, "w"))
        file:write(text)
      end
    end)
    teardown(function() assert(os.execute("rm -r " .. folder)) end)

    for verb, loads in pairs { ["check good.lua"] = false, ["simulate good.lua --exit 1"] = false,
      ["plan --offline good.lua"] = true } do
      it(("%s loaded by gantry %s"):format(loads and "are" or "are not", verb), function()
        local output = output_of(("env -u LUA_PATH -u LUA_CPATH -C %s ./gantry %s"):format(folder, verb))
        assert.are.equal(loads, output:find("the plugin was loaded", 1, true) ~= nil, output)
      end)
    end
  end)
end)
