-- SPDX-License-Identifier: Apache-2.0
--
--- supervise.lua DIRECTORY PLUGIN: a program that keeps its plugins running, as `gantry up` does, and uses one of them.
--- While it runs, gantry's verbs know it: `gantry ps`, `gantry why PLUGIN`, `gantry logs -f PLUGIN`, `gantry down`.

local gantry = require "gantry"

local directory, name = arg and arg[1] or "policies", arg and arg[2] or "demo"

-- Without this, what goes wrong in the background is raised by whoever waits.
gantry.task.on_error = function(err) io.stderr:write("in the background: ", tostring(err), "\n") end

-- The end of this variable ends the supervisor and leaves the plugins running: the next one takes them over.
local supervised <close> = assert(gantry.supervise {
  directory = directory,
  on_event = function(event) print(("%s: %s: %s"):format(event.plugin or "supervisor", event.kind, event.text)) end,
  on_lines = function(plugin, _, lines) print(plugin .. " says " .. table.concat(lines, "\n")) end,
})

-- Waits until the engine is there, the policies are read, and the plugin is ready. Ended, it is restarted as its policy
-- says, and the next generation is asked for in the same way.
local function put_and_get(value)
  local plugin = assert(supervised:await(name))
  assert(plugin:call("proto.KV/Put", { key = "key", value = value }))
  print("got " .. assert(plugin:call("proto.KV/Get", { key = "key" })).value)
  return plugin
end

local plugin = put_and_get "first"
plugin:kill "KILL"
plugin:wait()
put_and_get "second"

for _, entry in ipairs(assert(supervised:why(name))) do
  if entry.kind == "decision" then print("decided: " .. entry.text) end
end

-- Stops the plugins; `supervised:leave()` would leave them as they are.
print("stopped " .. table.concat(assert(supervised:down()), ", "))
