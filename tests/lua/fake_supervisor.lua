-- SPDX-License-Identifier: Apache-2.0
--
--- fake_supervisor.lua: a whole supervisor on an engine, plugins, policies and a clock that are tables: hours pass in
--- no time, and each run is the same. The engine can fail in any way, plugins die when they are told to.

local virtual_loop = require "lua.virtual_loop"

local fake = {}

---Modules of the supervisor's own, on a virtual loop. What others have required stays as it is.
---@return table modules, table loop
local function load_modules(plugin_module)
  local real, kept = require "gantry.core", {}
  local task, loop = virtual_loop.task()
  local core = setmetatable({ loop = setmetatable({ clock = function() return loop.now end }, { __index = real.loop }),
    inotify = { open = function() return nil, { message = "none here" } end } }, { __index = real })
  for name, module in pairs(package.loaded) do
    if name:find "^gantry" and name ~= "gantry.base.errors" then kept[name] = module end
  end
  for name in pairs(kept) do package.loaded[name] = nil end
  package.loaded["gantry.core"], package.loaded["gantry.task"] = core, task
  package.loaded["gantry.plugin"] = plugin_module
  local modules = { task = task, core = real, errors = require "gantry.base.errors", json = require "gantry.json",
    supervisor = require "gantry.supervisor", routes = require "gantry.control.routes",
    removal = require "gantry.plugin.removal", states = require "gantry.supervisor.states",
    view = require "gantry.supervisor.view", shape = require "gantry.supervisor.record_shape",
    ownership = require "gantry.place.ownership", validate = require("gantry.config").validate,
    label = require("gantry.engine.container").LABEL }
  -- Containers that are tables are on no record of a launch.
  modules.ownership.containers = function(engine)
    local list, err = engine:list()
    return list, err, {}
  end
  for name in pairs(package.loaded) do
    if name:find "^gantry" and name ~= "gantry.base.errors" then package.loaded[name] = nil end
  end
  for name, module in pairs(kept) do package.loaded[name] = module end
  return modules, loop
end

---@class fake.World
---@field mode "ok"|"500"|"hang"|"cut" what the engine does
---@field containers table<string, table> by id
---@field policies table<string, table> config fields by name
local World = {}
World.__index = World

local Plugin = {}
Plugin.__index = Plugin

-- ---- the engine ----

---One request to the engine: takes a moment, or fails.
---@return boolean? ok, gantry.Error?
function World:call(action)
  local errors, task = self.modules.errors, self.modules.task
  if self.mode == "500" then return nil, errors.new("ENGINE_ERROR", action .. ": it says 500", { status = 500 }) end
  if self.mode == "cut" then return nil, errors.new("HTTP_FAILED", action .. ": the connection was closed") end
  if self.mode == "hang" then
    task.sleep(30)
    return nil, errors.new("HTTP_TIMEOUT", action .. ": no answer")
  end
  task.sleep(self.random() * 0.02)
  return true
end

---@param mode "ok"|"500"|"hang"|"cut"
function World:set_mode(mode)
  self.mode = mode
  if mode ~= "ok" then return end
  local healed = self.healed
  self.healed = self.modules.task.event()
  healed:set()
end

---@return integer most at the same time
function World:running(name)
  local count, one = 0, nil
  for _, container in pairs(self.containers) do
    if container.name == name and container.status == "running" then count, one = count + 1, container end
  end
  return count, one
end

function World:fail(text)
  table.insert(self.failures, ("%s (at %.2f)"):format(text, self.loop.now))
end

function World:create(name, config)
  self.created = self.created + 1
  local id = ("%064x"):format(self.created)
  local container = { id = id, status = "created", name = name, config = config, labels = {
    [self.modules.label.plugin] = name, [self.modules.label.directory] = self.directory .. "/" .. name } }
  self.containers[id] = container
  return container
end

