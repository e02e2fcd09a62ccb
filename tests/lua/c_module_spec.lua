-- SPDX-License-Identifier: Apache-2.0
--
--- c_module_spec.lua: what is loaded of gantry's C modules and of the libraries behind them: nothing before it is
--- needed, and a library that is missing is an error of whatever needs it.

local c_module = require "gantry.base.c_module"
local core = require "gantry.core"

local GANTRY <const> = assert(os.getenv "GANTRY")
local LIBRARIES <const> = { certificate = { "libcrypto.so.3" }, control = { "libmicrohttpd.so.12" },
  digest = { "libcrypto.so.3" }, grpc = { "libnghttp2.so.14", "libssl.so.3" }, http = { "libcurl.so.4" },
  line_editor = { "libreadline.so.8" }, screen = { "libncursesw.so.6" } }
local PACKAGES <const> = { certificate = "libssl3", control = "libmicrohttpd12", digest = "libssl3",
  grpc = "libnghttp2-14 and libssl3", http = "libcurl4", line_editor = "libreadline8", screen = "libncursesw6" }

local folder

before_each(function()
  folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
  assert(core.files.make_directory(folder))
end)
after_each(function() assert(os.execute("rm -r " .. folder)) end)

---Runs gantry, far from any engine and supervisor.
---@param environment string
---@param arguments string
---@return string output
local function gantry(environment, arguments)
  local pipe <close> = assert(io.popen(("cd %s && env -u LUA_PATH -u LUA_CPATH DOCKER_HOST=unix:///nowhere "
    .. "GANTRY_CONTROL=%s/none GANTRY_STATE_DIR=%s/state GANTRY_RUNTIME_DIR=%s/run %s timeout 20 %s %s </dev/null 2>&1")
    :format(folder, folder, folder, folder, environment, GANTRY, arguments)))
  return pipe:read("a")
end

describe("gantry.core's modules", function()
  for name, libraries in pairs(LIBRARIES) do
    it("bring their libraries: " .. name, function()
      assert.is_table(c_module.load(name))
      assert.are.equal(c_module.load(name), require("gantry.core." .. name))
    end)

    for _, library in ipairs(libraries) do
      it(("say what to install: %s without %s"):format(name, library), function()
        assert(core.files.replace(folder .. "/" .. library, "no library"))
        local output = gantry("LD_LIBRARY_PATH=" .. folder, ([[-e 'local module, err =
          require("gantry.base.c_module").load "%s"; return module, err.code, err.message']]):format(name))
        assert.matches("^nil\n\"LIBRARY_MISSING\"\n", output)
        assert.is_truthy(output:find("load gantry.core." .. name, 1, true), output)
        assert.is_truthy(output:find(library, 1, true), output)
        assert.is_truthy(output:find("; install " .. PACKAGES[name], 1, true), output)
      end)
    end
  end

  it("fail as what needs them fails", function()
    assert(core.files.replace(folder .. "/libcurl.so.4", "no library"))
    local output = gantry("LD_LIBRARY_PATH=" .. folder, "ps")
    assert.matches("^gantry: load gantry.core.http: .*libcurl.so.4.*; install libcurl4\n$", output)
  end)

  it("say which limit is too low where there is no memory for a library", function()
    local limited = ("timeout 20 sh -c 'ulimit -v 14000; exec \"$0\" \"$@\"' %s"):format(GANTRY)
    local unset <const> = "env -u LD_PRELOAD -u LUA_PATH -u LUA_CPATH"
    local pipe <close> = assert(io.popen(("cd %s && %s %s ps </dev/null 2>&1; echo $?"):format(folder, unset, limited)))
    local output = pipe:read "a"
    assert.matches("^gantry: load gantry.core.http: .*; this process may have no more memory than 13.7MiB "
      .. "%(ulimit %-v, LimitAS=%): raise that limit\n1\n$", output)
    assert.is_nil(output:find("install", 1, true), output)
  end)

  it("are not needed to say that Lua itself has no memory", function()
    local limited = "env -u LD_PRELOAD timeout 20 sh -c 'ulimit -d 1000; exec \"$0\" plan x'"
    local pipe <close> = assert(io.popen(("%s %s 2>&1; echo $?"):format(limited, GANTRY)))
    assert.are.equal("gantry: out of memory; raise the limit of this process (ulimit -v, ulimit -d)\n71\n",
      pipe:read "a")
  end)

  -- By name of a verb: which modules it comes to load.
  for arguments, modules in pairs {
    ["version"] = {}, ["--help"] = {}, ["up --help"] = {}, ["check good.lua"] = {},
    ["simulate good.lua --exit 1"] = {}, ["-e 'return 1'"] = {}, ["policy-child"] = {}, ["repl-guardian"] = {},
    ["host -- true"] = {}, ["exec"] = {}, ["ps"] = { "http" }, ["top"] = {}, ["doctor"] = { "certificate", "http" },
    ["plan good.lua"] = { "http" }, ["run good.lua"] = { "http" },
  } do
    it("are loaded by gantry " .. arguments, function()
      assert(core.files.replace(folder .. "/good.lua", 'return { image = "gantry-test-none" }'))
      gantry(("LD_DEBUG=files LD_DEBUG_OUTPUT=%s/linker"):format(folder), arguments)
      local pipe <close> = assert(io.popen(("grep -h 'calling init' %s/linker.*"):format(folder)))
      local seen, found, text = {}, {}, pipe:read("a")
      assert.is_truthy(text:find("/libc.so.6", 1, true), text)
      for name in text:gmatch "/gantry/core/([%w_]+)%.so" do
        if not seen[name] then found[#found + 1] = name end
        seen[name] = true
      end
      table.sort(found)
      assert.are.same(modules, found)
      if #modules == 0 then
        for _, libraries in pairs(LIBRARIES) do
          for _, library in ipairs(libraries) do assert.is_nil(text:find(library, 1, true), text) end
        end
      end
    end)
  end
end)
