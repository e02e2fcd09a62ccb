-- SPDX-License-Identifier: Apache-2.0
--
--- web_service.lua POLICY RUNTIME_DIR: a web service of lua-http, which asks a plugin for what it answers. HTTP, the
--- plugin's calls, its death and its launches are all on one controller of cqueues; each request has a coroutine.
---
---   GET /KEY      the value that the plugin has for the key; 503 while there is no plugin
---   GET /:stats   how many requests went how, and how often the plugin was launched
---   POST /:kill   kills the plugin

-- lua-http runs under Lua 5.4, but Debian installs it for older ones alone.
package.path = package.path .. ";/usr/share/lua/5.3/?.lua;/usr/share/lua/5.3/?/init.lua;/usr/share/lua/5.1/?.lua"

local cqueues = require "cqueues"
local http_headers = require "http.headers"
local http_server = require "http.server"

local gantry = require "gantry"
local json = require "gantry.json"

local controller = cqueues.new()
local attached = require("gantry.cqueues").attach(controller)
local policy, runtime_dir = arg[1], arg[2]

local plugin -- nil while there is none
local stats = { ok = 0, unavailable = 0, failed = 0, launches = 0 }
local stopping = false

---Launches the plugin, and again whenever it has ended. Its store is empty each time.
local function keep_plugin()
  while not stopping do
    local launched <close> = assert(gantry.launch(policy, { runtime_dir = runtime_dir }))
    assert(launched:call("proto.KV/Put", { key = "greeting", value = "hello" }))
    plugin, stats.launches = launched, stats.launches + 1
    if not stopping then launched:wait() end
    plugin = nil
  end
  attached:detach()
end

---@param key string
---@return string status, string body
local function get(key)
  if not plugin then return "503", "the plugin is being launched\n" end
  local asked = plugin
  local reply, err = asked:call("proto.KV/Get", { key = key }, { timeout = 5 })
  if reply then return "200", reply.value .. "\n" end
  if err.code == "PLUGIN_EXITED" or err.code == "UNAVAILABLE" then return "503", err.message .. "\n" end
  return "500", err.message .. "\n"
end

local function kill()
  if plugin then plugin:kill "KILL" end
  return "202", "killed\n"
end

local COUNTED = { ["200"] = "ok", ["503"] = "unavailable", ["500"] = "failed" }

---@param method string
---@param path string
---@return string status, string body
local function answer(method, path)
  if method == "POST" and path == "/:kill" then return kill() end
  if path == "/:stats" then return "200", json.encode(stats) .. "\n" end
  local status, body = get(path:sub(2))
  stats[COUNTED[status]] = stats[COUNTED[status]] + 1
  return status, body
end

local server = assert(http_server.listen {
  host = "127.0.0.1", port = 0, cq = controller, tls = false,
  onstream = function(_, stream)
    local request = assert(stream:get_headers())
    local status, body = answer(request:get ":method", request:get ":path")
    local headers = http_headers.new()
    headers:append(":status", status)
    headers:append("content-type", "text/plain")
    headers:append("content-length", tostring(#body))
    assert(stream:write_headers(headers, false))
    assert(stream:write_chunk(body, true))
  end,
  onerror = function(_, context, operation, err) -- a client that went away is nobody's fault
    if operation ~= "read" and operation ~= "write" and operation ~= "onstream" then
      io.stderr:write(("%s: %s: %s\n"):format(context, operation, err))
    end
  end,
})
assert(server:listen())

-- The end of standard input is the end of the service.
controller:wrap(function()
  local input = require("cqueues.socket").fdopen(0)
  input:read("*l")
  stopping = true
  server:close()
  if plugin then plugin:stop() end
end)

controller:wrap(keep_plugin)
print("listening on port " .. select(3, server:localname()))
io.stdout:flush()
assert(controller:loop())
