-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/blame.lua: whose trouble an error tells of: the engine's, the image's, the policy's, the plugin's or the
--- machine's; and so which cause an end gets. One table has every code of the source; tests/lua/blame_spec.lua finds
--- those that it lacks. Codes that both an engine and a plugin can answer with are told apart by where they came from.

local blame = {}

---@alias gantry.Blamed "engine"|"image"|"policy"|"plugin"|"machine"|"caller"

local function list(party, text, codes)
  for code in text:gmatch "%S+" do codes[code] = party end
end

---@type table<string, gantry.Blamed|"call">
blame.CODES = {}
list("engine", [[
  API_VERSION CONFLICT CONTAINER_PAUSED CONTEXT_INVALID CONTEXT_UNKNOWN DOCKER_CONFIG ENGINE_ADDRESS ENGINE_ANSWER
  ENGINE_CONNECTION_LOST ENGINE_ERROR ENGINE_PERMISSION ENGINE_TLS_FILE ENGINE_UNREACHABLE ENGINE_UNSUPPORTED
  HTTP_CONNECT_FAILED HTTP_FAILED HTTP_NOT_PLAIN HTTP_REQUEST_INVALID HTTP_TIMEOUT HTTP_TLS_EXPIRED HTTP_TLS_FAILED
  HTTP_TLS_FILE HTTP_TLS_NAME HTTP_TLS_REFUSED HTTP_TLS_UNTRUSTED RESPONSE_TOO_LARGE STATS_UNKNOWN STOP_FAILED
  STREAM_CORRUPT]],
  blame.CODES)
list("image", [[
  BINARY_ARCHITECTURE BINARY_CHANGED BINARY_DYNAMIC BINARY_LIBRARY_MISSING BINARY_NOT_A_FILE BINARY_NOT_A_PROGRAM
  BINARY_NOT_FOUND BINARY_NOT_LOADED BINARY_PIN_MISMATCH BINARY_TOO_LARGE BINARY_UNREADABLE FILE_CHANGED
  IMAGE_NO_ENTRYPOINT
  IMAGE_NOT_FOUND IMAGE_PIN_MISMATCH IMAGE_PULL_FAILED REGISTRY_AUTH REGISTRY_FAILED REGISTRY_HELPER]], blame.CODES)
list("policy", [[
  CGROUP_PARENT COOKIE_UNKNOWN CONFIG_INVALID CWD_IS_ROOT ENGINE_REFUSED ENV_FILE_INVALID FOLDER_HIDDEN
  GROUP_NOT_ALLOWED GROUP_NOT_FOUND HOME_UNKNOWN MOUNT_NOT_READ_ONLY
  MOUNT_SOURCE_MISSING POLICY_ANSWER POLICY_BINARY POLICY_BUDGET_INSTRUCTIONS POLICY_BUDGET_MEMORY
  POLICY_BUDGET_SECONDS POLICY_CHANGED POLICY_CONTEXT POLICY_ERROR POLICY_NAME_TAKEN POLICY_NOT_A_FILE
  POLICY_NOT_FOUND POLICY_RESULT POLICY_SYNTAX
  POLICY_TIMEOUT POLICY_TOO_LARGE POLICY_UNREADABLE POLICY_UNSAFE RELABEL_PATH ROOTLESS_CALLER ROOTLESS_GROUP
  ROOTLESS_USER RUNTIME_UNKNOWN SECCOMP_INVALID SECCOMP_UNREADABLE SECRET_MISSING SECRET_NOT_A_FILE SECRET_TOO_LARGE
  SECRET_UNREADABLE SECRET_UNSAFE
  SITE_BROKEN SITE_REFUSED SIMULATE_INVALID TMPDIR_MISSING TMPDIR_NOT_PRIVATE USERNS_GROUP
  USERNS_RUNTIME USERNS_UNKNOWN USER_UNKNOWN]], blame.CODES)
list("plugin", [[
  ADDRESS_INVALID ADDRESS_NOT_SHARED ANSWER_INVALID CONNECTION_CLOSED DESCRIPTOR_INVALID DIAL_FAILED
  EXITED_BEFORE_HANDSHAKE EXITED_BEFORE_READY GRPC_CONNECTION_LOST GRPC_CONNECT_FAILED GRPC_FINISHED
  GRPC_PROTOCOL_FAILED GRPC_TIMEOUT HANDSHAKE_ADDRESS HANDSHAKE_CERTIFICATE HANDSHAKE_CORE_VERSION HANDSHAKE_INVALID
  HANDSHAKE_NETWORK HANDSHAKE_PROTOCOL HANDSHAKE_PROTOCOL_VERSION HANDSHAKE_TOO_LONG MESSAGE_COMPRESSED
  MESSAGE_TOO_LARGE NOT_A_PLUGIN NOT_RUNNING NO_GRPC NO_REFLECTION PATH_UNRESOLVED PLUGIN_EXITED
  SOCKET_FAILED SOCKET_INVALID SOCKET_NOT_VISIBLE START_FAILED START_TIMEOUT TLS_FAILED UNHEALTHY]], blame.CODES)
