-- SPDX-License-Identifier: Apache-2.0
--
--- text/test_report.lua: what came of tests of policies, as people, programs and CI systems read it.

local json = require "gantry.json"
local table_text = require "gantry.text.table_text"

local test_report = {}

---@param one gantry.TestFailure
---@return string
local function place(one)
  return one.line and ("%s:%d"):format(one.file, one.line) or one.file
end

---@param numbers integer[] ascending
---@return string such as "3-5, 9"
local function ranges(numbers)
  local parts, first = {}, nil
  for i, number in ipairs(numbers) do
    first = first or number
    if numbers[i + 1] ~= number + 1 then
      parts[#parts + 1] = first == number and tostring(number) or ("%d-%d"):format(first, number)
      first = nil
    end
  end
  return table.concat(parts, ", ")
end

---@param coverage table<string, { lines: integer[], missed: integer[] }>
---@return string
local function coverage_text(coverage)
  local rows, paths = { { "COVERED", "POLICY", "LINES THAT NO TEST RAN" } }, {}
  for path in pairs(coverage) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local one = coverage[path]
    local share = #one.lines == 0 and 100 or (#one.lines - #one.missed) * 100 // #one.lines
    rows[#rows + 1] = { ("%d%%"):format(share), path, ranges(one.missed) }
  end
  return table_text.format(rows)
end

---@param run gantry.TestRun
---@param options { verbose: boolean? }
---@return string
function test_report.text(run, options)
  local parts = {}
  for _, file in ipairs(run.files) do
    for _, line in ipairs(file.output) do parts[#parts + 1] = line .. "\n" end
    for _, test in ipairs(file.results) do
      if options.verbose then
        parts[#parts + 1] = ("%s %s: %s\n"):format(test.ok and "ok    " or "FAILED", file.path, test.name)
      end
      for _, one in ipairs(test.failures) do
        parts[#parts + 1] = ("%s: %s: %s\n"):format(place(one), test.name, one.message)
      end
    end
  end
  if run.coverage then parts[#parts + 1] = coverage_text(run.coverage) end
  parts[#parts + 1] = ("%d test%s, %d check%s, %d failed (%.2f s)\n"):format(run.tests, run.tests == 1 and "" or "s",
    run.checks, run.checks == 1 and "" or "s", run.failed, run.seconds)
  return table.concat(parts)
end

---@param run gantry.TestRun
---@return string
function test_report.json(run)
  local files, coverage = {}, run.coverage and {}
  for i, file in ipairs(run.files) do
    local tests = {}
    for k, test in ipairs(file.results) do
      tests[k] = { name = test.name, ok = test.ok, checks = test.checks, seconds = test.seconds,
        failures = json.array(test.failures) }
    end
    files[i] = { path = file.path, seconds = file.seconds, tests = json.array(tests), output = json.array(file.output) }
  end
  for path, one in pairs(run.coverage or {}) do
    coverage[path] = { lines = #one.lines, missed = json.array(one.missed) }
  end
  return json.line { files = json.array(files), tests = run.tests, checks = run.checks, failed = run.failed,
    seconds = run.seconds, coverage = coverage }
end

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\n"] = "&#10;" }

---@param text string foreign: what XML cannot carry is left out
---@return string
local function xml(text)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  return (text:gsub("[%c\127]", function(byte) return byte == "\n" and byte or "" end):gsub('[&<>"\n]', ENTITIES))
end

---@param file gantry.TestFile
---@param test gantry.TestResult
---@return string
local function junit_case(file, test)
  local head = ('    <testcase classname="%s" name="%s" time="%.3f"'):format(xml(file.path), xml(test.name),
    test.seconds)
  if test.ok then return head .. "/>\n" end
  local parts = { head .. ">\n" }
  for _, one in ipairs(test.failures) do
    parts[#parts + 1] = ('      <failure message="%s">%s</failure>\n'):format(xml(one.message), xml(place(one)))
  end
  return table.concat(parts) .. "    </testcase>\n"
end

---@param run gantry.TestRun
---@return string in the form that CI systems know as JUnit's
function test_report.junit(run)
  local parts = { '<?xml version="1.0" encoding="UTF-8"?>\n',
    ('<testsuites tests="%d" failures="%d" time="%.3f">\n'):format(run.tests, run.failed, run.seconds) }
  for _, file in ipairs(run.files) do
    local cases, bad = {}, 0
    for i, test in ipairs(file.results) do
      cases[i] = junit_case(file, test)
      bad = bad + (test.ok and 0 or 1)
    end
    parts[#parts + 1] = ('  <testsuite name="%s" tests="%d" failures="%d" time="%.3f">\n%s  </testsuite>\n'):format(
      xml(file.path), #cases, bad, file.seconds, table.concat(cases))
  end
  return table.concat(parts) .. "</testsuites>\n"
end

return test_report
