-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/output.lua: a container's output and its end: the attached stream with its frames taken apart, and the
--- connections of both that another process is given.

local answers = require "gantry.engine.docker.answer"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exchange = require "gantry.engine.docker.exchange"
local task = require "gantry.task"

---@class gantry.DockerClient
local Output = {}

local STREAMS <const> = { "stdout", "stderr", "engine" }

---Podman makes the process ready to run already where it is attached to, and says here what is wrong with its command.
---@param self gantry.DockerClient
---@param action string
---@param status integer
---@param body string
---@return gantry.Error
local function attach_error(self, action, status, body)
  local err = exchange.error(action, status, body)
  if self.kind ~= "podman" or err.code == "NOT_FOUND" then return err end
  return errors.new("START_FAILED", err.message, { status = status, cause = err })
end

---Takes the frames of an attached stream apart. Broken ones end it, once.
---@param handlers gantry.OutputHandlers
---@param cancel fun() ends the stream
---@return fun(bytes: string) on_data
---@return fun(err: gantry.Error?) on_end
local function unframer(handlers, cancel)
  local frames, ended = core.stdcopy.new(), false
  local function finish(err)
    if ended then return end
    ended = true
    handlers.on_end(err)
  end
  return function(bytes)
    if ended then return end
    local pieces, err = frames:feed(bytes)
    if not pieces then
      cancel()
      return finish(err)
    end
    for i = 1, #pieces, 2 do handlers.on_output(STREAMS[pieces[i]] or "stdout", pieces[i + 1]) end
  end, finish
end

---@param id string
---@param handlers gantry.OutputHandlers
---@return gantry.OutputStream?, gantry.Error?
function Output:attach(id, handlers)
  local action = "attach to container " .. exchange.short(id)
  local opened, status, stream = task.event(), nil, nil
  local refusal = {}
  local take, finish = unframer(handlers, function() if stream then stream:cancel() end end)
  local unsendable
  stream, unsendable = self.http:request {
    method = "POST", path = ("/v%s/containers/%s/attach?stream=1&stdout=1&stderr=1"):format(self.api, id),
    on_headers = function(code)
      status = code
      if code == 200 or code == 101 then opened:set(true) end
    end,
    on_data = function(bytes)
      if status == 200 or status == 101 then take(bytes) else refusal[#refusal + 1] = bytes end
    end,
    on_done = function(failure)
      if opened:is_set() then return finish(failure) end
      opened:set(nil, failure and failure:wrap(action) or attach_error(self, action, status, table.concat(refusal)))
    end,
  }
  if not stream then return nil, unsendable end

  local attached, err
  local _ <close> = setmetatable({}, { __close = function()
    if not attached then stream:cancel() end
  end })
  attached, err = task.deadline(exchange.REQUEST_TIMEOUT, opened.wait, opened)
  if not attached and err.code == "DEADLINE_EXCEEDED" then
    return nil, errors.new("HTTP_TIMEOUT", ("%s: no answer within %d s"):format(action, exchange.REQUEST_TIMEOUT))
  end
  if not attached then return nil, err end
  return stream
end

---@param err gantry.Error of a connection that cannot be handed over
---@return gantry.Error
local function not_handed_over(err)
  return errors.new("ENGINE_UNSUPPORTED", err.message, { cause = err })
end

---Makes a request whose answer another process is to read: its connection, once the headers have come.
---@param self gantry.DockerClient
---@param path string below the version
---@param action string
---@return integer? descriptor the caller's
---@return gantry.Error? err ENGINE_UNSUPPORTED where the connection is encrypted
---@return table? answer where it was already there as a whole
local function hand_over(self, path, action)
  return task.await(function(resume)
    local request
    request = self.http:request {
      method = "POST", path = "/v" .. self.api .. path,
      on_headers = function(status)
        if status ~= 200 and status ~= 101 then return end
        local descriptor, err = request:take_socket()
        if descriptor then return resume(descriptor) end
        if err.code ~= "HTTP_NOT_PLAIN" then return end
        request:cancel()
        resume(nil, not_handed_over(err))
      end,
      on_done = function(failure, response)
        if failure then return resume(nil, failure:wrap(action)) end
        if response.status >= 300 then return resume(nil, exchange.error(action, response.status, response.body)) end
        local result, wrong = answers.read(response, action, answers.types.waited)
        resume(nil, wrong, result)
      end,
    }
    return function() request:cancel() end
  end)
end

---@param id string
---@return integer? descriptor, gantry.Error? err
function Output:hand_over_output(id)
  return hand_over(self, "/containers/" .. id .. "/attach?stream=1&stdout=1&stderr=1",
    "attach to container " .. id:sub(1, 12))
end

---@param id string
---@return integer? descriptor, gantry.Error? err
function Output:hand_over_input(id)
  return hand_over(self, "/containers/" .. id .. "/attach?stream=1&stdin=1", "hand over the input of container "
    .. id:sub(1, 12))
end

---@param id string
---@return integer? descriptor, gantry.Error? err
---@return { exit_code: integer }? result where it has ended already
function Output:hand_over_exit(id)
  local descriptor, err, result = hand_over(self, "/containers/" .. id .. "/wait", "wait for container "
    .. id:sub(1, 12))
  return descriptor, err, result and { exit_code = result.StatusCode } or nil
end

---The daemon looks after them all.
function Output.let_go() end

return { methods = Output }