list("machine", [[
  ACL_UNSUPPORTED ALREADY_RUNNING CERTIFICATE_FAILED CERTIFICATE_INVALID CHANNEL_FAILED CONFINEMENT_FAILED
  CONTROL_BUSY
  CONTROL_FAILED CONTROL_PERMISSION DIRECTORY_FAILED DIRECTORY_NOT_VISIBLE DIRECTORY_UNSAFE FAILED FAULT
  INOTIFY_FAILED LIBRARY_MISSING LINE_EDITOR_BUSY LOCK_BUSY LOCK_FAILED LOOP_FAILED MEMORY_DIR_MISSING
  NOTIFY_FAILED NO_PROCESS
  OUT_OF_MEMORY POLICY_PROCESS_ENDED POLICY_REQUEST
  PROCESS_ENDED PROCESS_INPUT_CLOSED PROC_UNREADABLE READ_FAILED RECORD_TOO_LONG RUNTIME_DIR_FAILED
  RUNTIME_DIR_UNSAFE SETTINGS_INVALID
  SIGNALS_FAILED SIGNAL_FAILED SOCKET_DENIED SOCKET_DIR_BUSY SOCKET_DIR_CHOSEN SOCKET_DIR_FAILED
  SOCKET_DIR_FOREIGN
  SOCKET_NAME_INVALID SOCKET_PATH_TOO_LONG SPAWN_FAILED STAT_FAILED SUPERVISOR_RUNNING WATCH_FAILED WRITE_FAILED]],
  blame.CODES)
-- Who asked for something is to blame, or nobody: no end of a plugin comes from these.
list("caller", [[
  HANDLER_FAILED PLUGIN_NOT_READY
  CONTROL_ANSWER DETACHED ENDING FILE_EXISTS INTERRUPTED IN_USE JSON_INVALID JSON_UNENCODABLE MESSAGE_INVALID
  METADATA_INVALID METHOD_NOT_ALLOWED
  METHOD_STREAMS METHOD_UNKNOWN NAME_INVALID NOT_SUPERVISING OUTPUT_FAILED PLUGIN_AMBIGUOUS PLUGIN_NOT_FOUND
  PLUGIN_UNKNOWN REATTACH_KEY_MISSING REATTACH_MULTIPLEXED REATTACH_PROTOCOL REATTACH_TLS REQUEST_INVALID
  SERVICE_UNKNOWN SESSION_OVER SUPERSEDED TYPE_UNKNOWN USAGE WRAP_CHANGED WRAP_FOREIGN WRAP_GONE WRAP_IS_POLICY
  WRAP_NOTHING WRAP_NOT_A_PLUGIN WRAP_NOT_LOCKED]],
  blame.CODES)
-- gRPC's statuses by name: a plugin's answer has its number; without one it is the engine that did not answer.
list("call", [[
  ABORTED ALREADY_EXISTS CANCELLED CANCELLED_BY_PLUGIN DATA_LOSS DEADLINE_EXCEEDED FAILED_PRECONDITION INTERNAL
  INVALID_ARGUMENT NOT_FOUND OUT_OF_RANGE PERMISSION_DENIED RESOURCE_EXHAUSTED UNAUTHENTICATED UNAVAILABLE
  UNIMPLEMENTED UNKNOWN]], blame.CODES)

-- gRPC's statuses end here, HTTP's begin far above.
local HIGHEST_GRPC <const> = 16
-- Where an engine answers with a status, it says itself whether the request was at fault.
local FIRST_SERVER_ERROR <const> = 500
-- For codes of a later version.
local FAMILIES <const> = { ENGINE = "engine", HTTP = "engine", BINARY = "image", IMAGE = "image",
  REGISTRY = "image", POLICY = "policy", HANDSHAKE = "plugin", GRPC = "plugin" }
-- What passes by itself: EAGAIN, EIO, ENOMEM, ENFILE, EMFILE, ENOSPC.
local PASSING <const> = { [11] = true, [5] = true, [12] = true, [23] = true, [24] = true, [28] = true }

---@param err gantry.Error
---@return gantry.Blamed of a code that is in no table: its family's, or the machine
function blame.of(err)
  local status = math.type(err.status) == "integer" and err.status or nil
  local party = blame.CODES[err.code] or FAMILIES[tostring(err.code):match "^%u+"] or "machine"
  if party == "call" then
    if status and status <= HIGHEST_GRPC then return "plugin" end
    return status and status < FIRST_SERVER_ERROR and "policy" or "engine"
  end
  -- A refusal of the engine's is about what it was asked; its failure is its own.
  if party == "policy" and status and status >= FIRST_SERVER_ERROR then return "engine" end
  return party
end

-- Causes by code, where the party alone does not tell.
local BY_CODE <const> = { START_TIMEOUT = "start_timeout", UNHEALTHY = "unhealthy", TLS_FAILED = "handshake_failed" }
local BY_PARTY <const> = { engine = "engine_error", image = "image_missing" }

---The cause of an end that an error led to.
---@param err gantry.Error
---@return string cause
function blame.cause(err)
  local of_party = BY_PARTY[blame.of(err)]
  if of_party then return of_party end
  if BY_CODE[err.code] then return BY_CODE[err.code] end
  return tostring(err.code):find "^HANDSHAKE_" and "handshake_failed" or "start_failed"
end

---Whether an error says nothing of the plugin and passes by itself: what runs is to be left as it is until then.
---@param err gantry.Error
---@return boolean
function blame.passes(err)
  local party = blame.of(err)
  return party == "engine" or err.os_error ~= nil and PASSING[err.os_error] == true
end

return blame
