-- SPDX-License-Identifier: Apache-2.0
--
--- cli/inspect.lua: `gantry inspect`: all that a running supervisor knows of a plugin.

local control = require "gantry.cli.control"
local json = require "gantry.json"
local log_text = require "gantry.text.log_text"
local printable = require "gantry.text.printable"
local schema = require "gantry.config.schema"
local table_text = require "gantry.text.table_text"
local units = require "gantry.base.units"

-- The ends and decisions that are shown to people; `why` has all.
local DECISIONS <const> = 6
local BY_UNIT <const> = { bytes = units.format_bytes, seconds = units.format_seconds }

---@param name string of a field
---@param value any
---@return string
local function shown(name, value)
  local field = schema.by_name[name]
  local format = field and BY_UNIT[field.type.unit]
  if format and type(value) == "number" and value > 0 then return format(value) end
  return type(value) == "string" and value or (json.line(value):gsub("\n$", ""))
end

---@param config table<string, gantry.FieldInForce>
---@return string[][] rows
local function config_rows(config)
  local names, rows = {}, { { "CONFIG", "VALUE", "ORIGIN" } }
  for name in pairs(config) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local field = config[name]
    rows[i + 1] = { name, shown(name, field.value), field.origin .. (field.place and " " .. field.place or "") }
  end
  return rows
end

---@param value gantry.Inspected
---@return string[][] rows
local function facts(value)
  local rows = {}
  local function add(name, ...)
    local parts = table.pack(...)
    for i = 1, parts.n do
      if not parts[i] then return end
    end
    rows[#rows + 1] = { name, table.concat(parts) }
  end
  local up = value.uptime and " for " .. units.format_seconds(value.uptime) or ""
  add("state", value.state, up, value.detail and ": " .. value.detail or "")
  add("generation", value.generation)
  add("restarts", value.restarts)
  add("policy", value.policy)
  add("built on", #value.built_on > 0 and table.concat(value.built_on, ", "))
  add("image", value.image)
  add("image id", value.image_id)
  add("container", value.container_name or value.container and value.container:sub(1, 12))
  add("container id", value.container)
  local address = value.address
  add("socket", address and ("%s:%s"):format(address.network, address.string), value.protocol
    and (", %s %d"):format(value.protocol, value.protocol_version or 0) or "")
  add("last exit", value.last_exit and value.last_exit.text)
  return rows
end

---@param value gantry.Inspected
local function print_text(value)
  local entries, rows = value.decisions, { { "DECISIONS" } }
  for i = math.max(1, #entries - DECISIONS + 1), #entries do
    rows[#rows + 1] = { log_text.clock_time(entries[i].time), entries[i].kind, entries[i].text }
  end
  local decided = #rows > 1 and "\n" .. table_text.format(rows) or ""
  printable.write_stdout(value.name, "\n", table_text.format(facts(value)), "\n",
    table_text.format(config_rows(value.config)), decided, "\n")
end

return {
  summary = "Show all that is known of plugins: policy, container, socket, the config in force and who set each field, "
    .. "what was decided. Values from env_files and credentials are not shown.",
  examples = "  gantry inspect jwt\n  gantry inspect --json jwt | jq .config.memory",
  configure = function(parser) control.configure(parser, "some") end,
  run = function(arguments)
    return control.ask_each(arguments, "GET", nil, control.types.inspected, print_text)
  end,
}
