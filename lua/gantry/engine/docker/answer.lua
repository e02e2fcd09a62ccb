-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/answer.lua: whether a successful answer is one of the engine's API. A proxy's error page, half an
--- answer and another server's JSON are told as an error here, so that nobody above stumbles over a field that is not
--- there.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local types = require "gantry.base.types"

local answer = {}

local object, list, optional = types.object, types.list, types.optional
local text, id, flag = types.text(), types.id(), types.boolean()
local maybe_text, maybe_texts = optional(text), optional(list(text))
local exit_code = types.integer { min = -(1 << 31), max = (1 << 32) - 1 }

---What is read of each answer; what else is in it is nobody's.
---@type table<string, gantry.Type>
answer.types = {
  any = object {},
  image = object { Id = text, RepoDigests = maybe_texts, Size = optional(types.integer { min = 0 }),
    Config = optional(object { Entrypoint = maybe_texts, Cmd = maybe_texts, WorkingDir = maybe_text,
      User = maybe_text, Env = maybe_texts, Labels = types.strings(),
      Volumes = optional(types.map(object {})), StopSignal = maybe_text }),
    RootFS = optional(object { Layers = maybe_texts }) },
  images = list(object { Id = text, RepoTags = maybe_texts, RepoDigests = maybe_texts,
    Size = optional(types.integer()), Created = optional(types.number()) }),
  removed = list(object {}),
  created = object { Id = id, Warnings = maybe_texts },
  containers = list(object { Id = id, Labels = types.strings(), State = maybe_text, Names = maybe_texts,
    Image = maybe_text, Created = optional(types.number()) }),
  inspected = object {
    Id = id, Name = text, Image = maybe_text, AppArmorProfile = maybe_text, ProcessLabel = maybe_text,
    HostConfig = optional(object { NetworkMode = maybe_text, Runtime = maybe_text,
      Tmpfs = optional(types.map(text)) }),
    Config = object { Env = maybe_texts, Labels = types.strings(), Image = maybe_text, StopSignal = maybe_text },
    Mounts = optional(list(object { Type = maybe_text, Source = maybe_text, Destination = text })),
    State = object { Running = flag, Paused = optional(flag), ExitCode = exit_code, OOMKilled = optional(flag),
      Error = maybe_text, Status = maybe_text, StartedAt = maybe_text, FinishedAt = maybe_text,
      Pid = optional(types.integer { min = 0 }) },
  },
  info = object {
    Runtimes = optional(types.map(object { path = maybe_text, runtimeArgs = maybe_texts })),
    SecurityOptions = maybe_texts, ServerVersion = maybe_text, DefaultRuntime = maybe_text,
    CgroupDriver = maybe_text, CgroupVersion = maybe_text, DockerRootDir = maybe_text,
  },
  stats = object { read = maybe_text, cpu_stats = optional(object { cpu_usage = optional(object {}) }),
    memory_stats = optional(object { stats = optional(object {}) }), pids_stats = optional(object {}) },
  waited = object { StatusCode = exit_code },
  version = object { MinAPIVersion = text, ApiVersion = text },
  event = object { Action = text, Actor = object { ID = id, Attributes = types.strings() } },
}

---What a line of an engine's progress says of a failure, which may come behind a status of success.
---@param value table
---@return string? reason
function answer.failure(value)
  local detail = type(value.errorDetail) == "table" and value.errorDetail.message or value.error
  if detail == nil or type(detail) == "string" then return detail end
  return (json.line(detail):gsub("\n$", ""))
end

---The type of answers that say by their status alone that it was done.
answer.nothing = {}

local NO_CONTENT <const>, NOT_MODIFIED <const> = 204, 304

---@param response { status: integer, body: string }
---@return string? reason
local function not_nothing(response)
  if response.status == NO_CONTENT or response.status == NOT_MODIFIED then return nil end
  return ("HTTP status %d, expected %d"):format(response.status, NO_CONTENT)
end

---@param body string
---@param wanted gantry.Type
---@return table? value, string? reason
local function read_body(body, wanted)
  if body == "" then return types.first_finding(wanted, {}, "it") end
  local value, err = json.decode(body)
  if value == nil then return nil, err.message end
  return types.first_finding(wanted, value, "it")
end

---Reads the body of a successful answer.
---@param response { status: integer, body: string }
---@param action string such as "create container gantry-kv-1", for the error
---@param wanted gantry.Type? of the answer; any object where left out
---@return table? value, gantry.Error? err ENGINE_ANSWER
function answer.read(response, action, wanted)
  local value, reason
  if wanted == answer.nothing then
    value, reason = {}, not_nothing(response)
  else
    value, reason = read_body(response.body, wanted or answer.types.any)
  end
  if not reason then return value end
  return answer.unexpected(response, action, reason)
end

---@param response { status: integer }
---@param action string
---@param reason string
---@return nil, gantry.Error err ENGINE_ANSWER
function answer.unexpected(response, action, reason)
  return nil, errors.new("ENGINE_ANSWER", ("%s: the answer is not one of the engine's API (%s); is there a proxy "
    .. "before it, or another server at its address?"):format(action, reason), { status = response.status })
end

return answer
