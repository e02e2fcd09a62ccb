-- SPDX-License-Identifier: Apache-2.0
--
--- policy/child.lua: the process that evaluates a supervisor's policies. It reads one request after the other from its
--- input and answers on its output, each as gantry.policy.data behind a length. It keeps nothing that could not be made
--- again: whoever started it ends it when it takes too long, and starts another one.

local core = require "gantry.core"
local data = require "gantry.policy.data"
local errors = require "gantry.base.errors"
local limits = require("gantry.config.policy_limits").process
local policies = require "gantry.policy"
local script = require "gantry.restart.script"

local child = {}

---@class gantry.ChildPolicy
---@field policy gantry.Policy
---@field functions function[] in the order of the fields that hold them
local loaded = {}

---@param answer table
local function send(answer, options)
  local bytes, reason = data.encode(answer, options)
  if not bytes then bytes = data.encode { error = { code = "POLICY_RESULT", message = reason }, done = true } end
  io.stdout:write(string.pack("<s4", bytes))
  io.stdout:flush()
end

---@param err gantry.Error
---@return table
local function plain_error(err)
  return { code = err.code, message = err.message, file = err.file, line = err.line, field = err.field,
    kind = err.kind }
end

---@param err gantry.Error|gantry.Error[]
---@return table answer
local function failure(err)
  if errors.is(err) then return { error = plain_error(err) } end
  local findings = {}
  for i, one in ipairs(err) do findings[i] = plain_error(one) end
  return { findings = findings }
end

---The functions of a policy, by their numbers.
---@param fields table
---@return function[] functions, string? bytes, string? reason
local function collect_functions(fields)
  local functions, numbers = {}, {}
  local bytes, reason = data.encode(fields, { number_of = function(fn)
    if not numbers[fn] then
      functions[#functions + 1] = fn
      numbers[fn] = #functions
    end
    return numbers[fn]
  end })
  return functions, bytes, reason
end

---What the site policy changed, without functions.
---@param policy gantry.Policy
---@return table[]?
local function changes_of(policy)
  local list = policy.site and {}
  for i, change in ipairs(policy.site or {}) do
    list[i] = { field = change.field, place = change.place }
    for _, side in ipairs { "from", "to" } do
      list[i][side] = data.encode(change[side]) and change[side] or nil
    end
  end
  return list
end

-- What one request may print: a policy that prints without end is to be seen, not to end its process.
local MOST_LINES <const>, LONGEST_LINE <const> = 100, 1024
local lines_left

---@param path string of the policy that prints
---@param text string
local function send_print(path, text)
  lines_left = lines_left - 1
  if lines_left < 0 then return end
  if lines_left == 0 then text = "what it prints beyond this is left out" end
  send { path = path, print = text:sub(1, LONGEST_LINE) }
end

local verbs = {}

function verbs.load(request)
  local wanted
  request.context.engine = request.context.engine or function()
    wanted = true
    return nil, errors.new("POLICY_CONTEXT", "the engine is not known yet")
  end
  local policy, err = policies.load(request.path, request.context, { seen = request.seen, site = request.site,
    on_read = function(path, seen) send { path = path, seen = seen } end,
    print = function(text) if not wanted then send_print(request.path, text) end end })
  if wanted then return { wants_engine = true } end
  if not policy then return failure(err) end
  local functions, fields, reason = collect_functions(policy.fields)
  if not fields then return failure(errors.new("POLICY_RESULT", ("%s: %s"):format(request.path, reason))) end
  local places = {}
  for i, fn in ipairs(functions) do places[i] = script.place(fn) end
  loaded[request.id] = { policy = policy, functions = functions }
  return { fields = fields, places = places, place = policy.place, site = changes_of(policy), given = policy.given,
    takes_context = policy.takes_context }
end

---@param request table
---@return gantry.Policy policy, function fn
local function function_of(request)
  local one = loaded[request.id]
  return one.policy, one.functions[request.number]
end

function verbs.ask(request)
  local policy, fn = function_of(request)
  request.facts.random = math.random
  local answer, err = policy:ask(fn, request.exit, request.facts)
  return answer and { answer = answer } or failure(err)
end

function verbs.command(request)
  local policy, fn = function_of(request)
  local command, err = policy:command(fn, request.exit, request.decision)
  return err and failure(err) or { answer = command }
end

---Work of another room, which knows what it means.
---@param request { module: string }
---@return table answer
function verbs.run(request)
  return require(request.module).answer(request)
end

---@param request table
local function handle(request)
  for _, id in ipairs(request.forget or {}) do loaded[id] = nil end
  assert(core.confinement.cpu(limits.cpu_seconds))
  lines_left = MOST_LINES
  local answer = verbs[request.verb](request)
  answer.done, answer.kilobytes = true, collectgarbage "count"
  send(answer)
end

---@return string? bytes of a request; nil at the end
local function receive()
  local head = io.stdin:read(4)
  if not head or #head < 4 then return nil end
  return io.stdin:read((string.unpack("<I4", head)))
end

---@return integer exit_code
function child.main()
  assert(core.confinement.enter(limits.bytes, limits.descriptors))
  for bytes in receive do handle(data.decode(bytes)) end
  os.exit(0, false)
end

return child
