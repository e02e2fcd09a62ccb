-- SPDX-License-Identifier: Apache-2.0
--
--- control: the supervisor's API: HTTP with JSON, on a Unix socket and, for the page, on TCP. Whoever may open the
--- socket may do all of it; control/web.lua says who may come by TCP. Each request has a task of its own; one that
--- waits holds up no other.

local c_module = require "gantry.base.c_module"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local routes = require "gantry.control.routes"
local task = require "gantry.task"
local web = require "gantry.control.web"

local control = {}

local STATUS = { PLUGIN_UNKNOWN = 404, NOT_FOUND = 404, METHOD_NOT_ALLOWED = 405, REQUEST_INVALID = 400,
  SUPERSEDED = 409, STOP_FAILED = 502, ENDING = 503, TOKEN_REQUIRED = 401, HOST_REFUSED = 403, ORIGIN_REFUSED = 403,
  READ_ONLY = 403 }

---@class gantry.ControlAccess what those who come by one listener may do
---@field readonly boolean

---@class gantry.ControlServer
---@field path string? of its socket, which goes with it
---@field link string? to its page
---@field access gantry.ControlAccess
---@field scope gantry.Scope
local Server = {}
Server.__index = Server

---@param request any
---@param status integer
---@param value table
local function answer(request, status, value)
  request:answer(status, "application/json", json.line(value))
end

---@param request any
---@param err gantry.Error
local function refuse(request, err)
  answer(request, STATUS[err.code] or 500, { code = err.code, message = err.message })
end

---@param self gantry.ControlServer
---@param request any
local function handle(self, request)
  local _ <close> = request
  local ok, result, err = xpcall(routes.run, errors.traced, self.supervisor, request, self.access)
  if not ok then
    if errors.is(result, "CANCELLED") then
      return refuse(request, errors.new("ENDING", "gantry up is ending"))
    end
    return refuse(request, errors.new("FAULT", "a fault of gantry: " .. errors.text(result)))
  end
  if err then return refuse(request, err) end
  if type(result) == "string" then return request:answer(200, "text/plain; version=0.0.4", result) end
  if result then answer(request, 200, result) end
end

---@param supervisor gantry.Supervisor
---@param access gantry.ControlAccess
---@return gantry.ControlServer
local function new(supervisor, access)
  return setmetatable({ supervisor = supervisor, access = access, scope = task.detached_scope() }, Server)
end

---@class gantry.ControlOptions
---@field path string
---@field group integer? that may connect, beside the user
---@field descriptor integer? a socket that listens already, instead of the path

---@param supervisor gantry.Supervisor
---@param options gantry.ControlOptions
---@return gantry.ControlServer?, gantry.Error?
function control.serve(supervisor, options)
  local module, missing = c_module.load "control"
  if not module then return nil, missing end
  local fd = options.descriptor
  if not fd then
    local made, err = module.listen(options.path, tonumber("660", 8), options.group)
    if not made then return nil, err end
    fd = made
  end
  local self = new(supervisor, { readonly = false })
  self.path = not options.descriptor and options.path or nil
  local server, failure = module.open(task.loop(), fd, function(request) self.scope:spawn(handle, self, request) end)
  if not server then return nil, failure end
  self.server = server
  return self
end

---Serves the page, and the routes to it.
---@param supervisor gantry.Supervisor
---@param options gantry.WebOptions
---@return gantry.ControlServer?, gantry.Error?
function control.serve_web(supervisor, options)
  local module, missing = c_module.load "control"
  if not module then return nil, missing end
  local door, refused = web.open(module, options)
  if not door then return nil, refused end
  local self = new(supervisor, door.access)
  self.link = door.link
  local server, failure = module.open(task.loop(), door.descriptor, function(request)
    local admitted, err = door:admit(request)
    if admitted then return self.scope:spawn(handle, self, request) end
    local _ <close> = request
    if err then refuse(request, err) end
  end, door.certificate, door.key)
  if not server then return nil, failure end
  self.server = server
  return self
end

---Ends all requests, those that wait included.
function Server:close()
  self.scope:close()
  self.server:close()
  if self.path then os.remove(self.path) end
end

return control
