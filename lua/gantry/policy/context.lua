-- SPDX-License-Identifier: Apache-2.0
--
--- policy/context.lua: what a policy that is a function is told of the world: ctx. It is read-only, and the engine is
--- asked what it is only where a policy looks.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local machine = require "gantry.base.machine"
local readonly = require "gantry.policy.readonly"
local record = require "gantry.base.record"
local sha256 = require "gantry.base.sha256"
local types = require "gantry.base.types"

local context = {}

---@class gantry.Context what a policy that is a function gets, and a site policy as its second argument; read-only
---@field name string the plugin's as far as it is known: --name, or the policy file's name without .lua
---@field args string[] what follows the policy on the command line, or what a host hands its plugin
---@field verb string what is being done: run, exec, up, call, plan, check, simulate, test, doctor, repl or launch
---@field path string the policy's file, as an absolute path
---@field folder string the folder it lies in
---@field host gantry.ContextHost the machine, and the user who runs gantry
---@field engine gantry.ContextEngine the engine; it is asked what it is where a policy looks, and not otherwise
---@field env table<string, string> the environment of gantry, or what a program gave as `environment`

---@class gantry.ContextHost
---@field hostname string
---@field architecture string as the kernel says it, such as x86_64 or aarch64
---@field cpus integer that gantry may use
---@field memory integer of the machine, in bytes
---@field uid integer the effective user's number
---@field gid integer the effective group's number
---@field groups integer[] all groups of the user, by number
---@field machine_id string 32 hex digits: the machine's id, hashed; another one for each machine, and not the id itself

---@class gantry.ContextEngine
---@field kind string docker, podman or oci
---@field version string of the engine's software
---@field api string the version of its API that gantry speaks with it
---@field rootless boolean whether it runs without root
---@field runtimes table<string, boolean> true for the name of each runtime that it has
---@field default_runtime string
---@field cgroup_version integer 1 or 2

-- What stands for facts that nobody made up, where nothing real is asked: in tests of policies.
local MADE_UP = {
  host = { hostname = "localhost", architecture = "x86_64", cpus = 4, memory = 8 << 30, uid = 1000, gid = 1000,
    groups = { 1000 }, machine_id = ("0"):rep(32) },
  engine = { kind = "docker", version = "28.0.0", api = "1.48", rootless = false, runtimes = { runc = true },
    default_runtime = "runc", cgroup_version = 2 },
}

---@param path string
---@return string
local function content_of(path)
  local handle = io.open(path, "r")
  local text = handle and handle:read(65536) or ""
  if handle then handle:close() end
  return text
end

