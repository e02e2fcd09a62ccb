-- SPDX-License-Identifier: Apache-2.0
--
--- registry.lua: a real registry on a free port of the loopback that wants a password: alice's, s3cret.

local core = require "gantry.core"
local support = require "engine.support"
local task = require "gantry.task"

local registry = {}

---Starts it and waits until it listens; use inside a task, or outside of all.
---@param folder string for its files, removed by whoever made it
---@return userdata process to be closed
---@return string address such as 127.0.0.1:5000
function registry.start(folder)
  assert(os.execute(("htpasswd -Bbn alice s3cret >%s/htpasswd 2>/dev/null"):format(folder)))
  support.write(folder .. "/registry.yml", ([[
version: 0.1
storage: { filesystem: { rootdirectory: %s/data } }
http: { addr: "127.0.0.1:0" }
auth: { htpasswd: { realm: test, path: %s/htpasswd } }
]]):format(folder, folder))
  local ready, seen, address = task.event(), "", nil
  local process = assert(core.process.spawn(task.loop(), { "docker-registry", "serve", folder .. "/registry.yml",
    input = "null", output = "pipe", error = "pipe", on_exit = function() ready:set() end,
    on_output = function(_, bytes)
      seen = seen .. bytes
      address = seen:match("listening on (127%.0%.0%.1:%d+)")
      if address then ready:set() end
    end }))
  ready:wait()
  return process, assert(address, seen)
end

return registry
