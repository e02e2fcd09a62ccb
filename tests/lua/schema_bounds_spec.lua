-- SPDX-License-Identifier: Apache-2.0
--
--- Values at the edges of what an engine's API can carry, in every field of the schema: each is refused with its
--- field and place, or becomes a request that can be encoded, shown and compared.

local config = require "gantry.config"
local container = require "gantry.engine.container"
local deep_copy = require "gantry.base.deep_copy"
local json = require "gantry.json"
local requests = require "gantry.engine.docker.request"
local restart = require "gantry.restart"
local schema = require "gantry.config.schema"
local units = require "gantry.base.units"

local HUGE_NUMBERS <const> = { math.maxinteger, math.mininteger, (1 << 53) + 1, 1 << 53, -1, -0.5, 0, 0.5, 1.5, 1e300,
  5e-324, math.huge, -math.huge, 0 / 0, 2 ^ 31, 2 ^ 32, 2 ^ 63 }
local STRANGE_TEXTS <const> = { "", "\0", "a\0b", "/a\0b", "/a\nb", "a\nb", "\xff", "/\xc3", "/", "..", "a=b", "A=\0",
  "=", "1e999s", "nan", "-1", "0x10", "99999999999999999999d", "99999999999TiB", ("x"):rep(200000),
  "/" .. ("x"):rep(200000), "sha256:" .. ("g"):rep(64), "99999999999999999999:1", "1:-1",
  "size=99999999999999999999", ":" }

local function deep(levels)
  local value = {}
  for _ = 1, levels do value = { a = value } end
  return value
end

---@return any[]
local function strange_values()
  local list = { true, false, {}, deep(1500), { [1.5] = 1 }, { [true] = 1 }, { 1, x = 2 }, function() end,
    coroutine.create(function() end) }
  local cycle = {}
  cycle.a = cycle
  list[#list + 1] = cycle
  for _, number in ipairs(HUGE_NUMBERS) do list[#list + 1] = number end
  for _, text in ipairs(STRANGE_TEXTS) do list[#list + 1] = text end
  return list
end

---A value with each of its parts, on each level, replaced by each strange one or named by each strange text.
local function variants(good, strange, into, wrap)
  for _, value in ipairs(strange) do into[#into + 1] = wrap(value) end
  if type(good) ~= "table" then return end
  for key, part in pairs(good) do
    variants(part, strange, into, function(value)
      local copy = deep_copy.of(good)
      copy[key] = value
      return wrap(copy)
    end)
  end
  for _, name in ipairs(STRANGE_TEXTS) do
    local copy = deep_copy.of(good)
    copy[name] = select(2, next(good))
    into[#into + 1] = wrap(copy)
  end
end

local function validate(field, value)
  return config.validate({ image = "kv", [field] = value }, { locate = function() return "p.lua", 3 end })
end

---What follows with a config: its request, and what people are shown of it.
local function use(read)
  local groups = {}
  for i, one in ipairs(read.group_add or {}) do groups[i] = math.type(one) == "integer" and one or 5 end
  local spec = container.spec(read, { image = "kv", directory = "/run/x", groups = groups,
    environment = read.env or {}, labels = {} })
  local request, refused = requests.of({ kind = "docker" }, spec)
  if not request then -- a profile that is not there, a user namespace that Docker does not know
    return assert.is_truthy(refused.code:find "^SECCOMP_" or refused.code == "ENGINE_UNSUPPORTED", refused.message)
  end
  local text = assert(json.encode(request))
  assert.is_truthy(utf8.len(text))
  assert.is_nil(text:find("\\u0000", 1, true))
  if read.memory then units.format_bytes(read.memory) end
  units.format_seconds(read.start_timeout)
  units.format_seconds(read.stop_timeout)
end

describe("a value at the edge of what an engine can carry", function()
  for _, field in ipairs(schema.fields) do
    it("is refused or usable in " .. field.name, function()
      local environment = { restart = restart }
      local good = field.example and assert(load("return " .. field.example, "=x", "t", environment))() or field.default
      local all = {}
      variants(good, strange_values(), all, function(value) return value end)
      for _, value in ipairs(all) do
        local read, findings = validate(field.name, value)
        if read then
          use(read)
        else
          assert.are.equal("CONFIG_INVALID", findings[1].code)
          assert.is_truthy(findings[1].message:find("^p.lua:3: "), findings[1].message)
          assert.is_true(#findings[1].message < 1000)
        end
      end
    end)
  end

  it("is refused with the field and the bound", function()
    for field, bound in pairs { memory = "at most 4096TiB", pids_limit = "at most 4194304",
      nano_cpus = "at most 8192000000000", cpus = "at most 8192", protocol_versions = "at most 2147483647",
      start_timeout = "at most 36500d", group_add = "at most 2147483647", user = "at most 2147483647" } do
      local list = field == "protocol_versions" or field == "group_add"
      local read, findings = validate(field, list and { math.maxinteger } or math.maxinteger)
      assert.is_nil(read)
      assert.is_truthy(findings[1].message:find(("p.lua:3: %s"):format(field), 1, true), findings[1].message)
      assert.is_truthy(findings[1].message:find(bound, 1, true), findings[1].message)
    end
  end)

  it("is accepted where it is the bound", function()
    for field, value in pairs { memory = 1 << 52, pids_limit = 1 << 22, nano_cpus = 8192000000000,
      protocol_versions = { 2147483647 }, user = 2147483647, stop_timeout = "365d" } do
      local read, findings = validate(field, value)
      assert.is_truthy(read, findings and findings[1].message)
    end
  end)

  it("can be shown whatever it is", function()
    for _, number in ipairs(HUGE_NUMBERS) do
      assert.is_string(units.format_bytes(number))
      assert.is_string(units.format_seconds(number))
    end
  end)
end)
