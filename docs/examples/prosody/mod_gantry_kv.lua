-- SPDX-License-Identifier: Apache-2.0
--
--- mod_gantry_kv.lua: a module of Prosody that keeps plugins running in Prosody's own loop, and asks one of them for
--- what it answers over HTTP. To be copied into a folder of plugin_paths:
---
---   modules_enabled = { "gantry_kv" }
---   gantry_policies = "/etc/prosody/policies"   -- gantry's: one file, one plugin
---   gantry_plugin = "kv"
---
---   GET /gantry_kv/KEY    the value that the plugin has for the key; 503 while there is no plugin
---   PUT /gantry_kv/KEY    stores the body

local async = require "util.async"
local gantry = require "gantry"
local server = require "net.server"
local timer = require "util.timer"

module:depends "http"
local name = module:get_option_string("gantry_plugin", "kv")

-- ---- gantry in Prosody's loop ----

local loop = gantry.loop()

local watch = server.watchfd(loop:fd(), function()
  local stepped, count, err = pcall(loop.step, loop, 0)
  if not stepped or not count then module:log("error", "gantry: %s", stepped and err or count) end
end)

gantry.task.on_error = function(err) module:log("error", "gantry: %s", err) end

-- The coroutines of Prosody's runners in which gantry's calls suspend. Others may be generators of somebody's.
local asks = setmetatable({}, { __mode = "k" })

local remove_host = gantry.task.add_host(function()
  if not asks[coroutine.running()] then return nil end
  local wait, done = async.waiter()
  return wait, function() timer.add_task(0, done) end -- in a turn of its own, not within gantry's step
end)

---@param fn function a handler, which Prosody calls in a runner
local function waits(fn)
  return function(...)
    asks[coroutine.running()] = true
    return fn(...)
  end
end

-- ---- plugins ----

local supervised = assert(gantry.supervise {
  directory = module:get_option_path("gantry_policies", "policies", "config"),
  on_event = function(event) module:log("info", "%s: %s: %s", event.plugin or "gantry", event.kind, event.text) end,
  on_lines = function(plugin, _, lines)
    for _, line in ipairs(lines) do module:log("info", "%s says %s", plugin, line) end
  end,
})

-- The plugins run on: the module that is loaded next takes them over.
function module.unload()
  remove_host()
  supervised:close()
  watch:close()
end

-- ---- HTTP ----

---@return integer status, string body
local function failure(err)
  if err.code == "NOT_FOUND" then return 404, "no such key\n" end
  return 503, err.message .. "\n"
end

---@return integer status, string body
local function call(method, message)
  local plugin, reply, err
  plugin, err = supervised:plugin(name)
  if plugin then reply, err = plugin:call("proto.KV/" .. method, message, { timeout = 5 }) end
  if not reply then return failure(err) end
  return 200, method == "Get" and reply.value .. "\n" or "stored\n"
end

local function answer(event, status, body)
  event.response.status_code = status
  event.response.headers.content_type = "text/plain"
  return body
end

module:provides("http", {
  route = {
    ["GET /*"] = waits(function(event, key) return answer(event, call("Get", { key = key })) end),
    ["PUT /*"] = waits(function(event, key)
      return answer(event, call("Put", { key = key, value = event.request.body }))
    end),
  },
})
