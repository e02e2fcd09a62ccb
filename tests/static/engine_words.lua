-- SPDX-License-Identifier: Apache-2.0
--
--- engine_words.lua: fails where a file outside of an engine's own folder speaks in an engine's words, asks which kind
--- of engine it has, or uses an engine's folder: what all rooms know of engines is lua/gantry/engine/interface.lua.
--- Each folder in lua/gantry/engine is one engine; the files beside them know what engines there are.
---
--- Usage: lua5.4 tests/static/engine_words.lua FILE... (from the top of the repository)

-- Names of fields of the Docker Engine API, which gantry reads or writes.
local WORDS = {}
for word in ([[
  HostConfig NetworkingConfig EndpointsConfig NetworkSettings NetworkMode NetworkDisabled State Running Paused
  OOMKilled ExitCode StatusCode StartedAt FinishedAt Pid Id ID Names Labels RepoDigests RepoTags RootFS Layers
  Entrypoint Cmd Env WorkingDir User Volumes StopSignal Hostname Healthcheck Image Warnings Mounts Binds BindOptions
  Destination Tmpfs Memory MemorySwap NanoCpus CpusetCpus PidsLimit CgroupParent CapAdd CapDrop GroupAdd SecurityOpt
  ReadonlyRootfs Init UsernsMode Devices Dns ExtraHosts Ulimits Runtime Runtimes SecurityOptions ServerVersion
  DefaultRuntime CgroupDriver CgroupVersion DockerRootDir MemTotal AppArmorProfile ProcessLabel Actor Attributes
  Action timeNano exitCode cpu_stats memory_stats pids_stats runtimeArgs
]]):gmatch "%S+" do WORDS[word] = true end

-- Whose own words some of these are: protobuf's descriptors, and go-plugin's ReattachConfig.
local OTHER_WORDS <const> = { "^lua/gantry/protobuf/", "^lua/gantry/grpc/", "^lua/gantry/plugin/reattach%.lua$" }

local failures = 0

---@param path string
---@param line integer
---@param ... string a format and its values
local function fail(path, line, ...)
  print(("%s:%d: %s"):format(path, line, string.format(...)))
  failures = failures + 1
end

---Blanks comments, and where wanted the content of strings, keeping the lines.
---@param text string
---@param strings boolean
---@return string
local function without(text, strings)
  local function blank(part) return (part:gsub("[^\n]", " ")) end
  text = text:gsub("%-%-%[(=*)%[.-%]%1%]", blank):gsub("%-%-[^\n]*", blank)
  if not strings then return text end
  return (text:gsub("%[(=*)%[.-%]%1%]", blank):gsub('"[^"\n]*"', blank):gsub("'[^'\n]*'", blank))
end

---@param text string
---@return fun(): integer?, string? line and its text
local function lines_of(text)
  local number = 0
  local next_line = text:gmatch "([^\n]*)\n?"
  return function()
    number = number + 1
    local line = next_line()
    if line then return number, line end
  end
end

---@param path string
---@param text string
local function check_words(path, text)
  for number, line in lines_of(without(text, true)) do
    for word in line:gmatch "[%.%s{,(]([%a_][%w_]*)" do
      local own = line:find("[.]" .. word .. "%f[^%w_]") or line:find("%f[%w_]" .. word .. "%s*=[^=]")
      if WORDS[word] and own then fail(path, number, "'%s' is Docker's word: see gantry.engine.interface", word) end
    end
  end
end

---@param path string
---@param text string
local function check_kinds(path, text)
  for number, line in lines_of(without(text, false)) do
    local kind = line:match "[.]kind%s*[~=]=%s*\"(%a+)\""
    if kind == "docker" or kind == "podman" or kind == "oci" then
      fail(path, number, "an engine is asked whether it is %s: that is a capability or a method of its", kind)
    end
    local folder = line:match "%f[%w]%a+[%s(]+\"gantry%.engine%.(%a+)[%.\"]"
    if folder and io.open(("lua/gantry/engine/%s/init.lua"):format(folder)) then
      fail(path, number, "gantry.engine.%s is one engine's own", folder)
    end
  end
end

for _, path in ipairs(arg) do
  local file <close> = assert(io.open(path))
  local text = file:read "a"
  local own = path:find "^lua/gantry/engine/%w+/"
  local other = false
  for _, pattern in ipairs(OTHER_WORDS) do other = other or path:find(pattern) ~= nil end
  if not own and not other then check_words(path, text) end
  if not path:find "^lua/gantry/engine/" then check_kinds(path, text) end
end
os.exit(failures == 0)
