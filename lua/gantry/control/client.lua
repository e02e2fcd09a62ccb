-- SPDX-License-Identifier: Apache-2.0
--
--- control/client.lua: speaks to a running supervisor.

local answers = require "gantry.control.answer"
local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local paths = require "gantry.supervisor.paths"
local task = require "gantry.task"
local types = require "gantry.base.types"

local client = {}

local CONNECT_TIMEOUT <const> = 10

-- The longest line of a stream of values.
local LONGEST_VALUE <const> = 16 * 1024 * 1024

---@class gantry.ControlClient
---@field places string[] sockets that may be the supervisor's
---@field place integer of the one in use
local Client = {}
Client.__index = Client

---@param self gantry.ControlClient
---@return boolean? ok, gantry.Error? err
local function open_place(self)
  local module, missing = c_module.load "http"
  if not module then return nil, missing end
  local http, err = module.new(task.loop(), { url = "http://gantry", unix_socket = self.places[self.place] })
  self.http = http
  return http ~= nil, err
end

---@param path string? of the socket; where a `gantry up` is expected, where nil
---@return gantry.ControlClient?, gantry.Error?
function client.open(path)
  local self = setmetatable({ places = path and { path } or paths.controls(), place = 1 }, Client)
  local ok, err = open_place(self)
  if not ok then return nil, err end
  return self
end

local ENOENT <const>, EACCES <const>, ECONNREFUSED <const> = 2, 13, 111

---Who may use a socket, and what somebody else is to do.
---@param path string
---@return string
local function who_may(path)
  local status = core.system.stat(path)
  if not status then
    return "its folder is closed to you: have gantry up started with --control PATH, in a folder that you can enter, "
      .. "and --control-group GROUP, a group of yours"
  end
  local group = core.group.name(status.gid) or tostring(status.gid)
  if status.gid == 0 then
    return ("it is for its owner and group '%s': have gantry up started with --control-group GROUP, a group of yours")
      :format(group)
  end
  return ("it is for its owner and the members of group '%s': become one (usermod -aG %s USER, and log in anew)")
    :format(group, group)
end

---@param err gantry.Error
---@return boolean
local function nobody_listens(err)
  return err.os_error == ENOENT or err.os_error == ECONNREFUSED
end

---@param self gantry.ControlClient
---@param err gantry.Error
---@return gantry.Error
local function unreachable(self, err)
  if nobody_listens(err) then
    return errors.new("NOT_SUPERVISING", ("no gantry up is running: nobody listens on %s; start it with "
      .. "`gantry up DIR`, or name its socket with --control"):format(self.places[1]), { cause = err })
  end
  local path = self.places[self.place]
  if err.os_error == EACCES then
    return errors.new("CONTROL_PERMISSION", ("permission denied on the control socket %s; %s"):format(path,
      who_may(path)), { cause = err })
  end
  return err:wrap("speak to gantry up at " .. path)
end

---Turns to the next place, where nobody listens at this one.
---@param self gantry.ControlClient
---@param err gantry.Error
---@return boolean turned
local function next_place(self, err)
  if not nobody_listens(err) or self.place == #self.places then return false end
  self.http:close()
  self.place = self.place + 1
  return open_place(self) == true
end

---@param body string
---@param status integer
---@return gantry.Error
local function refusal(body, status)
  local answer = json.decode(body)
  if type(answer) == "table" and type(answer.code) == "string" and type(answer.message) == "string" then
    return errors.new(answer.code, answer.message, { status = status })
  end
  return errors.new("CONTROL_FAILED", ("gantry up answered with status %d"):format(status), { status = status })
end

---@param self gantry.ControlClient
---@param method string
---@param path string
---@param on_data (fun(bytes: string): boolean?)? gives false where it wants no more
---@return table? response, gantry.Error? err
local function exchange(self, method, path, on_data)
  local status, refused = nil, {}
  local response, err = task.await(function(resume)
    local request
    request = self.http:request {
      method = method, path = path, connect_timeout = CONNECT_TIMEOUT,
      on_headers = function(code) status = code end,
      on_data = on_data and function(bytes)
        if status ~= 200 then
          refused[#refused + 1] = bytes
        elseif on_data(bytes) == false then
          request:cancel()
          resume { status = status }
        end
      end or nil,
      on_done = function(failure, answer) if failure then resume(nil, failure) else resume(answer) end end,
    }
    return function() request:cancel() end
  end)
  if not response then
    if next_place(self, err) then return exchange(self, method, path, on_data) end
    return nil, unreachable(self, err)
  end
  if response.status ~= 200 then return nil, refusal(response.body or table.concat(refused), response.status) end
  return response
end

---@param method "GET"|"POST"
---@param path string
---@param wanted gantry.Type
---@return table? value, gantry.Error? err
function Client:call(method, path, wanted)
  local response, err = exchange(self, method, path)
  if not response then return nil, err end
  local value, broken = json.decode(response.body or "")
  if value == nil then return nil, broken:wrap("the answer of gantry up at " .. self.places[self.place]) end
  return answers.read(value, wanted, path)
end

---A path with a plugin's name in it.
---@param name string
---@param action string?
---@return string
function client.plugin_path(name, action)
  local escaped = name:gsub("[^%w._-]", function(byte) return ("%%%02X"):format(byte:byte()) end)
  return "/v1/plugins/" .. escaped .. (action and "/" .. action or "")
end

---Reads a stream of JSON lines until it ends.
---@param path string
---@param wanted gantry.Type of each
---@param take fun(value: table?, line: string): boolean? value is nil for a line that does not fit; false ends it
---@param caught_up fun()? called once what was kept has come, and at the end of the stream
---@return boolean? ended, gantry.Error? err
function Client:follow(path, wanted, take, caught_up)
  local lines, goes_on = core.lines.new(LONGEST_VALUE), true
  caught_up = caught_up or function() end
  local function on_line(line)
    if line == "" then
      caught_up()
    elseif goes_on then
      goes_on = take((types.first_finding(wanted, (json.decode(line)), "it")), line) ~= false
    end
  end
  local response, err = exchange(self, "GET", path, function(bytes)
    lines:feed(bytes, on_line)
    return goes_on
  end)
  caught_up()
  if not response then return nil, err end
  return true
end

function Client:close()
  self.http:close()
end

return client
