-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/records.lua: what Docker's answers say, in the words of gantry.engine.interface. The answers have been
--- held against gantry.engine.docker.answer's types before. Pure.

local records = {}

---@param text string?
---@return string? text nil where it is empty
local function said(text)
  return text ~= "" and text or nil
end

---@param image table of /images/NAME/json
---@return gantry.EngineImage
function records.image(image)
  local found = { id = image.Id, digests = image.RepoDigests or {}, size = image.Size,
    layers = image.RootFS and image.RootFS.Layers }
  local inner = image.Config
  if not inner then return found end
  found.entrypoint, found.command, found.env = inner.Entrypoint or {}, inner.Cmd or {}, inner.Env
  found.labels, found.volumes = inner.Labels, {}
  for path in pairs(inner.Volumes or {}) do table.insert(found.volumes, path) end
  table.sort(found.volumes)
  found.user, found.working_dir = said(inner.User), said(inner.WorkingDir)
  found.stop_signal = said(inner.StopSignal)
  return found
end

---@param image table of /images/json
---@return gantry.EngineImageSummary
function records.listed_image(image)
  return { id = image.Id, references = image.RepoTags or {}, digests = image.RepoDigests or {}, size = image.Size,
    created = image.Created }
end

-- What Podman calls a container's state in moments for which Docker has no word of its own: it has ended and is not
-- cleaned up yet, it is being ended, it was made.
local STATUS <const> = { stopped = "exited", stopping = "running", configured = "created", initialized = "created" }

---@param word any
---@return string? status
local function status_of(word)
  local status = said(word)
  return STATUS[status] or status
end

---@param state table
---@return gantry.ContainerState
local function state_of(state)
  return {
    status = status_of(state.Status) or (state.Running and "running" or "exited"), running = state.Running,
    paused = state.Paused == true, pid = (state.Pid or 0) > 0 and state.Pid or nil, exit_code = state.ExitCode,
    out_of_memory = state.OOMKilled == true, error = said(state.Error),
    started_at = said(state.StartedAt), finished_at = said(state.FinishedAt),
  }
end

---@param container table of /containers/ID/json
---@return gantry.Container
function records.container(container)
  local config, host, mounts = container.Config, container.HostConfig or {}, {}
  for i, one in ipairs(container.Mounts or {}) do
    mounts[i] = { kind = one.Type or "bind", source = said(one.Source), target = one.Destination }
  end
  return {
    id = container.Id, name = (container.Name:gsub("^/", "")), image = config.Image, image_id = container.Image,
    env = config.Env or {}, labels = config.Labels or {}, mounts = mounts, tmpfs = host.Tmpfs or {},
    network = said(host.NetworkMode), runtime = said(host.Runtime),
    stop_signal = said(config.StopSignal),
    confinement = { AppArmor = said(container.AppArmorProfile), SELinux = said(container.ProcessLabel) },
    state = state_of(container.State),
  }
end

---@param container table of /containers/json
---@return gantry.ContainerSummary
function records.listed(container)
  local name = container.Names and container.Names[1]
  return { id = container.Id, name = name and (name:gsub("^/", "")), image = container.Image,
    labels = container.Labels or {}, status = status_of(container.State), created = container.Created }
end

-- ---- what an engine says of itself ----

---@param options string[]?
---@param root string? where the engine keeps its data
---@return { rootless: boolean, selinux: boolean, apparmor: boolean, remapped: table? }
local function hardening(options, root)
  local found = { rootless = false, selinux = false, apparmor = false }
  for _, option in ipairs(options or {}) do
    local name = option:match "name=([^,]+)" or ""
    if name == "userns" then
      -- Each mapping has a folder of its own there, named by it.
      local uid, gid = (root or ""):match "/(%d+)%.(%d+)/*$"
      found.remapped = { uid = math.tointeger(tonumber(uid)), gid = math.tointeger(tonumber(gid)) }
    elseif found[name] == false then
      found[name] = true
    end
  end
  return found
end

---@param info table of /info
---@param kind "docker"|"podman"
---@return gantry.EngineInfo
function records.info(info, kind)
  local found = hardening(info.SecurityOptions, info.DockerRootDir)
  found.kind, found.version, found.default_runtime = kind, info.ServerVersion, info.DefaultRuntime
  found.runtimes = {}
  for name, runtime in pairs(info.Runtimes or {}) do
    found.runtimes[name] = { path = runtime.path, arguments = runtime.runtimeArgs }
  end
  found.cgroup_version = math.tointeger(tonumber(info.CgroupVersion)) or 1
  found.cgroup_driver, found.memory = info.CgroupDriver, math.tointeger(info.MemTotal)
  return found
end

-- ---- what a container uses ----

---A limit of the engine's: it says 0, the largest number or the machine's whole memory where there is none.
---@param value any
---@param most integer?
---@return integer?
local function limit(value, most)
  local number = math.tointeger(value)
  return number and number > 0 and number < (most or math.maxinteger) and number or nil
end

---@param answer table of /containers/ID/stats; a number may be left out, or larger than any of ours
---@param machine integer? bytes of memory that it has
---@return gantry.EngineStats
function records.stats(answer, machine)
  local cpu, memory, pids = answer.cpu_stats or {}, answer.memory_stats or {}, answer.pids_stats or {}
  local used, parts = math.tointeger(memory.usage), memory.stats or {}
  local droppable = math.tointeger(parts.total_inactive_file) or math.tointeger(parts.inactive_file) or 0
  local time = math.tointeger(cpu.cpu_usage and cpu.cpu_usage.total_usage)
  return { at = answer.read, cpu_seconds = time and time / 1e9, memory_bytes = used and math.max(0, used - droppable),
    memory_limit_bytes = limit(memory.limit, machine), pids = math.tointeger(pids.current),
    pids_limit = limit(pids.limit) }
end

-- ---- what happens ----

local HIGHEST_CODE <const> = (1 << 32) - 1

---@param attributes table<string, string> of a death
---@return integer? code Docker's name for it, or that of Podman before 5
local function exit_code(attributes)
  local code = math.tointeger(tonumber(attributes.exitCode or attributes.containerExitCode))
  return code and code >= 0 and code <= HIGHEST_CODE and code or nil
end

---@param event table a line of /events
---@return gantry.EngineEvent
function records.event(event)
  local attributes = event.Actor.Attributes or {}
  return { kind = event.Action, id = event.Actor.ID, labels = attributes, at = (tonumber(event.timeNano) or 0) / 1e9,
    exit_code = event.Action == "die" and exit_code(attributes) or nil }
end

return records