function World:engine()
  local engine = { endpoint = { name = "fake" }, kind = "docker", swept = {}, capabilities = {} }
  local world = self
  function engine.describe() return { runtimes = {} } end
  function engine.events() world.modules.task.event():wait() end
  function engine.list()
    local ok, err = world:call "list"
    if not ok then return nil, err end
    local list = {}
    for _, container in pairs(world.containers) do list[#list + 1] = container end
    table.sort(list, function(left, right) return left.id < right.id end)
    return list
  end
  function engine.remove(_, id)
    local ok, err = world:call "remove"
    if not ok then return nil, err end
    local container = world.containers[id]
    if not container then return false end
    if container.stuck then
      return nil, world.modules.errors.new("ENGINE_ERROR", "remove: device busy", { status = container.stuck })
    end
    if container.status == "running" and not container.unhealthy and not container.unwanted then
      world:fail("a running container was removed: " .. container.name)
    end
    world.containers[id] = nil
    return true
  end
  return engine
end

-- ---- plugins ----

---@param world fake.World
local function new_plugin(world, container, config, options)
  local plugin
  plugin = setmetatable({ world = world, name = container.name, config = config, container = container.id,
    container_name = container.id, root = world.directory, ready_ms = 1, protocol = "grpc", protocol_version = 1,
    address = { network = "unix", string = "/r/x.sock" }, ended = world.modules.task.event(), options = options,
    engine = { endpoint = { name = "fake" }, capabilities = {},
      inspect = function() return { state = { paused = container.paused or false } } end,
      info = function() return { runtimes = {} } end,
      stats = function()
        local ok, err = world:call "stats"
        return ok and { memory_bytes = 900, memory_limit_bytes = 5000, cpu_seconds = 2, pids = 3 }, err
      end },
    connection = { health = function()
      world.modules.task.sleep(0.01)
      if not container.sick and not container.paused then return true end
      return nil, world.modules.errors.new("UNHEALTHY", "it is sick")
    end } }, Plugin)
  container.plugin = plugin
  return plugin
end

function Plugin:wait() return self.ended:wait() end

---Its process ends; that is known as soon as the engine can be asked.
function Plugin:die(exit)
  local world = self.world
  local container = world.containers[self.container]
  if not container or container.status ~= "running" then return end
  container.status, container.exit = "exited", exit
  self:learn(exit)
end

function Plugin:learn(exit)
  local world = self.world
  if self.exit or self.left then return end
  world.scope:spawn(function()
    if world.mode ~= "ok" then
      self.options.on_event("engine_away", { error = world.modules.errors.new("ENGINE_UNREACHABLE", "away") })
    end
    while world.mode ~= "ok" do world.healed:wait() end
    if self.exit or self.left then return end
    self.exit = exit
    self.ended:set(exit)
  end)
end

function Plugin:stop()
  local world, task = self.world, self.world.modules.task
  if self.exit then return self.exit end
  local ok, err = world:call "kill"
  if not ok then
    task.sleep(2)
    if self.exit then return self.exit end
    return nil, world.modules.errors.new("STOP_FAILED", "stop: " .. err.message)
  end
  task.sleep(world.random() * world.stop_time)
  self:die { cause = "exit", code = 0, requested = true, known = true, uptime = 1 }
  return self.ended:wait()
end

function Plugin:remove_container()
  self.world.modules.task.sleep(self.world.removal_time)
  return self.world.modules.removal.remove(self.world.engine_table, self.container)
end

---@param world fake.World
local function launch(world, config, options)
  local errors, task = world.modules.errors, world.modules.task
  local ok, err = world:call "create"
  if not ok then return nil, err end
  -- As a launch does with what is left: what runs has to go first.
  local _, left = world:running(options.name)
  if left then
    local removed, refused = world.engine_table:remove(left.id)
    if removed == nil then return nil, refused end
  end
  local container = world:create(options.name, config)
  local kept = false
  local _ <close> = setmetatable({}, { __close = function()
    if not kept then world.containers[container.id] = nil end
  end })
  container.status = "running"
  world.launches[#world.launches + 1] = container
  if world:running(options.name) > 1 then world:fail("two generations of " .. options.name) end
  options.on_event("started", {})
  task.sleep(world.launch_time or world.random() * 2)
  if world.refuse then return nil, world.refuse end
  if container.status ~= "running" then
    return nil, errors.new("EXITED_BEFORE_HANDSHAKE", "it exited", { diagnosis = { exit = container.exit } })
  end
  if world.random() < world.launch_failures then return nil, errors.new("START_TIMEOUT", "no handshake") end
  ok, err = world:call "inspect"
  if not ok then return nil, err end
  kept = true
  if container.status ~= "running" then
    local plugin = new_plugin(world, container, config, options)
    plugin:learn(container.exit)
    return plugin
  end
  return new_plugin(world, container, config, options)
end

---@param world fake.World
local function adopt(world, config, facts, options)
  local errors = world.modules.errors
  world.adoptions = world.adoptions + 1
  local ok, err = world:call "inspect"
  if not ok then return nil, err end
  local container = world.containers[facts.container]
  if not container then
    return nil, errors.new("NOT_RUNNING", "gone"), { cause = "lost", known = false, requested = facts.stopping }
  end
  if container.status ~= "running" then
    local exit = container.exit
    exit.requested = exit.requested and facts.stopping or false
    return nil, errors.new("NOT_RUNNING", "ended"), exit
  end
  if container.unhealthy then return nil, errors.new("UNHEALTHY", "it does not answer", { status = 14 }) end
  return new_plugin(world, container, config, options)
end

-- ---- policies and state ----

---@param name string
---@param fields table? nil takes the policy away
function World:write(name, fields)
  if fields == nil then
    self.policies[name] = nil
    return
  end
  local config = assert(self.modules.validate(fields))
  self.policies[name] = { name = name, path = "/p/" .. name .. ".lua", config = config, loader = {
    texts = {}, locate = function() return name .. ".lua", 1 end,
    call_within = function(_, _, fn, ...) return true, fn(...) end } }
end

function World:policy_set()
  local set = {}
  function set.scan()
    if self.scan_time then self.modules.task.sleep(self.scan_time) end
    local found = {}
    for name, policy in pairs(self.policies) do found[name] = policy end
    return { set = found, broken = {} }
  end
  function set.findings() return {} end
  function set.folders() return {} end
  function set.paths() return {} end
  function set.is_broken() return false end
  return set
end

function World:store()
  local json, files = self.modules.json, self.files
  local store = { boot = self.boot }
  function store.save(_, name, record)
    record.version, record.name, record.boot, record.saved = 1, name, store.boot, os.time()
    files[name] = assert(json.encode(record))
    return true
  end
  function store.load(_, name)
    local record = files[name] and json.decode(files[name])
    if record then assert(not self.modules.shape.wrong(record), self.modules.shape.wrong(record)) end
    return record or nil
  end
  function store.remove(_, name) files[name] = nil end
  function store.names()
    local names = {}
    for name in pairs(files) do names[#names + 1] = name end
    return names
  end
  function store.close() end
  return store
end

-- ---- the supervisor ----

---Begins a supervisor; the one before has to have been left.
function World:up()
  self.leaving = false
  local s = self:new_supervisor()
  self.running_supervisor = self.scope:spawn(function()
    while true do
      local ok = s:run()
      if ok or self.leaving then return end
      self:abandon_plugins()
      -- As an operator, or systemd, who starts it again.
      self.modules.task.sleep(1)
      if self.leaving then return end
      s = self:new_supervisor()
    end
  end)
end

function World:new_supervisor()
  local s = assert(self.modules.supervisor.new { directory = self.directory, engine = self.engine_table,
    state_dir = self.directory .. "/state", runtime_dir = self.directory, on_event = self.on_event,
    on_lines = self.on_lines, on_state = self.on_state })
  s.store:close()
  s.store, s.policies = self:store(), self:policy_set()
  self.supervisor = s
  return s
end

---Nobody holds them any more, but they run on.
function World:abandon_plugins()
  for _, container in pairs(self.containers) do
    if container.plugin then container.plugin.left = true end
  end
end

---The supervisor ends, its plugins run on.
function World:leave()
  self.leaving = true
  self.supervisor:leave()
  self.running_supervisor:wait()
  self:abandon_plugins()
end

---Asks by a route of the API.
---@param arguments table<string, string>? of the query
---@return table? value, gantry.Error? err
function World:request(method, path, arguments)
  local request = { method = function() return method end, path = function() return path end,
    argument = function(_, name) return arguments and arguments[name] end }
  return self.modules.routes.run(self.supervisor, request, { readonly = false })
end

---@return gantry.Unit?
function World:unit(name) return self.supervisor.units[name] end

---@param name string
---@return string? state
function World:state(name)
  local one = self:unit(name)
  return one and one.state
end

---Runs a function with a world of its own.
---@param fn fun(world: fake.World)
---@param options table? fields of the world
function fake.run(fn, options)
  local world = setmetatable({ mode = "ok", containers = {}, policies = {}, files = {}, created = 0, failures = {},
    launches = {}, adoptions = 0, launch_failures = 0, stop_time = 0.02, removal_time = 0, boot = "boot-1",
    random = math.random }, World)
  for key, value in pairs(options or {}) do world[key] = value end
  local modules, loop = load_modules {
    launch = function(...) return launch(world, ...) end, adopt = function(...) return adopt(world, ...) end }
  world.modules, world.loop = modules, loop
  world.directory = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", modules.core.system.random(4))
  assert(os.execute("mkdir -m 700 " .. world.directory))
  local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. world.directory) end })
  world.healed, world.engine_table = modules.task.event(), nil
  world.engine_table = world:engine()
  modules.task.run(function()
    local scope <close> = modules.task.scope()
    world.scope = scope
    fn(world)
    if world.supervisor then world:leave() end
    scope:cancel "over"
  end)
end

return fake
