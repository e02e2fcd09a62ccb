-- SPDX-License-Identifier: Apache-2.0
--
--- watched.lua [COUNT] [SECONDS]: processor time of `gantry up` with so many plugins while somebody watches: nobody at
--- first, then the page in a browser, its tab with one plugin open, `gantry top` in a terminal, and nobody again.
--- Needs GANTRY, chromium-driver, tmux and the test images.

local browser = require "engine.browser"
local supervised = require "bench.supervised"
local task = require "gantry.task"
local terminal = require "engine.terminal"

local COUNT <const> = tonumber(arg[1]) or 100
local SECONDS <const> = tonumber(arg[2]) or 30
local SETTLE <const> = 5 -- seconds until what begins has begun

---@param pid integer
---@return number seconds of processor time so far
local function cpu_seconds(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  local user, system = file:read("a"):match("%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) / 100
end

---@param pid integer
---@param name string
local function measure(pid, name)
  task.sleep(SETTLE)
  local before = cpu_seconds(pid)
  task.sleep(SECONDS)
  print(("%-24s %5.2f %% of a core"):format(name, (cpu_seconds(pid) - before) / SECONDS * 100))
end

supervised.run(function()
  local up <close> = supervised.up(COUNT, { arguments = { "--web", "127.0.0.1:0" } })
  up.program:await("ready", COUNT)
  up.program:await("web", 1)
  local pid, link = up.program.process:pid(), up.program.last.web.message
  print(("gantry up with %d plugins, over %d s each:"):format(COUNT, SECONDS))
  measure(pid, "nobody looks")
  local page = browser.open()
  local _ <close> = setmetatable({}, { __close = function() task.shield(page.close, page) end })
  page:go(link)
  measure(pid, "the page")
  page:click "tbody th a"
  measure(pid, "the page, one plugin open")
  page:go "about:blank"
  local environment = { TERM = "screen", LC_ALL = "C.UTF-8" }
  for _, one in ipairs(up.environment) do
    local name, value = one:match "^(GANTRY_%u+_DIR)=(.*)$"
    if name then environment[name] = value end
  end
  local screen = terminal.open(os.getenv "GANTRY" .. " top", environment)
  screen:shows(("%d ready"):format(COUNT))
  measure(pid, "gantry top")
  screen:close()
  measure(pid, "nobody again")
end)
