-- SPDX-License-Identifier: Apache-2.0
--
--- text/exit_codes.lua: what the exit code of the command tells. The README's table is this list.

local exit_codes = {
  OK = 0, -- done, or the plugin was stopped as asked
  FAILED = 1, -- anything without a code of its own
  USAGE = 2, -- the command line is wrong
  POLICY = 3, -- the policy, or a file of settings, is missing, unsafe, broken or invalid
  PLUGIN = 4, -- the plugin did not become ready
  ENGINE = 5, -- no engine, no permission, or it refused
  IMAGE = 6, -- the image or binary is missing, unusable or not the pinned one
  HOST = 7, -- runtime directory, socket path or group of this machine
  ENDED = 8, -- the plugin was ready and ended by itself
  SITE = 9, -- the site policy refuses the policy
}

local BY_CODE = {
  IMAGE_NO_ENTRYPOINT = "IMAGE", IMAGE_NOT_FOUND = "IMAGE", IMAGE_PIN_MISMATCH = "IMAGE",
  IMAGE_ARCHITECTURE = "IMAGE", IMAGE_CORRUPT = "IMAGE", IMAGE_PULL_FAILED = "IMAGE", IMAGE_TOO_LARGE = "IMAGE",
  IMAGE_UNREADABLE = "IMAGE", IMAGE_UNSAFE = "IMAGE",
  EXITED_BEFORE_HANDSHAKE = "PLUGIN", EXITED_BEFORE_READY = "PLUGIN", START_TIMEOUT = "PLUGIN",
    SOCKET_NOT_VISIBLE = "PLUGIN",
  START_FAILED = "PLUGIN", UNHEALTHY = "PLUGIN",
  API_VERSION = "ENGINE", CONTAINER_PAUSED = "ENGINE",
  NOT_FOUND = "ENGINE", CONFLICT = "ENGINE", RUNTIME_UNKNOWN = "ENGINE",
  SITE_REFUSED = "SITE", NAME_INVALID = "USAGE", REGEX_INVALID = "USAGE",
  USAGE = "USAGE",
  ALREADY_RUNNING = "HOST", ACL_UNSUPPORTED = "HOST", NOT_SUPERVISING = "HOST", SUPERVISOR_RUNNING = "HOST",
}

-- The first word of an error's code names its family.
local BY_FAMILY = {
  BINARY = "IMAGE", POD = "POLICY", POLICY = "POLICY", SITE = "POLICY", CONFIG = "POLICY", SETTINGS = "POLICY",
  HANDSHAKE = "PLUGIN", ENGINE = "ENGINE", HTTP = "ENGINE",
  RUNTIME = "HOST",
  SOCKET = "HOST", GROUP = "HOST", TLS = "PLUGIN", CONTROL = "HOST", LOCK = "HOST",
  DIRECTORY = "HOST", CONTEXT = "ENGINE", DOCKER = "ENGINE", REGISTRY = "IMAGE",
  ROOTLESS = "HOST", MOUNT = "HOST", CGROUP = "ENGINE", USERNS = "HOST", RELABEL = "HOST",
  SECRET = "POLICY", ENV = "POLICY", SECCOMP = "POLICY", USER = "POLICY", MEMORY = "HOST",
  STATS = "ENGINE", LIMIT = "HOST", STORE = "HOST", SKOPEO = "HOST", UNPACK = "HOST",
}

---@param err gantry.Error
---@return integer
function exit_codes.of(err)
  local family = tostring(err.code):match("^%u+")
  return exit_codes[BY_CODE[err.code] or BY_FAMILY[family] or "FAILED"]
end

return exit_codes
