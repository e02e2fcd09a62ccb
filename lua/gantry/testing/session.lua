-- SPDX-License-Identifier: Apache-2.0
--
--- testing/session.lua: one test file while it runs: which test is under way, what was checked, what failed, and which
--- lines of policies were run.

local errors = require "gantry.base.errors"
local lines = require "gantry.testing.lines"

local session = {}

local MOST_FAILURES <const>, LONGEST <const> = 100, 8192

---@class gantry.TestFailure
---@field file string
---@field line integer?
---@field message string
---@field path string? of the field that differs
---@field expected string?
---@field found string?

---@class gantry.TestResult
---@field name string
---@field ok boolean
---@field checks integer
---@field seconds number of processor time
---@field failures gantry.TestFailure[]

---@class gantry.TestSession
---@field path string of the test file
---@field loader gantry.PolicyLoader of the test file
---@field results gantry.TestResult[]
---@field test gantry.TestResult the one under way
---@field covered table<string, table<integer, true>>? lines that were run, by the file's path
---@field texts table<string, string> of files that were loaded as policies
local Session = {}
Session.__index = Session

---@param path string
---@param options { filter: string?, coverage: boolean? }
---@return gantry.TestSession
function session.new(path, options)
  return setmetatable({ path = path, options = options, results = {}, texts = {}, output = {},
    covered = options.coverage and {} or nil }, Session)
end

---Where in the test file the code under way was called from.
---@return string file, integer? line
function Session:place()
  local level, info = 2, debug.getinfo(2, "Sl")
  while info do
    if info.source == "@" .. self.path then return self.path, info.currentline end
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  return self.path, nil
end

---@param failure gantry.TestFailure
function Session:note(failure)
  local list = self.test.failures
  failure.message = failure.message:sub(1, LONGEST)
  if #list < MOST_FAILURES then list[#list + 1] = failure end
end

-- What ends a test whose failure was noted.
local ENDED = setmetatable({}, { __tostring = function() return "the test has failed" end })

---Notes failures of a check, and ends the test.
---@param list table[] message, and what else is known
function Session:fail(list)
  local file, line = self:place()
  for _, one in ipairs(list) do
    one.file, one.line = file, line
    self:note(one)
  end
  error(ENDED, 0)
end

---A check that is made, whether it fails or not.
function Session:count()
  self.test.checks = self.test.checks + 1
end

---@param raised any
function Session:note_raised(raised)
  if rawequal(raised, ENDED) then return end
  if errors.is(raised) then
    local file = raised.file or self.path
    local place = raised.line and ("%s:%d: "):format(file, raised.line) or file .. ": "
    local message = raised.message:sub(1, #place) == place and raised.message:sub(#place + 1) or raised.message
    return self:note { file = file, line = raised.line, message = message }
  end
  local message, file, line = self.loader:tidy(errors.text(raised))
  self:note { file = file, line = line, message = (message:gsub("^.-:%d+: ", "")) }
end

-- What a test is told of that checks nothing.
local SILENT <const> = "0 checks: it asserts nothing"

---A file that has no test and checks nothing.
---@param name string
function Session:note_empty(name)
  self.results[1] = { name = name, ok = false, checks = 0, seconds = 0,
    failures = { { file = self.path, message = SILENT } } }
end

---Runs a function as a test.
---@param name string
---@param fn function
---@param quiet boolean? the file itself: it need check nothing, and is no test that a filter names
function Session:run(name, fn, quiet)
  local before, began = self.test, os.clock()
  self.test = { name = name, checks = 0, failures = {} }
  local ok, raised = pcall(fn)
  if not ok then self:note_raised(raised) end
  local test = self.test
  local silent = test.checks == 0 and #test.failures == 0
  if silent and not quiet then
    self:note { file = self.path, line = debug.getinfo(fn, "S").linedefined, message = SILENT }
  end
  test.seconds, test.ok = os.clock() - began, #test.failures == 0
  local unasked = quiet and test.ok and (silent or self.options.filter ~= nil)
  if not unasked then self.results[#self.results + 1] = test end
  self.test = before
end

---Calls into a policy and notes the lines that are run, for want of a budget's hook.
---@param fn function
---@return boolean ok, any ...
function Session:call_covered(_, fn, ...)
  local function hook(_, line)
    local source = debug.getinfo(2, "S").source
    local path = source:sub(1, 1) == "@" and source:sub(2)
    if path and self.texts[path] then
      self.covered[path] = self.covered[path] or {}
      self.covered[path][line] = true
    end
  end
  local arguments = table.pack(...)
  debug.sethook(hook, "l")
  local results = table.pack(xpcall(function() return fn(table.unpack(arguments, 1, arguments.n)) end, function(raised)
    return errors.is(raised) and raised or errors.new("POLICY_ERROR", errors.text(raised))
  end))
  debug.sethook()
  return table.unpack(results, 1, results.n)
end

---@return table<string, { lines: integer[], missed: integer[] }>? coverage by path
function Session:coverage()
  if not self.covered then return nil end
  local result = {}
  for path, text in pairs(self.texts) do
    local all, run = {}, {}
    for line in pairs(lines.of(text)) do
      all[#all + 1] = line
      if self.covered[path] and self.covered[path][line] then run[#run + 1] = line end
    end
    table.sort(all)
    table.sort(run)
    result[path] = { lines = all, run = run }
  end
  return result
end

return session
