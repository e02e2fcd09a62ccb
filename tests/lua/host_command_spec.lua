-- SPDX-License-Identifier: Apache-2.0
--
-- host_command_spec.lua: `gantry host -- COMMAND` under a parent that ignores signals, as nohup and daemons do.
local GANTRY <const> = os.getenv "GANTRY" or "build/gantry"

---What `gantry host` and its command come to where the parent ignores a signal.
---@return integer code
local function run(signal, script)
  local _, _, code = os.execute(("env --ignore-signal=%s '%s' host -- sh -c '%s'"):format(signal, GANTRY, script))
  return code
end

describe("gantry host", function()
  it("sees the end of its command where the parent ignores SIGCHLD", function()
    assert.equal(3, run("CHLD", "exit 3"))
  end)

  it("leaves a hangup alone that its parent ignores, and its command with it", function()
    -- The command gets SIGHUP back to its default, so a hangup that is passed on ends it.
    local script = [[exec env --default-signal=HUP sh -c "kill -HUP $PPID; exit 4"]]
    assert.equal(4, run("HUP", script))
  end)
end)

describe("a policy that is executed", function()
  it("may have a first line that ends as on Windows", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(("#!%s exec\r\nreturn {}\r\n"):format(require("gantry.core").system.real_path(GANTRY)))
    file:close()
    assert(os.execute("chmod 755 " .. path))
    local pipe <close> = assert(io.popen(path .. " 2>&1"))
    assert.matches("^This is a plugin, which gantry runs in a container as " .. path:gsub("%p", "%%%0"), pipe:read "a")
    os.remove(path)
  end)
end)
