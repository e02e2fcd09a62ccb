-- SPDX-License-Identifier: Apache-2.0
--
--- testing: finds the tests of policies and runs them, file by file, each in a process that is ended where it takes too
--- long.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local evaluator = require "gantry.policy.evaluator"
local task = require "gantry.task"

local testing = {}

local DEEPEST <const>, SECONDS <const> = 16, 10

---@class gantry.TestFile
---@field path string
---@field results gantry.TestResult[]
---@field output string[] what it printed
---@field seconds number

---@class gantry.TestRun
---@field files gantry.TestFile[]
---@field tests integer
---@field failed integer
---@field checks integer
---@field seconds number
---@field coverage table<string, { lines: integer[], missed: integer[] }>? by the policy's path

---@param list string[]
---@param folder string
---@param depth integer
---@return boolean? ok, gantry.Error? err
local function collect(list, folder, depth)
  local entries, err = core.files.list(folder)
  if not entries then return nil, err end
  table.sort(entries)
  for _, entry in ipairs(entries) do
    local path = folder .. "/" .. entry
    local status = entry:sub(1, 1) ~= "." and core.system.stat(path)
    if status and status.type == "directory" and depth < DEEPEST then
      local ok, unread = collect(list, path, depth + 1)
      if not ok then return nil, unread end
    elseif status and status.type == "file" and entry:find "_test%.lua$" then
      list[#list + 1] = path
    end
  end
  return true
end

---@param path string
---@return string absolute
local function absolute(path)
  return path:sub(1, 1) == "/" and path or core.system.current_directory() .. "/" .. path:gsub("^%./+", "")
end

---A path as people read it: below the current directory, from there.
---@param path string absolute
---@return string
local function shown(path)
  local here = core.system.current_directory() .. "/"
  return path:sub(1, #here) == here and path:sub(#here + 1) or path
end

---The test files that paths name: files themselves, and what lies in folders.
---@param paths string[]
---@return string[]? files, gantry.Error? err POLICY_NOT_FOUND, or why a folder cannot be read
function testing.find(paths)
  local list = {}
  for _, path in ipairs(paths) do
    path = path:gsub("(.)/+$", "%1")
    local status = core.system.stat(path)
    if not status then
      return nil, errors.new("POLICY_NOT_FOUND", path .. ": no such file; name a test file, or a folder of them",
        { file = path })
    end
    if status.type == "directory" then
      local ok, err = collect(list, path, 1)
      if not ok then return nil, err end
    else
      list[#list + 1] = path
    end
  end
  return list
end

---@param path string
---@param message string
---@return gantry.TestFile
local function failed(path, message)
  return { path = path, output = {}, results = { { name = path:match "[^/]*$", ok = false, checks = 0, seconds = 0,
    failures = { { file = path, message = message } } } } }
end

---@param process gantry.Evaluator
---@param path string
---@param options table
---@return gantry.TestFile file, table? coverage
local function run_file(process, path, options)
  local seconds = options.seconds or SECONDS
  local answer, err = process:converse(function(child)
    return process:exchange(child, { verb = "run", module = "gantry.testing.child", path = absolute(path),
      filter = options.filter, coverage = options.coverage }, seconds)
  end)
  if errors.is(err, "POLICY_TIMEOUT") then
    return failed(path, ("it ran for more than %g s and was ended; is there a loop without end?"):format(seconds))
  end
  if not answer or type(answer.results) ~= "table" then
    local reason = err and err.message or answer.error and answer.error.message or "no answer"
    return failed(path, "its process did not say how it went: " .. tostring(reason))
  end
  for _, result in ipairs(answer.results) do
    for _, failure in ipairs(result.failures) do failure.file = shown(failure.file) end
  end
  return { path = path, results = answer.results, output = answer.output }, answer.coverage
end

---@param total table<string, table>
---@param more table<string, { lines: integer[], run: integer[] }>?
local function add_coverage(total, more)
  for absolute_path, one in pairs(more or {}) do
    local path = shown(absolute_path)
    total[path] = total[path] or { lines = one.lines, run = {} }
    for _, line in ipairs(one.run) do total[path].run[line] = true end
  end
end

---@param total table<string, table>
local function missed(total)
  for _, one in pairs(total) do
    one.missed = {}
    for _, line in ipairs(one.lines) do
      if not one.run[line] then one.missed[#one.missed + 1] = line end
    end
    one.run = nil
  end
  return total
end

---Runs test files. Waits.
---@param paths string[] of testing.find
---@param options { filter: string?, coverage: boolean?, seconds: number? }? seconds: that one file may take
---@return gantry.TestRun
function testing.run(paths, options)
  options = options or {}
  local began = core.loop.clock()
  local run = { files = {}, tests = 0, failed = 0, checks = 0, coverage = options.coverage and {} or nil }
  task.run(function()
    local process = evaluator.new()
    for _, path in ipairs(paths) do
      local started = core.loop.clock()
      local file, coverage = run_file(process, path, options)
      file.seconds = core.loop.clock() - started
      run.files[#run.files + 1] = file
      if run.coverage then add_coverage(run.coverage, coverage) end
      for _, result in ipairs(file.results) do
        run.tests, run.checks = run.tests + 1, run.checks + result.checks
        if not result.ok then run.failed = run.failed + 1 end
      end
    end
    process:close()
  end)
  if run.coverage then missed(run.coverage) end
  run.seconds = core.loop.clock() - began
  return run
end

return testing
