-- SPDX-License-Identifier: Apache-2.0
--
--- cli/call.lua: `gantry call`: launches a plugin, makes one call, prints the reply as JSON, stops the plugin; or calls
--- one that runs already, by its name, and leaves it running. What a method streams is printed one message a line. A
--- signal ends the call and stops the plugin; a second one at once.

local color = require "gantry.text.color"
local core = require "gantry.core"
local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json_text = require "gantry.protobuf.json_text"
local listing = require "gantry.cli.call_list"
local policy_options = require "gantry.cli.policy_options"
local printable = require "gantry.text.printable"
local progress = require "gantry.text.progress"
local report = require "gantry.text.report"
local task = require "gantry.task"
local units = require "gantry.base.units"
local walk = require "gantry.protobuf.walk"

local call = {
  summary = "Call a method of a plugin, launched for this one call or running already: JSON in, JSON out.",
  examples = [[
  gantry call --list policies/demo.lua
  gantry call policies/demo.lua KV/Put '{"key": "greeting", "value": "aGVsbG8="}'
  gantry call policies/demo.lua proto.KV/Get @request.json
  gantry call demo KV/Get '{"key": "greeting"}'         # the plugin `demo`, which runs already
  echo '{"service": "plugin"}' | gantry call policies/demo.lua grpc.health.v1.Health/Check -

Requests and replies are in protobuf's JSON: bytes are in base64, 64-bit integers are strings.]],
}

function call.configure(parser)
  parser:argument("policy", "The policy file, or the name of a plugin that runs already."):argname("POLICY|NAME")
  parser:argument("method", "Service/Method; with --list a service."):args("?"):argname("METHOD")
  parser:argument("request", "The request as JSON, @FILE, or - for standard input; {} where it is left out.")
    :args("?"):argname("REQUEST")
  parser:flag("--list", "List services, methods and messages.")
  parser:option("--timeout", "Seconds until the call must be done, or a duration such as 1m30s (default 30s).")
    :argname("DURATION"):convert(function(text)
      local seconds, reason = units.seconds(tonumber(text) or text)
      return seconds, reason and "--timeout " .. reason
    end)
  parser:option("--name", "Name of this plugin, instead of one that is made of the policy's.")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  policy_options.site(parser)
end

---@param text string
---@return integer
local function usage(text)
  io.stderr:write(color.complaint(), text, " (see gantry call --help)\n")
  return exit_codes.USAGE
end

---The text of the request, read before anything is launched.
---@param argument string?
---@return string? text, string? reason
local function read_request(argument)
  if argument == nil then return "{}" end
  if argument == "-" then return io.stdin:read("a") end
  if argument:sub(1, 1) ~= "@" then return argument end
  local file, reason = io.open(argument:sub(2), "rb")
  if not file then return nil, "read the request: " .. reason end
  local content, failure = file:read("a")
  file:close()
  if not content then return nil, ("read the request: %s: %s"):format(argument:sub(2), failure) end
  return content
end

-- What the command line can be blamed for; other failures of a call are the plugin's answer.
local OF_USAGE = { METHOD_UNKNOWN = true, SERVICE_UNKNOWN = true, MESSAGE_INVALID = true, JSON_INVALID = true }

---@class gantry.CallRun what one `gantry call` holds
local Run = {}
Run.__index = Run

---A failure of the call itself: gRPC has codes of its own, which are not those of the engine.
---@param err gantry.Error
---@return integer exit_code
function Run:call_failure(err)
  report.failure(err, self.options)
  if OF_USAGE[err.code] then return exit_codes.USAGE end
  return err.code == "PLUGIN_EXITED" and exit_codes.ENDED or exit_codes.FAILED
end

---Whether the argument is a plugin's name: it has no look of a path, and no such file is there.
---@param argument string
local function is_name(argument)
  return not argument:find("/", 1, true) and not argument:find("%.lua$") and not core.system.stat(argument)
end

---@return gantry.Plugin? plugin, gantry.Error|gantry.Error[]|nil err
function Run:obtain()
  local options = self.options
  if is_name(options.policy) then return gantry.attach(options.policy, { engine = options.engine }) end
  return self:launch()
end

---@return gantry.Plugin? plugin, gantry.Error|gantry.Error[]|nil err
function Run:launch()
  local options = self.options
  local policy, err = gantry.load(options.policy, { engine = options.engine, name = options.name, verb = "call",
    print = policy_options.print })
  if not policy then return nil, err end
  local name = options.name or policy.name
  local log = progress.log(name, printable.write_stderr)
  return gantry.launch(policy, {
    engine = options.engine, name = name, unique = not options.name,
    on_event = function(kind, fields)
      local line = (options.verbose or kind == "warning") and progress.line(name, kind, fields)
      if line then printable.write_stderr(line) end
    end,
    on_output = function(stream, bytes)
      if options.verbose then log:feed(stream, bytes) end
    end,
  })
end

---@param text string
---@return boolean written false where it cannot be: then the process ends with that
local function print_line(text)
  return (io.stdout:write(text, "\n") and io.stdout:flush()) ~= nil
end

---@param message any
---@return gantry.Error? err
---@return boolean? unread
function Run:print(message)
  local indent = not self.options.json and core.system.is_terminal(1) and "  " or nil
  local text, err = self.method.output:to_json(message, { indent = indent, root = self.method.name .. ".reply" })
  if not text then return err end
  return nil, not print_line(text)
end

---@param request any
---@return integer exit_code
function Run:call_once(request)
  local reply, err = self.plugin:call(self.method.path, request, { timeout = self.options.timeout })
  if not err then err = self:print(reply) end
  return err and self:call_failure(err) or exit_codes.OK
end

---@param request any
---@return integer exit_code
function Run:call_stream(request)
  local messages <close> = self.plugin:stream(self.method.path, request, { timeout = self.options.timeout })
  while true do
    local message, err = messages:next()
    if message == nil and not err then return exit_codes.OK end
    local unread
    if not err then err, unread = self:print(message) end
    if err then return self:call_failure(err) end
    if unread then return exit_codes.OK end
  end
end

---@return integer exit_code
function Run:call()
  local method, err = self.plugin:method(self.options.method)
  if not method then return self:call_failure(err) end
  self.method = method
  local request, misfit = method.input:from_json(self.text, method.name .. ".request")
  if misfit then return self:call_failure(misfit) end
  if type(request) == "string" then request = { value = request } end -- of a wrapper: a bare string would be bytes
  return (method.server_streaming and self.call_stream or self.call_once)(self, request)
end

---@return integer exit_code
function Run:work()
  local plugin <close>, err = self:obtain()
  if not plugin then return report.failure(err, self.options) end
  self.plugin = plugin
  if not self.options.list then return self:call() end
  local text, failure = listing.text(plugin, self.options.method, self.options.json)
  if not text then return self:call_failure(failure) end
  if self.options.json then print_line(text) else printable.write_stdout(text, "\n") end
  return exit_codes.OK
end

function Run:on_signal(name)
  if name == "PIPE" then return end -- told by the write that failed
  if not self.interrupted:is_set() then
    self.interrupted:set()
  elseif self.plugin then
    task.detach(self.plugin.stop, self.plugin, { at_once = true })
  end
end

---@return integer exit_code
function Run:main()
  local which, code = task.first(function() return self:work() end, function() return self.interrupted:wait() end)
  if which == 1 then return code end
  io.stderr:write("gantry: interrupted\n")
  return exit_codes.FAILED
end

function call.run(arguments)
  if not arguments.method and not arguments.list then
    return usage "no method is named; `gantry call --list POLICY` shows what there is"
  end
  if arguments.request and arguments.list then return usage "--list takes no request" end
  local text, reason = read_request(arguments.request)
  if not text then return usage(reason) end
  local self = setmetatable({ options = arguments, text = text, interrupted = task.event() }, Run)
  local _, invalid = walk.protect(json_text.read, text)
  if invalid then return self:call_failure(invalid) end
  local signals <close>, err = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "PIPE" },
    function(name) self:on_signal(name) end)
  if not signals then return report.failure(err, arguments) end
  return task.run(self.main, self)
end

return call
