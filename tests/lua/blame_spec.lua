-- SPDX-License-Identifier: Apache-2.0
--
--- Whose trouble each error code tells of, and that no code of the source is without an answer.

local blame = require "gantry.supervisor.blame"
local errors = require "gantry.base.errors"

local source = os.getenv "GANTRY_SOURCE" or "."

-- Words that look like codes and are none: variables of the environment, labels, settings.
local NO_CODES <const> = {}
for name in ([[ASAN_OPTIONS CONTAINER_HOST CREDENTIALS_DIRECTORY DBUS_SESSION_BUS_ADDRESS DOCKER_CERT_PATH
  DOCKER_CONTEXT DOCKER_HOST DOCKER_TLS DOCKER_TLS_VERIFY
  GANTRY_ACTION GANTRY_CAUSE GANTRY_DELAY GANTRY_ENGINE GANTRY_EXIT_CODE GANTRY_FAULT_POINT GANTRY_GATES
  GANTRY_GENERATION GANTRY_NAME GANTRY_REASON GANTRY_RUNTIME_DIR GANTRY_SIGNAL HTTPS_PROXY HTTP_PROXY IPC_LOCK
  LD_LIBRARY_PATH LC_ALL LC_CTYPE
  LD_PRELOAD LISTEN_PID MY_PLUGIN_COOKIE NAME_PLUGIN NOT_SERVING NO_PROXY PACKER_CACHE_DIR PACKER_PLUGIN_MAGIC_COOKIE
  PACKER_PLUGIN_MAX_PORT PACKER_PLUGIN_MIN_PORT PACKER_RUN_UUID PLUGIN_CLIENT_CERT
  PLUGIN_MAX_PORT PLUGIN_MIN_PORT PLUGIN_MULTIPLEX_GRPC PLUGIN_PROTOCOL_VERSIONS PLUGIN_UNIX_SOCKET_DIR
  PLUGIN_UNIX_SOCKET_GROUP RUNTIME_DIRECTORY WATCHDOG_PID XDG_RUNTIME_DIR
  MASKED_EQ RLIMIT_CORE RLIMIT_NPROC SCMP_ACT_ALLOW SCMP_ACT_ERRNO]]):gmatch "%S+" do NO_CODES[name] = true end

---@return table<string, string> path by code
local function codes_of_source()
  local found = {}
  local pipe <close> = assert(io.popen(("find %s/lua %s/src -name '*.lua' -o -name '*.c' -o -name '*.h'"):format(source,
    source)))
  for path in pipe:lines() do
    local file <close> = assert(io.open(path))
    local text = file:read "a"
    local is_table = path:find "gantry/blame%.lua$"
    if path:find "text/surroundings%.lua$" then text = "" end -- names of variables
    for code in text:gmatch '"(%u[%u_]*_%u+)"' do found[code] = not is_table and path or found[code] end
    for code in text:gmatch 'errors%.new%(%s*"(%u+)"' do found[code] = path end
    for code in text:gmatch 'refuse%(%s*"(%u+)"' do found[code] = path end
  end
  return found
end

describe("blame", function()
  it("has every code of the source", function()
    local missing, count = {}, 0
    for code, path in pairs(codes_of_source()) do
      count = count + 1
      if not blame.CODES[code] and not NO_CODES[code] then missing[#missing + 1] = code .. " in " .. path end
    end
    assert.is_true(count > 100, count)
    table.sort(missing)
    assert.are.equal("", table.concat(missing, "\n"))
  end)

  for party, cases in pairs {
    engine = { { "ENGINE_ERROR", 500 }, { "ENGINE_ANSWER", 200 }, { "ENGINE_UNREACHABLE" }, { "HTTP_TIMEOUT" },
      { "HTTP_TLS_EXPIRED" }, { "HTTP_FAILED" }, { "DEADLINE_EXCEEDED" }, { "UNAVAILABLE" }, { "UNAVAILABLE", 503 },
      { "CONFLICT", 409 }, { "HTTP_NEVER_HEARD_OF" }, { "RESPONSE_TOO_LARGE" }, { "ENGINE_REFUSED", 503 } },
    image = { { "IMAGE_NOT_FOUND", 404 }, { "REGISTRY_AUTH" }, { "REGISTRY_FAILED", 500 }, { "REGISTRY_HELPER" } },
    policy = { { "ENGINE_REFUSED", 400 }, { "RUNTIME_UNKNOWN" }, { "MOUNT_SOURCE_MISSING" }, { "NOT_FOUND", 404 } },
    plugin = { { "DEADLINE_EXCEEDED", 4 }, { "UNAVAILABLE", 14 }, { "NOT_FOUND", 5 }, { "TLS_FAILED" },
      { "UNHEALTHY" }, { "START_TIMEOUT" }, { "GRPC_TIMEOUT" } },
    machine = { { "SOCKET_DIR_FAILED" }, { "OUT_OF_MEMORY" }, { "NEVER_HEARD_OF" } },
  } do
    for _, case in ipairs(cases) do
      it(("is the %s's for %s %s"):format(party, case[1], case[2] or ""), function()
        assert.are.equal(party, blame.of(errors.new(case[1], "x", { status = case[2] })))
      end)
    end
  end

  it("gives each end its cause", function()
    for code, cause in pairs { REGISTRY_AUTH = "image_missing", REGISTRY_FAILED = "image_missing",
      IMAGE_PULL_FAILED = "image_missing", ENGINE_ERROR = "engine_error", HTTP_CLOSED = "engine_error",
      HANDSHAKE_PROTOCOL = "handshake_failed", TLS_FAILED = "handshake_failed", START_TIMEOUT = "start_timeout",
      UNHEALTHY = "unhealthy", RUNTIME_UNKNOWN = "start_failed", DEADLINE_EXCEEDED = "engine_error" } do
      assert.are.equal(cause, blame.cause(errors.new(code, "x")), code)
    end
  end)

  it("knows what passes by itself", function()
    assert.is_true(blame.passes(errors.new("ENGINE_ERROR", "x", { status = 500 })))
    assert.is_true(blame.passes(errors.new("SOCKET_DIR_FAILED", "x", { os_error = 24 })))
    assert.is_false(blame.passes(errors.new("SOCKET_DIR_FAILED", "x", { os_error = 2 })))
    assert.is_false(blame.passes(errors.new("UNHEALTHY", "x")))
  end)
end)
