-- SPDX-License-Identifier: Apache-2.0
--
--- supervised.lua: what the benchmarks of supervision share: `gantry up` over a folder of its own, and programs that
--- tell by lines of JSON what happens, each line with the time at which it came. Whoever makes one of them closes it,
--- also after a failure; then nothing of it is left, neither here nor on the engine.

local answers = require("gantry.control.answer").types
local client = require "gantry.control.client"
local core = require "gantry.core"
local json = require "gantry.json"
local task = require "gantry.task"

local supervised = {
  cache = (os.getenv("GANTRY_CACHE") or ".cache") .. "/bench/", -- where the programs of build.sh are
  image = "gantry-demo-kv:latest",
}

local EXECUTABLE <const> = assert(os.getenv "GANTRY", "GANTRY must name the executable")
local POLICY <const> = [[
return { %s, cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  restart = function() return "restart", { after = 0 } end }
]]
local LONGEST_LINE <const> = 1024 * 1024
local TIMEOUT <const> = 60 -- seconds for a program to end, and for `gantry up` to stop its plugins

-- ---- programs ----

---@class bench.Program
---@field name string
---@field times table<string, number[]> by the lines' kind: when they came, on the loop's clock
---@field last table<string, table> by kind: the last line of it
---@field process userdata
---@field ended gantry.Event
---@field changed gantry.Event set, and replaced, whenever there is something new
local Program = {}
Program.__index = Program

---Starts a program, one of whose outputs is a pipe. A session of its own keeps a Ctrl-C from it: it is told to end.
---@param options table of core.process.spawn, callbacks left out
---@return bench.Program
function supervised.program(options)
  local self = setmetatable({ name = options[1]:match "[^/]*$", times = {}, last = {}, changed = task.event(),
    ended = task.event() }, Program)
  local lines = core.lines.new(LONGEST_LINE)
  options.new_session = true
  options.on_output = function(_, bytes)
    local now = core.loop.clock()
    lines:feed(bytes, function(line) self:take(line, now) end)
    self:wake()
  end
  options.on_exit = function()
    self.ended:set(true)
    self:wake()
  end
  self.process = assert(core.process.spawn(task.loop(), options))
  return self
end

---What is no JSON is meant for people: why a program cannot go on.
---@param line string
---@param now number
function Program:take(line, now)
  local told = json.decode(line)
  if type(told) ~= "table" or not told.kind then return io.stderr:write(line, "\n") end
  self.times[told.kind] = self.times[told.kind] or {}
  table.insert(self.times[told.kind], now)
  self.last[told.kind] = told
end

function Program:wake()
  local changed = self.changed
  self.changed = task.event()
  changed:set()
end

---From here on, times are counted anew.
function Program:forget()
  self.times = {}
end

---Waits until so many lines of a kind have come.
---@param kind string
---@param count integer
---@return number time of the last of these
function Program:await(kind, count)
  while #(self.times[kind] or {}) < count do
    if self.ended:is_set() then error(self.name .. " has ended") end
    self.changed:wait()
  end
  return self.times[kind][count]
end

---The end of its input asks a program to give back what it holds; one that does not is killed.
function Program:close()
  task.shield(function()
    self.process:close_input()
    if not task.deadline(TIMEOUT, self.ended.wait, self.ended) then
      io.stderr:write(self.name, " does not end: killed\n")
    end
    self.process:close()
  end)
end

Program.__close = Program.close

-- ---- gantry up ----

---@class bench.Up
---@field program bench.Program its events
---@field began number
---@field control gantry.ControlClient
---@field folder string
---@field environment string[] what a program makes that runs in it goes with the folder, however the program ends
local Up = {}
Up.__index = Up

---@param count integer
---@param policy string
---@return string folder
local function make_folder(count, policy)
  local folder = ("%s/gantry-bench-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
  assert(core.files.make_directory(folder .. "/policies"))
  assert(core.files.make_directory(folder .. "/run"))
  for i = 1, count do assert(core.files.replace(("%s/policies/p%03d.lua"):format(folder, i), policy)) end
  return folder
end

---@param folder string
---@return string[]
local function environment_of(folder)
  local environment = { "GANTRY_RUNTIME_DIR=" .. folder .. "/run", "GANTRY_STATE_DIR=" .. folder .. "/state",
    "TMPDIR=" .. folder }
  for name, value in pairs(core.system.environment()) do
    if not name:find "^GANTRY_" and name ~= "TMPDIR" then environment[#environment + 1] = name .. "=" .. value end
  end
  return environment
end

---Starts `gantry up` over so many policies, p001 and on. Every death is followed by a start, as soon as may be.
---@param count integer
---@param more { arguments: string[]?, policy: string?, engine: string? }? policy: its fields in place of the image
---@return bench.Up
function supervised.up(count, more)
  more = more or {}
  local folder = make_folder(count, POLICY:format(more.policy or 'image = "gantry-demo-kv"'))
  local self = setmetatable({ folder = folder, environment = environment_of(folder), began = core.loop.clock(),
    control = assert(client.open(folder .. "/run/.control.sock")) }, Up)
  if more.engine then table.insert(self.environment, "GANTRY_ENGINE=" .. more.engine) end
  local options = { EXECUTABLE, "up", "--log-format", "json", folder .. "/policies",
    environment = self.environment, input = "null", output = "inherit", error = "pipe" }
  table.move(more.arguments or {}, 1, #(more.arguments or {}), #options + 1, options)
  self.program = supervised.program(options)
  return self
end

---Removes what a `gantry up` that could not be told down has left running. Without a state, nothing is taken for a
---plugin that the next one adopts.
function Up:sweep()
  os.execute("rm -rf " .. self.folder .. "/state")
  local sweeper <close> = supervised.program { EXECUTABLE, "gc", environment = self.environment, output = "pipe",
    error = "inherit" }
  sweeper.ended:wait()
end

---Stops the plugins and removes the folder.
function Up:close()
  task.shield(function()
    local stopped, err = task.deadline(TIMEOUT, self.control.call, self.control, "POST", "/v1/down",
      answers.down)
    if not stopped then
      io.stderr:write(("gantry up: %s\n"):format(err))
      self.program.process:signal "TERM"
    end
    self.program:close()
    if not stopped then self:sweep() end
    self.control:close()
    os.execute("rm -rf " .. self.folder)
  end)
end

Up.__close = Up.close

-- ---- the benchmark itself ----

---Runs a benchmark to its end, or until a signal cancels it: what it closes is closed in both cases.
---@param main fun()
function supervised.run(main)
  task.run(function()
    local signalled = task.event()
    local signals <close> = core.signals.open(task.loop(), { "INT", "TERM" }, -- luacheck: ignore signals
      function(name) signalled:set(name) end)
    local _, signal = task.first(main, function() return signalled:wait() end)
    if signal then error("ended by SIG" .. signal, 0) end
  end)
end

return supervised
