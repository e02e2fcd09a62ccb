-- SPDX-License-Identifier: Apache-2.0
--
--- text/report.lua: errors as people and programs read them.

local color = require "gantry.text.color"
local later = require "gantry.base.later"
local diagnosis = later "gantry.plugin.diagnosis"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local printable = require "gantry.text.printable"

local report = {}

---@param err gantry.Error
---@return table for JSON
local function plain(err)
  local found = err.diagnosis
  return {
    code = err.code, message = err.message, status = err.status,
    diagnosis = found and { output = json.array(found.output), image = found.image, image_id = found.image_id,
      binary = found.binary,
      entrypoint = found.entrypoint and json.array(found.entrypoint), runtime = found.runtime,
        container = found.container,
      kept = found.kept, exit = found.exit, environment = found.environment and json.array(found.environment),
      by_hand = found.by_hand } or nil,
  }
end

local function print_chain(err)
  local cause = err.cause
  while cause do
    printable.write_stderr(("  cause:  %s (%s)\n"):format(errors.is(cause) and cause.message or tostring(cause),
      errors.is(cause) and cause.code or "no code"))
    cause = errors.is(cause) and cause.cause or nil
  end
end

---Prints errors: on standard error one line each with what is known below it, or with --json one object on standard
---output.
---@param list gantry.Error[]|gantry.Error
---@param options { json: boolean?, verbose: boolean? }
---@return integer exit_code
function report.failure(list, options)
  if errors.is(list) then list = { list } end
  if options.json then
    local out = {}
    for i, err in ipairs(list) do out[i] = plain(err) end
    io.stdout:write(json.line { errors = json.array(out) })
    return exit_codes.of(list[1])
  end
  local complaint = color.complaint()
  for _, err in ipairs(list) do
    io.stderr:write(complaint)
    printable.write_stderr(err.message, "\n")
    for _, line in ipairs(err.diagnosis and diagnosis.lines(err.diagnosis) or {}) do
      printable.write_stderr("  ", line, "\n")
    end
    if options.verbose then
      io.stderr:write("  code:   ", err.code, "\n")
      print_chain(err)
    end
  end
  return exit_codes.of(list[1])
end

return report