---@return integer[]
local function groups()
  local list = {}
  for number in (content_of "/proc/self/status":match "\nGroups:([^\n]*)" or ""):gmatch "%d+" do
    list[#list + 1] = math.tointeger(tonumber(number))
  end
  return list
end

---@return gantry.ContextHost
local function host()
  local system = core.system
  return { hostname = system.hostname(), architecture = content_of "/proc/sys/kernel/arch":match "%S+" or "unknown",
    cpus = system.cpus(), memory = system.memory(), uid = system.euid(), gid = system.egid(), groups = groups(),
    machine_id = sha256("gantry machine " .. machine.name()):sub(1, 32) }
end

-- ---- made up ----

local names = types.list(types.string())

-- A map of names, or a list of them.
local runtimes = { kind = "map", text = 'a list of names, such as { "runc" }',
  is = function(value) return type(value) == "table" end,
  read = function(value, at, report)
    if type(value) ~= "table" then return types.mistyped({ text = 'a list of names' }, value, at, report) end
    local found = {}
    for key, one in pairs(value) do
      local name = type(key) == "string" and key or one
      if type(name) ~= "string" then return types.mistyped({ text = "the name of a runtime" }, name, at, report) end
      found[name] = one and true or nil
    end
    return found
  end }

local count, text = types.integer { min = 0 }, types.string { empty = true }

local function field(name, type) return { name = name, type = type, doc = "" } end

local verb = types.enumeration { "run", "exec", "up", "call", "plan", "check", "simulate", "test", "doctor", "repl",
  "launch" }

local shape = record.new({
  field("name", text), field("args", names), field("verb", verb), field("env", types.map(text)),
  field("host", record.new({ field("hostname", text), field("architecture", text), field("cpus", count),
    field("memory", count), field("uid", count), field("gid", count), field("groups", types.list(count)),
    field("machine_id", text) }, { text = "a table of facts about the host" })),
  field("engine", record.new({ field("kind", types.enumeration { "docker", "podman", "oci" }), field("version", text),
    field("api", text), field("rootless", types.boolean()), field("runtimes", runtimes),
    field("default_runtime", text), field("cgroup_version", count) }, { text = "a table of facts about the engine" })),
}, { text = "a table of the fields of ctx" })

---@param given table
---@param below table?
---@return table
local function filled(given, below)
  local result = {}
  for key, value in pairs(below or {}) do result[key] = value end
  for key, value in pairs(given) do result[key] = value end
  return result
end

---Facts that somebody made up, checked; what is left out of the engine, or of the host, is made up too.
---@param given any
---@param where string for messages
---@return table? facts, gantry.Error? err POLICY_CONTEXT
function context.made_up(given, where)
  local wrong
  local facts = shape.read(given, "", function(at, message)
    wrong = wrong or (at == "" and "it" .. message or message)
  end)
  if wrong then return nil, errors.new("POLICY_CONTEXT", ("%s: %s"):format(where, wrong), { file = where }) end
  for name, below in pairs(MADE_UP) do
    if facts[name] then facts[name] = filled(facts[name], below) end
  end
  return facts
end

---Facts for a test: nothing of this machine is in them.
---@param given table? some fields of ctx
---@param where string
---@return table? facts, gantry.Error? err
function context.for_test(given, where)
  local facts, err = context.made_up(given or {}, where)
  if not facts then return nil, err end
  return filled(facts, { verb = "test", host = MADE_UP.host, engine = MADE_UP.engine, env = {} })
end

---An engine of which nothing is known but that it is none: what stands for one offline.
---@return gantry.ContextEngine
function context.usual_engine() return filled(MADE_UP.engine) end

local LARGEST <const> = 1024 * 1024

---Reads a file of facts: JSON, an object with fields of ctx.
---@param path string
---@return table? facts, gantry.Error? err POLICY_CONTEXT
function context.read(path)
  local function refuse(reason)
    return nil, errors.new("POLICY_CONTEXT", ("--ctx %s: %s"):format(path, reason), { file = path })
  end
  local bytes, status = core.files.read(path, LARGEST + 1)
  if not bytes then return refuse("cannot be read: " .. status.message) end
  if status.type ~= "file" then
    return refuse(status.type == "directory" and "is a directory; it is a JSON file"
      or "is no regular file; it is a JSON file")
  end
  if #bytes > LARGEST then return refuse "is larger than 1 MiB" end
  local value, err = json.decode((bytes:gsub("^\xEF\xBB\xBF", "")))
  if err then return refuse("is no JSON: " .. err.message) end
  if value == json.null then value = nil end
  return context.made_up(value, path)
end

-- ---- real ----

---What is told to policies of this process, machine and engine. Of the engine, how it is asked.
---@param options { args: string[]?, verb: string?, name: string?, environment: table<string, string>?,
--- ctx: string|table|nil } ctx: facts that stand in for the real ones, or the file that has them
---@param connect fun(): gantry.EngineClient?, gantry.Error?
---@return table facts for gantry.policy
function context.of(options, connect)
  local facts = { name = options.name, args = options.args, verb = options.verb, host = host,
    env = options.environment or core.system.environment, engine = function()
      local engine, err = connect()
      if not engine then return nil, err end
      return engine:describe()
    end }
  if not options.ctx then return facts end
  facts.instead = function()
    if type(options.ctx) == "string" then return context.read(options.ctx) end
    return context.made_up(options.ctx, "ctx")
  end
  return facts
end

---@param path string
---@return string
local function absolute(path)
  if path:sub(1, 1) == "/" then return path end
  return (core.system.current_directory() or "") .. "/" .. path:gsub("^%./+", "")
end

---All facts for one policy but those of the engine, which may stay a function.
---@param given table? of context.of, or plain facts
---@param path string of the policy
---@param name string as far as it is known
---@return table? facts, gantry.Error? err
function context.settle(given, path, name)
  local facts = filled(given or {})
  local stand_in, err = {}, nil
  if facts.instead then stand_in, err = facts.instead() end
  if not stand_in then return nil, err end
  facts.instead = nil
  for key, value in pairs(stand_in) do facts[key] = value end
  for _, key in ipairs { "host", "env" } do
    if type(facts[key]) == "function" then facts[key] = facts[key]() end
  end
  path = absolute(path)
  return filled(facts, { name = name, args = {}, verb = "launch", host = {}, env = {},
    engine = { runtimes = {} }, path = path, folder = path:match "^(.*)/[^/]*$" })
end

---@type table<table, true>
local views = setmetatable({}, { __mode = "k" })

---Whether a value is a ctx.
---@param value any
---@return boolean
function context.is(value)
  return views[value] or false
end

---@param view table
---@return table view
local function known_as_ctx(view)
  views[view] = true
  return view
end

---Facts as a policy sees them. Where the engine is a function, looking at it ends the policy, and is noted: the engine
---is to be asked, and the policy to be loaded anew.
---@param facts table of context.settle
---@return table ctx, { engine: boolean? } wanted
function context.view(facts)
  local wanted = {}
  if type(facts.engine) ~= "function" then return known_as_ctx(readonly.copy(facts, "ctx")), wanted end
  local known = filled(facts)
  known.engine = nil
  return known_as_ctx(readonly.copy(known, "ctx", function()
    wanted.engine = true
    error("ctx.engine was not looked at while the policy was loaded, and is not known any more", 0)
  end, "engine")), wanted
end

return context
