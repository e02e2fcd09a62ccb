-- SPDX-License-Identifier: Apache-2.0
--
--- Launches on an engine that is a table: its answers come in orders that a real one gives seldom.
---
--- Causes that these cases keep away: a container that was still being made when its gantry was killed is listed before
--- it can be removed, or appears later, and stayed; output that is no frames came before attach had returned, which was
--- a fault; a stream that ended while the container ran on was told as an exit.

local core = require "gantry.core"
local core_control = require "gantry.core.control"
local errors = require "gantry.base.errors"
local gantry = require "gantry"
local launches = require "gantry.place.launches"
local ownership = require "gantry.place.ownership"
local task = require "gantry.task"

local OURS <const>, OTHER <const> = ("a"):rep(64), ("b"):rep(64)

local Engine = {}
Engine.__index = Engine

---@param overrides table<string, function> methods that answer otherwise
local function new_engine(overrides)
  local self = setmetatable({ swept = {}, endpoint = { name = "table" }, kind = "docker", api = "1.41",
    capabilities = {}, caller_inside = function() end, removed = {},
    listed = {} }, Engine)
  for name, method in pairs(overrides) do self[name] = method end
  return self
end

function Engine.request() return {} end
function Engine.check_runtime() return true end
function Engine.info() return { runtimes = {} } end
function Engine.ask() end
function Engine.image() return { digests = {}, id = "sha256:" .. ("0"):rep(64) } end
function Engine:list() return table.move(self.listed, 1, #self.listed, 1, {}) end
function Engine.create() return { id = OURS, warnings = {} } end
function Engine.start() return {} end
function Engine.kill() return true end
function Engine.wait() task.event():wait() end -- for ever
function Engine.inspect() return { state = { running = true } } end

---A stream that brings `self.output`, and ends with the removal of the container.
function Engine:attach(_, handlers)
  self.handlers = handlers
  local stream = { pause = function() end, resume = function() end, cancel = function() self.cancelled = true end }
  if self.output then handlers.on_output("stdout", self.output) end
  if self.broken then handlers.on_end(self.broken) end
  return stream
end

function Engine:remove(id)
  self.removed[#self.removed + 1] = id
  return true
end

describe("a launch on an odd engine", function()
  local folder
  local dial <const> = core.system.dial

  before_each(function()
    core.system.dial = function() return true end -- nobody listens on the socket of a table
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
  end)

  after_each(function()
    core.system.dial = dial
    assert(os.execute("rm -rf " .. folder))
  end)

  local CONFIG <const> = { name = "odd", image = "none", protocol = "netrpc", start_timeout = 20, stop_timeout = 0.1 }

  ---A container of an earlier launch, as the engine lists it.
  local function other()
    assert(launches.keep({ container = "gantry-odd-other", plugin = "odd", engine = "table",
      directory = folder .. "/odd" }, { GANTRY_STATE_DIR = folder .. "/state" }))
    return { id = OTHER, name = "gantry-odd-other", labels = ownership.labels("odd", folder .. "/odd") }
  end

  ---@return gantry.Plugin?, gantry.Error?, table<string, table[]> events by kind
  local function launch(engine)
    local events = setmetatable({}, { __index = function(list, kind)
      list[kind] = {}
      return list[kind]
    end })
    local plugin, err = gantry.launch(CONFIG, { engine = engine, runtime_dir = folder, environment = {
      GANTRY_STATE_DIR = folder .. "/state" },
      on_event = function(kind, fields) table.insert(events[kind], fields) end })
    return plugin, err, events
  end

  ---An engine whose plugin serves, as far as a launch can tell.
  local function serving(overrides)
    local engine = new_engine(overrides)
    local socket = folder .. "/odd/plugin1"
    engine.output = "1|1|unix|" .. socket .. "|netrpc\n"
    function engine.start()
      os.remove(socket)
      core.system.close(assert(core_control.listen(socket, tonumber("600", 8))))
      return {}
    end
    return engine
  end

  ---Lets go of the plugin of a table.
  local function finish(plugin, engine)
    function engine.wait() return { exit_code = 0 } end
    function engine.inspect() return { state = { running = false, exit_code = 0 } } end
    function engine.kill()
      engine.handlers.on_end(nil)
      return true
    end
    task.run(function() plugin:stop() end)
  end

  it("has output that breaks before attach returns", function()
    local engine = new_engine { broken = errors.new("STREAM_INVALID", "frame header of 3c 68 74 6d") }
    local plugin, err = launch(engine)
    assert.is_nil(plugin)
    assert.are.equal("ENGINE_CONNECTION_LOST", err.code, err.message)
    assert.is_truthy(err.message:find("frame header of 3c 68 74 6d", 1, true), err.message)
    assert.is_true(engine.cancelled)
  end)

  it("waits for a container whose request was answered to nobody, and was sent once more", function()
    local removals = 0
    local engine = new_engine {
      create = function() return nil, errors.new("CONFLICT", "the name is taken", { status = 409 }) end,
      remove = function()
        removals = removals + 1
        return removals == 4 -- before that the engine is at it, and has none
      end,
    }
    local plugin, err = launch(engine)
    assert.is_nil(plugin)
    assert.are.equal("CONFLICT", err.code)
    assert.are.equal(4, removals)
  end)

  it("keeps the reason when the broken stream ends as well", function()
    local engine
    engine = new_engine { broken = errors.new("STREAM_INVALID", "frame header"), start = function()
      engine.handlers.on_end(nil)
      return {}
    end }
    local _, err = launch(engine)
    assert.is_truthy(err.message:find("frame header", 1, true), err.message)
  end)

  it("has a stream that ends while the container runs on", function()
    local engine
    engine = new_engine { start = function()
      engine.handlers.on_end(nil)
      return {}
    end }
    local _, err = launch(engine)
    assert.are.equal("ENGINE_CONNECTION_LOST", err.code, err.message)
    assert.is_truthy(err.message:find("does not report its end", 1, true), err.message)
  end)

  it("makes a container whose creation it did not answer", function()
    local asked = 0
    local engine = new_engine {
      create = function() return nil, errors.new("HTTP_FAILED", "the connection was lost") end,
      remove = function()
        asked = asked + 1
        return asked > 3
      end,
    }
    local plugin, err = launch(engine)
    assert.is_nil(plugin)
    assert.are.equal("HTTP_FAILED", err.code)
    assert.are.equal(4, asked)
  end)

  it("lists a container that it cannot remove yet", function()
    local asked = 0
    local engine = serving { remove = function(self)
      asked = asked + 1
      if asked == 3 then self.listed = {} end
      return asked == 3
    end }
    engine.listed = { other() }
    local plugin, err, events = launch(engine)
    assert(plugin, err)
    assert.are.equal(3, asked)
    assert.are.same({ OTHER }, events.leftovers[1].containers)
    engine.remove = nil
    finish(plugin, engine)
  end)

  it("makes a killed gantry's container only after the first look", function()
    assert(os.execute("mkdir -m 770 " .. folder .. "/odd")) -- what the killed one left
    local engine = serving {}
    function engine.create(self)
      self.listed = { { id = OURS, labels = {} }, other() }
      return { id = OURS, warnings = {} }
    end
    function engine.remove(self, id)
      self.listed = { { id = OURS, labels = {} } }
      return Engine.remove(self, id)
    end
    local plugin, err, events = launch(engine)
    assert(plugin, err)
    assert.are.same({ OTHER }, engine.removed)
    assert.are.same({ OTHER }, events.leftovers[2].containers)
    finish(plugin, engine)
  end)

  it("asks for leftovers by plugin and directory", function()
    local asked
    local engine = new_engine { list = function(_, wanted)
      asked = wanted
      return nil, errors.new("ENGINE_ERROR", "no", { status = 500 })
    end }
    local _, err = launch(engine)
    assert.are.equal("ENGINE_ERROR", err.code)
    assert.are.same({ ["gantry.plugin"] = "odd", ["gantry.directory"] = folder .. "/odd" }, asked)
  end)
end)
