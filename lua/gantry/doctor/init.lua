-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/init.lua: looks at settings, engine, machine and policy for what would stop a plugin, each finding with its
--- remedy. Nothing is started; what is made to probe is removed again.

local engine_checks = require "gantry.doctor.engine"
local engines = require "gantry.engine"
local errors = require "gantry.base.errors"
local host_checks = require "gantry.doctor.host"
local policy_checks = require "gantry.doctor.policy"
local runtime_dir = require "gantry.place.runtime_dir"
local settings_checks = require "gantry.doctor.settings"

local doctor = {}

---@class gantry.Finding
---@field check string what was looked at
---@field level "ok"|"warning"|"problem"
---@field message string
---@field remedy string? of what is not ok
---@field code string? of an error

---@class gantry.Examination what the checks share
---@field engine gantry.EngineClient? nil where none answers
---@field info table? the engine's
---@field description table? the engine's, in short
---@field runtime_dir string
---@field environment table<string, string>?
---@field policy gantry.Policy? loaded and valid
---@field findings gantry.Finding[]
local Examination = {}
Examination.__index = Examination

---@param check string
---@param message string
function Examination:ok(check, message)
  self.findings[#self.findings + 1] = { check = check, level = "ok", message = message }
end

---@param check string
---@param message string
---@param remedy string?
function Examination:warn(check, message, remedy)
  self.findings[#self.findings + 1] = { check = check, level = "warning", message = message, remedy = remedy }
end

---@param check string
---@param err gantry.Error|string an error's message has its remedy
---@param remedy string?
function Examination:problem(check, err, remedy)
  local is_error = errors.is(err)
  self.findings[#self.findings + 1] = { check = check, level = "problem", message = is_error and err.message or err,
    remedy = remedy, code = is_error and err.code or nil }
end

---@param self gantry.Examination
---@param url string?
local function connect(self, url)
  local engine, err = engines.connect { url = url, environment = self.environment }
  if not engine then return self:problem("engine", err) end
  self.engine = engine
  self.info, err = engine:info()
  if not self.info then return self:problem("engine", err) end
  self.description = engine:describe()
end

---@param options { engine: string?, policy: string?, runtime_dir: string?, environment: table<string, string>?,
--- print: function? }? print: as in gantry.LoadOptions
---@return gantry.Finding[] findings
function doctor.examine(options)
  options = options or {}
  local self = setmetatable({ findings = {}, environment = options.environment }, Examination)
  if not settings_checks.run(self) then return self.findings end
  self.runtime_dir = options.runtime_dir or runtime_dir.path(options.environment)
  connect(self, options.engine)
  if options.policy then policy_checks.load(self, options.policy, options.print) end
  if self.description then engine_checks.run(self) end
  host_checks.run(self)
  if self.policy then policy_checks.run(self) end
  if self.engine then self.engine:close() end
  return self.findings
end

return doctor
