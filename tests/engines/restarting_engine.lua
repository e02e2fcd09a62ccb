-- SPDX-License-Identifier: Apache-2.0
--
--- restarting_engine.lua: a Docker Engine of the tests' own that is killed and started again, by what engines.sh keeps
--- of it: GANTRY_MATRIX_ENGINE_FILES. Its containers outlive it (--live-restore).

local core = require "gantry.core"
local task = require "gantry.task"

local engine = {}

---Where engines.sh keeps what it knows of it; nil where these tests have no such engine.
engine.files = os.getenv "GANTRY_MATRIX_ENGINE_FILES"

---@return string
local function pid_of()
  local file <close> = assert(io.open(engine.files .. "/docker.pid"))
  return assert(file:read("a"):match "%d+")
end

---@param name string of a signal
function engine.signal(name)
  assert(os.execute(("kill -%s %s"):format(name, pid_of())))
end

---Kills the engine, at once, and returns when it has ended.
function engine.kill()
  local pid = pid_of()
  engine.signal "KILL"
  for _ = 1, 600 do
    local status = core.system.stat("/proc/" .. pid) and io.open("/proc/" .. pid .. "/status")
    local text = status and status:read("a") or "State:\tZ"
    if status then status:close() end
    if text:find("State:%s+[ZX]") then return end
    task.sleep(0.05)
  end
  error "the engine does not end"
end

function engine.start()
  assert(os.execute(([[setsid bash -c "exec $(cat %s.command)" >>%s.log 2>&1 </dev/null & echo $! >%s.pid]])
    :format(engine.files, engine.files, engine.files)))
end

return engine
