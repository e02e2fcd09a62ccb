-- SPDX-License-Identifier: Apache-2.0
--
--- bytecode_spec.lua: the executable runs the Lua that was compiled with it where the files are what it was compiled
--- from, and the files where they are not, or where the bytecode is another Lua's. Nobody sees which of the two it was.
--- The executables here are copies, with other bytes in them, in trees of their own.

local core = require "gantry.core"

local GANTRY <const> = assert(os.getenv "GANTRY")
local SOURCE <const> = assert(os.getenv "GANTRY_SOURCE")
local LIBRARIES <const> = assert(core.system.real_path(GANTRY:match "^(.*)/" .. "/lib"))

---A pattern that finds exactly this text.
local function literally(text) return (text:gsub("%p", "%%%0")) end

local OF_THIS_LUA <const>, OF_ANOTHER_LUA <const> = literally "\27LuaT", "\27LuaS"

describe("bytecode in the executable", function()
  local folder

  ---@param path string below the folder
  ---@param change fun(text: string): string
  local function rewrite(path, change)
    local file <close> = assert(io.open(folder .. "/" .. path, "r+b"))
    local text = change(file:read "a")
    file:seek "set"
    file:write(text)
  end

  ---Replaces bytes of the executable by as many others.
  local function patch(pattern, bytes)
    rewrite("gantry", function(text)
      local patched, count = text:gsub(pattern, bytes)
      assert.is_true(count > 0)
      assert.are.equal(#text, #patched)
      return patched
    end)
  end

  ---@param arguments string
  ---@return string output
  local function gantry(arguments)
    local pipe <close> = assert(io.popen(("cd / && env -u LUA_PATH -u LUA_CPATH HOME=/nonexistent timeout 20 "
      .. "%s/gantry %s </dev/null 2>&1"):format(folder, arguments)))
    return pipe:read "a"
  end

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
    assert(os.execute(("mkdir %s && cp %s %s/gantry && cp -r %s/lua %s/lua && ln -s %s %s/lib"):format(folder, GANTRY,
      folder, SOURCE, folder, LIBRARIES, folder)))
  end)
  after_each(function() assert(os.execute("rm -r " .. folder)) end)

  it("is run", function()
    patch(literally "gantry %s (", "GANTRY %%s (")
    assert.matches("^GANTRY %d", gantry "version")
  end)

  it("is not run for a file that was edited, though size and time are the same", function()
    patch(literally "gantry %s (", "GANTRY %%s (")
    rewrite("lua/gantry/cli/version.lua", function(text) return (text:gsub("gantry %%s %(", "edited %%s (")) end)
    assert(os.execute(("touch -r %s/lua/gantry/cli/version.lua %s/lua/gantry/cli/version.lua"):format(SOURCE, folder)))
    assert.matches("^edited %d", gantry "version")
  end)

  it("is run by a process whose executable and files are replaced meanwhile", function()
    patch(literally "gantry %s (", "GANTRY %%s (")
    local output = gantry(([[-e 'assert(os.remove "FOLDER/gantry")
      local file <close> = assert(io.open("FOLDER/lua/gantry/cli/version.lua", "w"))
      file:write "error [=[of another gantry]=]"
      file:close()
      require("gantry.cli.version").run {}']]):gsub("FOLDER", folder))
    assert.matches("^GANTRY %d", output)
  end)

  it("is run by a process that has no descriptor left", function()
    patch(literally "gantry %s (", "GANTRY %%s (")
    local output = gantry [[-e 'local list = {}
      repeat
        local file = io.open "/dev/null"
        list[#list + 1] = file
      until not file
      require("gantry.cli.version").run {}']]
    assert.matches("^GANTRY %d", output)
  end)

  it("is not run where it is another Lua's", function()
    patch(literally "gantry %s (", "GANTRY %%s (")
    patch(OF_THIS_LUA, OF_ANOTHER_LUA)
    assert.matches("^gantry %d", gantry "version")
    assert.matches("Usage: gantry VERB", gantry "help", 1, true)
  end)

  it("is not run for a file that is not there", function()
    assert(os.remove(folder .. "/lua/gantry/cli/version.lua"))
    local output = gantry "version"
    assert.is_truthy(output:find("module 'gantry.cli.version' not found", 1, true), output)
    assert.is_truthy(output:find(folder .. "/lua/gantry/cli/version.lua", 1, true), output)
  end)

  it("has the files' names and lines in errors and traces", function()
    local chunk = [[-e 'local json = require "gantry.json"
      local _, trace = xpcall(json.decode, debug.traceback, setmetatable({}, { __len = error }))
      local facts = debug.getinfo(json.decode, "SL")
      print(trace, facts.source, facts.linedefined, facts.lastlinedefined, (debug.getlocal(json.decode, 1)))']]
    local compiled = gantry(chunk)
    assert.is_truthy(compiled:find(folder .. "/lua/gantry/json.lua:", 1, true), compiled)
    patch(OF_THIS_LUA, OF_ANOTHER_LUA)
    assert.are.equal(gantry(chunk), compiled)
  end)
end)
