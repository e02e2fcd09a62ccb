-- SPDX-License-Identifier: Apache-2.0
--
--- What a program hands gantry and is handed: handlers that raise, events and the fields that the manual says they
--- have, and an environment of the program's own.

local documentation = require "gantry.text.documentation"
local errors = require "gantry.base.errors"
local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"

describe("a program's", function()
  local root

  before_each(function() root = support.temporary() end)

  after_each(function()
    task.on_error = nil
    assert.are.same({}, support.containers(root))
    support.remove(root)
  end)

  ---Launches, calls and stops a plugin that prints, with these handlers.
  ---@return gantry.Plugin
  local function live(handlers)
    handlers.runtime_dir = root
    local plugin <close> = assert(gantry.launch(support.kv "-print-stderr=one", handlers))
    assert(plugin:call("proto.KV/Put", { key = "key", value = "value" }))
    assert.are.equal(0, plugin:stop().code)
    return plugin
  end

  it("handlers that raise are noted, and nothing comes of it", function()
    local told, calls = {}, 0
    task.on_error = function(err) told[#told + 1] = err end
    local plugin = live { on_event = function(kind)
      calls = calls + 1
      error("no " .. kind, 0)
    end, on_output = function() error {} end }
    assert.is_true(calls > 4)
    assert.are.same({ 1, 1, 1 }, { plugin.faults["no image"], plugin.faults["no ready"], plugin.faults["no exit"] })
    for _, err in ipairs(told) do assert.is_true(errors.is(err, "HANDLER_FAILED"), tostring(err)) end
    assert.are.equal("on_event of plugin 'kv' raised: no image", told[1].message)
    assert.matches("^no image\nstack traceback:", told[1].cause)
  end)

  it("handlers that raise leave the host's steps alone", function()
    local done
    local work = task.spawn(function() done = live { on_output = function() error "on purpose" end,
      on_event = function() error "on purpose" end } end)
    while not work:is_done() do assert(gantry.loop():step()) end
    assert(gantry.loop():step(0))
    work:wait()
    assert.is_truthy(next(done.faults))
  end)

  it("handlers that raise at every byte are told of now and then", function()
    local told, calls, bytes_read, whole = 0, 0, 0, task.event()
    task.on_error = function() told = told + 1 end
    local plugin <close> = assert(gantry.launch(support.kv("-flood-stderr", "4194304"), { runtime_dir = root,
      on_output = function(_, bytes)
        calls, bytes_read = calls + 1, bytes_read + #bytes
        if bytes_read >= 4194304 then whole:set() end
        error("full", 0)
      end }))
    assert(task.deadline(60, function() whole:wait() return true end))
    plugin:stop()
    assert.are.equal(calls, plugin.faults.full)
    assert.are.equal(#tostring(calls), told)
  end)

  it("on_event gets the fields that the manual names", function()
    local documented, seen = {}, {}
    for _, field in ipairs(documentation.of_module("gantry.plugin.events").classes[1].fields) do
      documented[field.name] = field.type
    end
    live { on_event = function(kind, fields)
      assert(documented[kind], kind)
      seen[kind] = true
      for name in pairs(fields) do assert(documented[kind]:find(name .. ":", 1, true), kind .. "." .. name) end
    end }
    for _, kind in ipairs { "image", "created", "started", "ready", "stopping", "exit" } do assert(seen[kind], kind) end
  end)

  it("environment is the policy's ctx.env, and the plugin's as far as it passes through", function()
    local policy = support.write(root .. "/kv.lua", ([[
return function(ctx)
  assert(ctx.env.HOME == nil, "that is the process's")
  return { image = "gantry-test-kv", tag = "latest", cookie = { %q, %q }, disable_network = true, stop_timeout = 2,
    labels = { stage = ctx.env.STAGE }, pass_env = { "STAGE" } }
end]]):format(support.cookie[1], support.cookie[2]))
    local environment = { STAGE = "blue", GANTRY_STATE_DIR = root .. "/state" }
    local plugin <close> = assert(gantry.launch(policy, { runtime_dir = root, environment = environment }))
    assert.are.equal("blue", plugin.config.labels.stage)
    local inside = assert(support.engine():inspect(plugin.container)).env
    assert.is_truthy(table.concat(inside, "\n"):find("STAGE=blue", 1, true))
    local request = assert(gantry.plan(policy, { environment = environment })).request
    assert.is_true(request.ociVersion ~= nil or request.Labels.stage == "blue")
    plugin:stop()
  end)
end)
