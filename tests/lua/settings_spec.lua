-- SPDX-License-Identifier: Apache-2.0
--
--- Settings: of the environment, of the user's file and of this machine's, in that order, and files that are broken.

local core = require "gantry.core"
local doctor = require "gantry.doctor.settings"
local endpoint = require "gantry.engine.endpoint"
local paths = require "gantry.supervisor.paths"
local runtime_dir = require "gantry.place.runtime_dir"
local settings = require "gantry.policy.settings"
local state_dir = require "gantry.place.state_dir"

describe("settings", function()
  local home

  before_each(function()
    home = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(home .. "/.config/gantry"))
  end)

  after_each(function() assert(os.execute("rm -rf " .. home)) end)

  ---@param text string
  ---@param path string?
  ---@return string path
  local function write(text, path)
    path = path or home .. "/.config/gantry/gantry.lua"
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    return path
  end

  ---@param more table<string, string>?
  local function environment(more)
    local found = { HOME = home }
    for name, value in pairs(more or {}) do found[name] = value end
    return found
  end

  it("come from the user's file", function()
    local path = write 'return { engine = "tcp://one:1", timestamps = false, state_dir = "~/kept" }'
    local source = select(2, settings.find("engine", environment()))
    assert.are.same({ "tcp://one:1", path }, { settings.get("engine", environment()), source })
    assert.is_false(settings.get("timestamps", environment()))
    assert.are.equal(home .. "/kept", state_dir.path(environment()))
    assert.is_nil(settings.get("site", environment()))
  end)

  it("come from XDG_CONFIG_HOME where that is set", function()
    assert(core.files.make_directory(home .. "/other/gantry"))
    write('return { site = "/one.lua" }', home .. "/other/gantry/gantry.lua")
    assert.are.equal("/one.lua", settings.get("site", environment { XDG_CONFIG_HOME = home .. "/other" }))
    assert.is_nil(settings.get("site", environment { XDG_CONFIG_HOME = "relative" }))
  end)

  it("come from the environment before all", function()
    write 'return { timestamps = false, log_format = "json", runtime_dir = "/file", control = "/file.sock" }'
    local given = environment { GANTRY_TIMESTAMPS = "1", GANTRY_LOG_FORMAT = "text", GANTRY_RUNTIME_DIR = "/variable",
      GANTRY_CONTROL = "" }
    assert.is_true(settings.get("timestamps", given))
    assert.are.equal("GANTRY_TIMESTAMPS", select(2, settings.find("timestamps", given)))
    assert.are.equal("text", settings.get("log_format", given))
    assert.are.equal("/variable", runtime_dir.path(given))
    assert.are.equal("/file.sock", paths.control(given))
    assert.are.equal("/file", runtime_dir.path(environment()))
  end)

  it("name the engine after the variables of other tools, and before their files", function()
    write 'return { engine = "tcp://file:1" }'
    local path = home .. "/.config/gantry/gantry.lua"
    local function chosen(more, url)
      local list = assert(endpoint.candidates(url, environment(more)))
      return ("%s of %s"):format(list[1].name, list[1].source)
    end
    write('{ "currentContext": "none" }', home .. "/config.json")
    assert.are.equal("tcp://file:1 of " .. path, chosen { DOCKER_CONFIG = home })
    assert.are.equal("tcp://docker:1 of DOCKER_HOST", chosen { DOCKER_HOST = "tcp://docker:1" })
    assert.are.equal("tcp://podman:1 of CONTAINER_HOST", chosen { CONTAINER_HOST = "tcp://podman:1" })
    assert.are.equal("unix:///var/run/docker.sock of default", chosen { DOCKER_CONTEXT = "default" })
    assert.are.equal("tcp://own:1 of GANTRY_ENGINE", chosen { GANTRY_ENGINE = "tcp://own:1",
      DOCKER_HOST = "tcp://docker:1" })
    assert.are.equal("tcp://typed:1 of --engine", chosen({ GANTRY_ENGINE = "tcp://own:1" }, "tcp://typed:1"))
  end)

  it("that are broken are one error with place and remedy, whichever is asked for", function()
    for text, message in pairs {
      ['return {\n  engin = "x" }'] = ":2: there is no setting 'engin'; did you mean 'engine'?",
      ["return {\n\n  nothing_like_it = 1 }"] = ":3: there is no setting 'nothing_like_it'; there are engine, site,",
      ["return { 'x' }"] = ":1: there is no setting 1; there are",
      ["return { engine = 5 }"] = ":1: engine must be a string, got 5",
      ["return { timestamps = 'yes' }"] = ":1: timestamps must be true or false, got 'yes'",
      ["return { log_format = 'jsn' }"] = [[:1: log_format must be "text" or "json", got 'jsn'; did you mean 'json'?]],
      ["return { state_dir = 'here' }"] = ":1: state_dir must be a whole path, or begin with ~/, got 'here'",
      ["return 5"] = ":1: it must return a table, got 5",
      [""] = ":1: it must return a table, got nothing",
      ["return {"] = ":1: unexpected symbol near <eof>",
      ["return { engine = missing.field }"] = ":1: 'missing' is not defined",
      ["while true do end"] = "did not end within",
      ["\27Lua"] = "is a binary chunk",
    } do
      local path = write(text)
      local value, source, err = settings.find("log_dir", environment())
      assert.is_nil(value or source, text)
      assert.are.equal("SETTINGS_INVALID", err.code)
      assert.is_truthy(err.message:find("gantry's settings cannot be used: " .. path, 1, true), err.message)
      assert.is_truthy(err.message:find(message, 1, true) or text:find "while", err.message)
      assert.is_nil((endpoint.candidates("tcp://typed:1", environment())))
      local ok, raised = pcall(settings.get, "site", environment { GANTRY_SITE = "/x" })
      assert.are.same({ false, err.message }, { ok, raised.message })
    end
    local _, _, err = settings.find("timestamps", { GANTRY_TIMESTAMPS = "maybe" })
    assert.are.equal("gantry's settings cannot be used: GANTRY_TIMESTAMPS must be true or false, got 'maybe'",
      err.message)
  end)

  it("that others could have written are refused, and another user's are not read", function()
    local path = write 'return { engine = "tcp://one:1" }'
    assert(os.execute("chmod 666 " .. path))
    local _, _, err = settings.find("engine", environment())
    assert.matches("everybody may write to it; run: chmod go%-w", err.message)
    if core.system.euid() ~= 0 then return end
    assert(os.execute("chown 64999 " .. path))
    assert.is_nil(settings.get("engine", environment()))
    local told = {}
    doctor.run { environment = environment(), ok = function() end, warn = function(_, _, text) told[1] = text end }
    assert.are.equal(path .. " belongs to another user, and is not read", told[1])
  end)

  it("that are broken fail a load, and are not raised", function()
    write "return 5"
    write('return { image = "x" }', home .. "/kv.lua")
    assert(os.execute("chmod 600 " .. home .. "/kv.lua"))
    local line = [[HOME=%s %s -e 'print(select(2, require("gantry").load("%s/kv.lua")).code)']]
    local pipe = assert(io.popen(line:format(home, os.getenv "GANTRY", home)))
    assert.are.equal("SETTINGS_INVALID\n", pipe:read "a")
    pipe:close()
  end)

  it("of this machine come after the user's", function()
    write 'return { log_format = "json" }'
    assert(os.execute(("cp -a /etc %s/etc 2>/dev/null; mkdir -p %s/etc/gantry"):format(home, home)))
    write('return { log_format = "text", log_dir = "/var/log/plugins" }', home .. "/etc/gantry/gantry.lua")
    local program = [[local settings = require "gantry.policy.settings"
      for _, name in ipairs { "log_format", "log_dir" } do print(name, settings.find(name)) end]]
    local line = "HOME=%s unshare --mount %s sh -c 'mount --bind %s/etc /etc && exec %s -e \"$1\"' sh '%s'"
    local pipe = assert(io.popen(line:format(home, core.system.euid() == 0 and "" or "--map-root-user", home,
      os.getenv "GANTRY", program)))
    assert.are.equal(("log_format\tjson\t%s/.config/gantry/gantry.lua\tnil\n"
      .. "log_dir\t/var/log/plugins\t/etc/gantry/gantry.lua\tnil\n"):format(home), pipe:read "a")
    assert.is_true(pipe:close())
  end)
end)
