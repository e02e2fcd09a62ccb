-- SPDX-License-Identifier: Apache-2.0
--
--- docs/examples/prosody/mod_gantry_kv.lua in Debian's Prosody: it answers from a plugin, survives the plugin's death
--- and its own reload, and leaves the plugin to gantry up.

local core = require "gantry.core"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local CACHE <const> = os.getenv "GANTRY_CACHE" or support.source .. "/.cache"
local PROSODY <const> = CACHE .. "/prosody"

local CONFIG <const> = [[
run_as_root = true
pidfile = "ROOT/prosody.pid"
data_path = "ROOT/data"
plugin_paths = { "ROOT/modules", "SOURCE/docs/examples/prosody" }
modules_enabled = { "gantry_kv", "reloads_kv", "posix" }
modules_disabled = { "s2s", "c2s" }
log = { info = "*console" }
http_interfaces = { "127.0.0.1" }
http_ports = { PORT }
https_ports = {}
gantry_policies = "ROOT/policies"
VirtualHost "localhost"
]]

-- What an administrator does in Prosody's shell.
local RELOADS <const> = [[
module:depends "http"
module:provides("http", { route = {
  ["GET /"] = function() return assert(require "core.modulemanager".reload("localhost", "gantry_kv")) and "done" end,
} })
]]

---@param command string
---@return string line that it prints
local function run(command)
  local pipe <close> = assert(io.popen(command))
  return assert(pipe:read "l")
end

-- A port that was free a moment ago.
local FREE_PORT <const> =
  [[python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])']]

describe("a module of Prosody", function()
  local place, port

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  ---Starts Prosody; it ends with the place.
  ---@return support.Command
  local function start()
    port = run(FREE_PORT)
    local values = { ROOT = place.root, SOURCE = support.source, PORT = port }
    assert(os.execute(("mkdir %s/modules %s/data"):format(place.root, place.root)))
    support.write(place.root .. "/modules/mod_reloads_kv.lua", RELOADS)
    local config = support.write(place.root .. "/prosody.cfg.lua", (CONFIG:gsub("%u%u%u+", values)))
    local options, inherited = place:options(), core.system.environment()
    options.executable = "/usr/bin/lua5.4"
    local share, multiarch = PROSODY .. "/usr/share/lua/5.4/", run "dpkg-architecture -qDEB_HOST_MULTIARCH"
    table.insert(options.environment, ("LUA_PATH=%s;%s?.lua;%s?/init.lua;;"):format(inherited.LUA_PATH, share, share))
    table.insert(options.environment, ("LUA_CPATH=%s;%s/usr/lib/%s/lua/5.4/?.so;;"):format(inherited.LUA_CPATH, PROSODY,
      multiarch))
    local prosody = support.command({ PROSODY .. "/usr/bin/prosody", "--config", config, "-F" }, options)
    place.ups[1] = prosody
    return prosody
  end

  ---@return string body and status
  local function ask(path, ...)
    local options = { executable = "/usr/bin/curl" }
    local url = ("http://localhost:%s/%s"):format(port, path)
    local curl = support.command({ "-s", "-m", "30", "-w", " %{http_code}", url, ... }, options)
    curl:wait()
    return curl.stdout
  end

  it("answers from a plugin that dies and comes back, is reloaded, and hands the plugin on", function()
    local missing = io.open(CACHE .. "/prosody.missing")
    if missing then return pending(missing:read "a") end
    place:policy "kv"
    task.run(function()
      local prosody = start()
      prosody:await("stdout", "gantry_kv[^\n]*kv: ready")
      assert.are.equal("stored\n 200", ask("gantry_kv/greeting", "-X", "PUT", "-d", "hello"))
      assert.are.equal("hello\n 200", ask "gantry_kv/greeting")
      assert.are.equal("no such key\n 404", ask "gantry_kv/nothing")

      local first = place:containers()[1].id
      support.engine():kill(first, "KILL")
      local function await(what, path, answer)
        support.eventually(what, function() return ask(path) == answer end)
      end
      await("there is another one", "gantry_kv/nothing", "no such key\n 404")
      prosody:await("stdout", "kv: decision: restart")

      assert.are.equal("stored\n 200", ask("gantry_kv/greeting", "-X", "PUT", "-d", "again"))
      assert.are.equal("done 200", ask "reloads_kv/")
      await("the reloaded module has it", "gantry_kv/greeting", "again\n 200")
      assert.are.equal("ready", place:plugin("kv").state)
      local second = place:plugin("kv").container

      prosody:kill "TERM"
      assert.are.equal(0, prosody:wait().code, prosody.stdout)
      place:up()
      assert.are.equal(second, place:await_state("kv", "ready").container)
      place:run "down"
    end)
  end)
end)
