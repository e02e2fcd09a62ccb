-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/network.lua: networks of a container that no daemon made: none but its own loopback, this machine's, or
--- user-mode, where a helper process carries its connections as its user's own. Nothing is listened for outside:
--- plugins and hosts meet on a socket file.

local refusal = require "gantry.engine.oci.refusal"

local network = {}

-- Where a helper lies, and the package that brings it.
network.HELPERS = { slirp4netns = { path = "/usr/bin/slirp4netns", package = "slirp4netns" },
  pasta = { path = "/usr/bin/pasta", package = "passt" } }

-- What a helper leaves in the container's directory.
network.PID_FILE, network.LOG_FILE = "network.pid", "network.log"

local DEVICE <const> = "/dev/net/tun"
-- Of slirp4netns' own network.
local SLIRP_DNS <const> = "10.0.2.3"
local PASTA_DNS <const> = "169.254.1.1"

---@class gantry.NetworkFacts what of this machine user-mode networks need
---@field helpers table<string, boolean> which of HELPERS are there
---@field device "missing"|"denied"|"usable" /dev/net/tun

---@param facts gantry.RuntimeFacts
---@return "slirp4netns"|"pasta"|nil helper, gantry.Error? err
local function pick(facts)
  if facts.network.helpers.slirp4netns then return "slirp4netns" end
  if facts.network.helpers.pasta and not facts.rootless then
    return refusal.unsupported("networks", "root needs slirp4netns for a user-mode network, since pasta gives root up "
      .. "and then may not join root's network namespaces; apt install slirp4netns")
  end
  if facts.network.helpers.pasta then return "pasta" end
  return refusal.unsupported("networks", "a user-mode network needs slirp4netns%s; apt install slirp4netns",
    facts.rootless and " or pasta" or "")
end

---@param facts gantry.RuntimeFacts
---@param named string
---@return string? helper, gantry.Error? err
local function check_helper(facts, named)
  if named == "pasta" and not facts.rootless then
    return refusal.unsupported("networks", "pasta gives root up and then may not join root's network namespaces; take "
      .. "{ \"slirp4netns\" }")
  end
  if not facts.network.helpers[named] then
    return refusal.unsupported("networks", "%s is not installed; apt install %s", named, network.HELPERS[named].package)
  end
  return named
end

---@param facts gantry.RuntimeFacts
---@return boolean? ok, gantry.Error? err
local function check_device(facts)
  local state = facts.network.device
  if state == "usable" then return true end
  if state == "missing" then
    return refusal.unsupported("networks", "a user-mode network needs %s, which this machine does not have; modprobe "
      .. "tun (in a container: --device %s)", DEVICE, DEVICE)
  end
  return refusal.unsupported("networks", "a user-mode network needs %s, which user %d may not open; chmod 0666 %s, as "
    .. "udev does", DEVICE, facts.uid, DEVICE)
end

---@param spec gantry.ContainerSpec
---@return boolean? ok, gantry.Error? err
local function check_hosts(spec)
  for name, address in pairs(spec.extra_hosts or {}) do
    if address == "host-gateway" then
      return refusal.unsupported("extra_hosts", "this engine leaves no way to what listens on this machine (%s as "
        .. "host-gateway); take networks = { \"host\" }, and localhost", name)
    end
  end
  return true
end

---@class gantry.NetworkChoice
---@field mode "none"|"host"|"user"
---@field helper "slirp4netns"|"pasta"|nil

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return gantry.NetworkChoice? choice, gantry.Error? err
function network.choose(spec, facts)
  local named = spec.network or "none"
  local ok, err = check_hosts(spec)
  if not ok then return nil, err end
  for name, settings in pairs(spec.endpoints) do
    if name ~= spec.network or next(settings) then
      return refusal.unsupported("endpoints_config", "this engine has no networks that others could be reached on by "
        .. "name ('%s'); take Docker or Podman (--engine)", name)
    end
  end
  if named == "none" or named == "host" then return { mode = named } end
  if named ~= "user" and not network.HELPERS[named] then
    return refusal.unsupported("networks", "this engine has no network '%s'; it has \"none\", \"host\" and \"user\" "
      .. "(by slirp4netns or pasta): for others take Docker or Podman (--engine)", named)
  end
  if facts.runtime == "runsc" then
    return refusal.unsupported("networks", "gVisor (runsc) has its own network stack, which %s cannot feed; take crun "
      .. "or runc, or { \"host\" }", named)
  end
  local helper
  if named == "user" then helper, err = pick(facts) else helper, err = check_helper(facts, named) end
  if not helper then return nil, err end
  ok, err = check_device(facts)
  if not ok then return nil, err end
  return { mode = "user", helper = helper }
end

---@class gantry.NetworkHelper a process that is started once the container is there, and ends with it
---@field arguments string[] its program and arguments
---@field pid_file string? it writes its number there once it is ready; nil: a byte to descriptor 3

---The helper of a container. Neither lets the plugin at what listens on this machine's loopback.
---@param name "slirp4netns"|"pasta"
---@param pid integer the container's first process
---@param directory string the container's own
---@return gantry.NetworkHelper helper
function network.helper(name, pid, directory)
  local path = network.HELPERS[name].path
  if name == "slirp4netns" then
    return { arguments = { path, "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3",
      tostring(pid), "tap0" } }
  end
  local pid_file = directory .. "/" .. network.PID_FILE
  return { pid_file = pid_file, arguments = { path, "--foreground", "--config-net", "--quiet", "--no-map-gw", "-t",
    "none", "-u", "none", "-T", "none", "-U", "none", "--dns-forward", PASTA_DNS, "--pid", pid_file, tostring(pid) } }
end

-- ---- files that name hosts ----

---@param spec gantry.ContainerSpec
---@param choice gantry.NetworkChoice
---@param facts gantry.RuntimeFacts
---@param hostname string
---@return string text of /etc/hosts
function network.hosts(spec, choice, facts, hostname)
  local lines = {}
  if choice.mode == "host" and facts.hosts then
    lines[1] = (facts.hosts:gsub("\n*$", ""))
  else
    lines[1] = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" .. hostname
  end
  local names = {}
  for name in pairs(spec.extra_hosts or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do lines[#lines + 1] = ("%s\t%s"):format(spec.extra_hosts[name], name) end
  return table.concat(lines, "\n") .. "\n"
end

---@param spec gantry.ContainerSpec
---@param choice gantry.NetworkChoice
---@param facts gantry.RuntimeFacts
---@return string? text of /etc/resolv.conf; nil where no server can be reached
function network.resolv(spec, choice, facts)
  local lines = {}
  for _, address in ipairs(spec.dns or {}) do lines[#lines + 1] = "nameserver " .. address end
  if #lines > 0 then return table.concat(lines, "\n") .. "\n" end
  if choice.mode == "host" then return facts.resolv_conf end
  if choice.mode == "none" then return nil end
  return ("nameserver %s\n"):format(choice.helper == "pasta" and PASTA_DNS or SLIRP_DNS)
end

return network
