-- SPDX-License-Identifier: Apache-2.0
--
--- supervise_in_a_loop.lua LOOP POLICIES ROOT: a program that supervises the plugins of a directory, on the loop of
--- luv, of cqueues, or on one of its own that only steps gantry's. A counter of the loop's goes on meanwhile. It puts
--- and gets a value, waits for a line on standard input, and ends as that says: "leave" or "down".

local gantry = require "gantry"

local loop, policies, root = table.unpack(arg)
local ticks, changes, line = 0, 0, nil

local function supervise()
  local supervised <close> = assert(gantry.supervise {
    directory = policies, state_dir = root .. "/state/up", runtime_dir = root .. "/run",
    control = root .. "/run/.control.sock", on_state = function() changes = changes + 1 end,
  })
  local plugin = assert(supervised:await "kv")
  assert(plugin:call("proto.KV/Put", { key = "key", value = "value" }))
  assert(plugin:call("proto.KV/Get", { key = "key" }).value == "value")
  assert(not supervised:await "kw" and not supervised:plugin "kw")
  print("ready " .. plugin.container)
  io.stdout:flush()
  while not line do gantry.task.sleep(0.01) end
  if line == "down" then assert(supervised:down()[1] == "kv") end
  assert(supervised:close())
end

---What is read from standard input, by whichever loop it is.
local function take(bytes) line = bytes and bytes:match "%a+" or "leave" end

local loops = {}

function loops.luv()
  local uv = require "luv"
  local attached = require("gantry.luv").attach()
  local timer, input = uv.new_timer(), uv.new_pipe(false)
  timer:start(10, 10, function() ticks = ticks + 1 end)
  input:open(0)
  input:read_start(function(_, bytes)
    input:close()
    take(bytes)
  end)
  attached:spawn(function()
    local _ <close> = setmetatable({}, { __close = function()
      timer:close()
      attached:detach()
    end })
    supervise()
  end)
  uv.run()
end

function loops.cqueues()
  local cqueues = require "cqueues"
  local controller = cqueues.new()
  local attached = require("gantry.cqueues").attach(controller)
  controller:wrap(function() take(require("cqueues.socket").fdopen(0):read "*l") end)
  controller:wrap(function()
    while not attached.detached do
      cqueues.sleep(0.01)
      ticks = ticks + 1
    end
  end)
  attached:spawn(function()
    local _ <close> = attached
    supervise()
  end)
  assert(controller:loop())
end

function loops.plain()
  local own = gantry.loop()
  local watch
  watch = assert(own:watch(0, "r", function()
    watch:close()
    take(io.read "l")
  end))
  local work = gantry.task.spawn(supervise)
  while not work:is_done() do
    assert(own:step(1))
    ticks = ticks + 1
  end
  work:wait()
end

loops[loop]()
print(ticks > 0 and changes > 2 and "done" or ("%d ticks, %d changes"):format(ticks, changes))
