-- SPDX-License-Identifier: Apache-2.0
--
--- Trees of tasks that sleep, spawn, cancel, fail and clean up in random orders (seeded), and many tasks at once.
--- Whatever happens: nobody outlives its scope, every wait ends once, no error is lost, nothing is left behind.

local errors = require "gantry.base.errors"
local virtual_loop = require "lua.virtual_loop"

local TREES <const> = tonumber(os.getenv "TREES") or 400
local LARGEST <const> = 60 -- tasks in a tree

---@class Tree one random tree of tasks and what it has been seen to do
local Tree = {}
Tree.__index = Tree

---@param seed integer
local function new_tree(seed)
  local self = setmetatable({
    nodes = {}, node_of = {}, thrown = {}, reported = {}, begun = 0, ended = 0, misused = 0,
  }, Tree)
  self.task, self.loop = virtual_loop.task()
  self.task.on_error = function(err) self.reported[#self.reported + 1] = err end
  self.seed = seed
  math.randomseed(seed)
  return self
end

local function chance(percent) return math.random(100) <= percent end

---An operation that knows whether it was resumed or taken back, and that each came once at most.
function Tree:operate()
  local state
  local function once(new_state)
    if state then self.misused = self.misused + 1 end
    state = new_state
    self.ended = self.ended + 1
  end
  self.task.await(function(resume)
    self.begun = self.begun + 1
    local timer = self.loop:timer(math.random(0, 8), function() once "resumed" resume() end)
    return function() once "taken back" timer:cancel() end
  end)
end

function Tree:throw()
  local err = errors.new("THROWN", "thrown " .. #self.thrown + 1)
  self.thrown[#self.thrown + 1] = err
  error(err)
end

---A variable to be closed that may wait or fail on the way out.
function Tree:cleanup(node)
  return setmetatable({}, { __close = function(_, err)
    if chance(30) then self.task.shield(self.operate, self) end
    node.inside = false
    if chance(10) and (err == nil or errors.is(err, "CANCELLED")) then self:throw() end
  end })
end

local actions = {}

function actions:spawn(node) node.children[#node.children + 1] = self:spawn(self.task.spawn) end
actions.spawn_again = actions.spawn

function actions:operate() self:operate() end

function actions:cancel_somebody()
  local victim = self.nodes[math.random(#self.nodes)]
  if victim.running then victim.running:cancel "random" end
end

local function check_ended(children)
  for _, child in ipairs(children) do assert(child:is_done(), "a task has outlived its scope") end
end

function actions:wait_for_child(node)
  local child = node.children[math.random(math.max(#node.children, 1))]
  if not child then return end
  local ok, err = pcall(child.wait, child)
  if child:is_done() then check_ended(self.node_of[child].children) end
  if not ok then error(err, 0) end
end

function Tree:in_scope(node, children)
  local scope <close> = self.task.scope()
  for index = 1, math.random(3) do
    children[index] = self:spawn(function(...) return scope:spawn(...) end)
  end
  self:act(node, 2)
  if chance(20) then scope:cancel "random" end
  if chance(50) then scope:wait() end
end

function actions:scope(node)
  local children = {}
  local ok, err = pcall(self.in_scope, self, node, children)
  check_ended(children)
  if not ok then error(err, 0) end
end

function actions:deadline(node)
  self.task.deadline(math.random(0, 6), function() self:act(node, 3) end)
end

function actions:all(node)
  self.task.all(function() self:act(node, 2) end, function() self:act(node, 2) end)
end

function actions:first(node)
  self.task.first(function() self:act(node, 2) end, function() self:act(node, 2) end)
end

function actions:shield(node) self.task.shield(self.act, self, node, 2) end

function actions:maybe_throw() if chance(25) then self:throw() end end

local names = {}
for name in pairs(actions) do names[#names + 1] = name end
table.sort(names)

---Some random actions.
function Tree:act(node, most)
  for _ = 1, math.random(most) do
    if #self.nodes >= LARGEST then return self:operate() end
    actions[names[math.random(#names)]](self, node)
  end
end

---A task whose children must all have ended when it has.
---@param spawn function
function Tree:spawn(spawn)
  local node = { children = {}, inside = false }
  self.nodes[#self.nodes + 1] = node
  node.running = spawn(function()
    node.inside = true
    local _ <close> = self:cleanup(node)
    self:act(node, 5)
  end)
  self.node_of[node.running] = node
  return node.running
end

---All errors that can be reached from one.
local function collect(err, found)
  if not errors.is(err) or found[err] then return found end
  found[err] = true
  for _, other in ipairs(err.suppressed or {}) do collect(other, found) end
  return found
end

---Runs the tree by task.run, or as a host that steps the loop.
function Tree:grow(as_host)
  if not as_host then return self.task.run(function() self:spawn(self.task.spawn):wait() end) end
  local root = self:spawn(self.task.spawn)
  while not root:is_done() do self.loop:step(1000) end
  self.loop:step(0) -- what is left to wake nobody
  root:wait()
end

function Tree:check(ok, err)
  for _, node in ipairs(self.nodes) do
    assert(node.running:is_done(), "a task still runs")
    assert(not node.inside, "a body has not been left")
  end
  assert.equal(0, self.misused)
  assert.equal(self.begun, self.ended)
  assert.equal(0, self.loop:left())
  assert(ok or errors.is(err, "THROWN") or errors.is(err, "CANCELLED"), tostring(err))
  local found = collect(err, {})
  for _, each in ipairs(self.reported) do collect(each, found) end
  for _, thrown in ipairs(self.thrown) do assert(found[thrown], "lost: " .. thrown.message) end
end

describe("random trees of tasks", function()
  local function grow_all(as_host)
    local failed, tasks, thrown = 0, 0, 0
    for seed = 1, TREES do
      local tree = new_tree(seed)
      local ok, err = pcall(tree.grow, tree, as_host)
      local kept, broken = pcall(tree.check, tree, ok, err)
      assert(kept, ("seed %d: %s"):format(seed, type(broken) == "table" and broken.message or broken))
      failed, tasks, thrown = failed + (ok and 0 or 1), tasks + #tree.nodes, thrown + #tree.thrown
    end
    -- the test is worth something only while the trees are large and end in both ways
    assert.is_true(failed > TREES / 10 and failed < TREES * 9 / 10, ("%d of %d failed"):format(failed, TREES))
    assert.is_true(tasks > TREES * 5 and thrown > TREES / 4, ("%d tasks, %d errors"):format(tasks, thrown))
  end

  it("keep the promises, whatever the order", function() grow_all(false) end)
  it("keep them where a host steps the loop", function() grow_all(true) end)
end)

describe("many tasks", function()
  local COUNT <const> = 10000

  it("run at the same time", function()
    local task = require "gantry.task"
    local ended = 0
    task.run(function()
      local scope <close> = task.scope()
      for _ = 1, COUNT do
        scope:spawn(function()
          task.sleep(0.001)
          ended = ended + 1
        end)
      end
      scope:wait()
    end)
    assert.equal(COUNT, ended)
  end)

  it("wait for each other in a chain, and end or are cancelled along it", function()
    local task = require "gantry.task"
    local function chain(length)
      if length > 0 then return 1 + task.spawn(chain, length - 1):wait() end
      task.sleep(0.001)
      return 0
    end
    assert.equal(COUNT, task.run(chain, COUNT))
    local _, err = task.deadline(0.3, function()
      task.run(function()
        for _ = 1, 10 do task.spawn(chain, 100) end
        chain(COUNT // 2)
        task.sleep(60)
      end)
    end)
    assert.equal("DEADLINE_EXCEEDED", err.code)
  end)

  it("wake each other in a chain without growing any stack", function()
    local task = require "gantry.task"
    local first = task.event()
    local last = first
    task.run(function()
      for _ = 1, COUNT do
        local mine, following = last, task.event()
        task.spawn(function() following:set(mine:wait() + 1) end)
        last = following
      end
      task.sleep(0)
      first:set(0)
      assert.equal(COUNT, last:wait())
    end)
  end)

  it("pass an error up a chain", function()
    local task = require "gantry.task"
    local err = errors.new("DEEP", "deep down")
    local function chain(length)
      if length == 0 then error(err) end
      task.spawn(chain, length - 1)
      task.sleep(60)
    end
    local ok, raised = pcall(task.run, chain, COUNT)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)
end)

describe("what has ended", function()
  local task = require "gantry.task"

  ---Runs `use` and returns what is left of what it has put into the weak table.
  local function left_of(use)
    local weak = setmetatable({}, { __mode = "k" })
    use(function(value)
      weak[value] = true
      return value
    end)
    collectgarbage()
    collectgarbage()
    local count = 0
    for _ in pairs(weak) do count = count + 1 end
    return count
  end

  it("is collected: tasks, scopes, results, arguments", function()
    assert.equal(0, left_of(function(watch)
      for _ = 1, 100 do
        task.run(function()
          watch(task.current())
          local scope <close> = watch(task.scope())
          watch(scope:spawn(function(argument) task.sleep(0) return argument end, watch {}))
          watch(task.spawn(task.sleep, 60)):cancel()
          watch(task.detached_scope()):spawn(task.sleep, 0)
          task.deadline(0, function() watch(task.current()) task.sleep(60) end)
          task.first(function() task.sleep(0) end, function() watch(task.current()) task.sleep(60) end)
        end)
        local outside <close> = watch(task.scope())
        watch(outside:spawn(task.sleep, 60))
        task.sleep(0)
      end
    end))
  end)

  it("is collected where it failed and somebody took the error", function()
    assert.equal(0, left_of(function(watch)
      for _ = 1, 100 do
        pcall(task.run, function()
          watch(task.current())
          watch(task.spawn(function() error(watch(errors.new("A", "a"))) end))
          task.sleep(60)
        end)
      end
    end))
  end)

  it("is collected one by one while its scope goes on", function()
    task.run(function()
      local scope <close> = task.scope()
      scope:spawn(task.sleep, 60)
      assert.equal(0, left_of(function(watch)
        local running, all_ended = 100, task.event()
        for _ = 1, running do
          watch(scope:spawn(function()
            task.sleep(0)
            running = running - 1
            if running == 0 then all_ended:set() end
          end))
        end
        all_ended:wait()
      end))
      assert.equal(1, scope.count)
    end)
  end)

  it("does not pile up in queues and events that many give up on", function()
    local event, queue = task.event(), task.queue()
    for _ = 1, 1000 do
      task.deadline(0, event.wait, event)
      task.deadline(0, queue.take, queue)
    end
    local entries = 0
    for _, waiting in ipairs { event.waiting, queue.waiting } do
      for key in pairs(waiting) do if math.type(key) == "integer" then entries = entries + 1 end end
    end
    assert.equal(0, entries)
  end)
end)
