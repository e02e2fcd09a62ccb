-- SPDX-License-Identifier: Apache-2.0
--
--- The control socket of `gantry up` under clients that send nonsense, too much, too little or nothing more, and under
--- users who may not use it.

local core = require "gantry.core"
local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local NOBODY <const> = 65534
-- As many as the server has places, and some more.
local MANY <const> = 80

describe("the control socket of gantry up", function()
  local place, commands

  before_each(function() place, commands = supervision.place(), {} end)
  after_each(function()
    task.run(function()
      support.end_all(commands)
      place:close()
    end)
  end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@param count integer connections
  ---@param text string
  ---@param trickle string?
  ---@return support.Command
  local function rude(count, text, trickle)
    local command = support.command({ support.source .. "/tests/engine/rude_client.py",
      place.runtime_dir .. "/.control.sock", tostring(count), text, trickle or "" },
      { executable = "/usr/bin/python3" })
    commands[#commands + 1] = command
    command:await("stdout", "sent\n")
    return command
  end

  local function check_serves()
    assert.are.equal("kv", place:ask("ps").plugins[1].name)
  end

  test("outlives garbage, and tells what it can tell", function()
    place:policy "kv"
    place:up()
    place:await_state("kv", "ready")
    for _, case in ipairs {
      { [[\x00\x01\x02\x16\x03\x01\r\n\r\n]], "" }, { [[GET\r\n\r\n]], "" },
      { [[GET /v1/plugins HTTP/9.9\r\nHost: x\r\n\r\n]], "^HTTP/1.1 505 " },
      { [[GET /v1/plugins/%00%ff%2e%2e/why HTTP/1.0\r\n\r\n]], "^HTTP/1.[01] 404 .*" },
      { [[GET /v1/plugins/../../etc/passwd HTTP/1.0\r\n\r\n]], "^HTTP/1.[01] 404 .*\"NOT_FOUND\"" },
      { [[GET /v1/plugins/kw HTTP/1.0\r\n\r\n]], "^HTTP/1.[01] 404 .*did you mean 'kv'" },
      { [[DELETE /v1/plugins/kv HTTP/1.0\r\n\r\n]], "^HTTP/1.[01] 405 .*\"METHOD_NOT_ALLOWED\"" },
      { [[GET /v1/plugins/kv/logs?tail=many HTTP/1.0\r\n\r\n]], "^HTTP/1.[01] 400 .*tail must be a whole number" },
      { [[POST /v1/plugins/kv/stop HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n]], "^HTTP/1.1 400 " },
    } do
      local client = rude(1, case[1])
      client:wait()
      assert.matches(case[2], client.stdout:match "^sent\n(.*)$", case[1])
      check_serves()
    end
    assert.are.equal("ready", place:plugin("kv").state)
  end)

  test("refuses what is too large", function()
    place:policy "kv"
    place:up()
    for _, case in ipairs {
      { [[POST /v1/reload HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n]], ("x"):rep(100000), "413" },
      { "GET /v1/plugins/" .. ("x"):rep(100000) .. [[ HTTP/1.0\r\n\r\n]], "", "4%d%d" },
      { [[GET /v1/plugins HTTP/1.0\r\nX: ]] .. ("x"):rep(100000) .. [[\r\n\r\n]], "", "4%d%d" },
    } do
      local client = rude(1, case[1], case[2])
      client:wait()
      assert.matches("^sent\nHTTP/1.[01] " .. case[3] .. " ", client.stdout)
      check_serves()
    end
  end)

  test("serves others beside clients that do not come to an end, and ends those", function()
    place:policy "kv"
    place:up()
    local slow = {}
    for i, case in ipairs {
      { "" }, { [[POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Le]] },
      { [[POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf]] },
      { [[POST /v1/reload HTTP/1.1\r\nX: ]], "x" },
      { [[POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n]], "x" },
    } do
      slow[i] = rude(3, case[1], case[2])
    end
    check_serves()
    for _, client in ipairs(slow) do assert.is_nil(client.exit) end
    for _, client in ipairs(slow) do assert.are.equal(0, client:wait().code) end
    check_serves()
  end)

  test("serves others after clients that took all its places", function()
    place:policy "kv"
    place:up()
    local slow = rude(MANY, [[GET /v1/plu]])
    check_serves()
    assert.are.equal(0, slow:wait().code)
    check_serves()
  end)

  -- ---- who may ----

  ---@param groups string options of setpriv
  ---@param control string path
  ---@return { code: integer, stdout: string, stderr: string }
  local function ps_as_nobody(groups, control)
    local command = support.command({ "--reuid", tostring(NOBODY), "--regid", tostring(NOBODY), groups,
      support.executable, "ps", "--control", control }, { executable = "/usr/bin/setpriv" })
    local exit = command:wait()
    return { code = exit.code, stdout = command.stdout, stderr = command.stderr }
  end

  test("is for its owner and one group, and says which", function()
    if core.system.euid() ~= 0 then return pending "only root can be other users" end
    local open = place.root .. "/open"
    assert(os.execute(("chmod 711 %s && mkdir -m 755 %s"):format(place.root, open)))
    local control, gid = open .. "/control.sock", assert(core.group.resolve "adm")
    place:policy "kv"
    local up = place:up(nil, { "--control", control, "--control-group", "adm" })
    local status = assert(core.system.stat(control))
    assert.are.same({ gid, tonumber("660", 8) }, { status.gid, status.mode })

    local refused = ps_as_nobody("--clear-groups", control)
    assert.are.equal(7, refused.code)
    assert.matches("^gantry: permission denied on the control socket " .. control:gsub("%p", "%%%0")
      .. "; it is for its owner and the members of group 'adm': become one %(usermod %-aG adm USER[^\n]*\n$",
      refused.stderr)
    assert.matches("\nkv +", ps_as_nobody("--groups=adm", control).stdout)

    up:kill "TERM"
    up:wait()
    up = place:up(nil, { "--control", control })
    assert.matches("group 'root': have gantry up started with %-%-control%-group GROUP",
      ps_as_nobody("--clear-groups", control).stderr)
    up:kill "TERM"
    up:wait()
    place:up()
    assert.matches("its folder is closed to you: have gantry up started with %-%-control PATH.*%-%-control%-group G",
      ps_as_nobody("--clear-groups", place.runtime_dir .. "/.control.sock").stderr)
  end)

  test("answers in JSON, whatever is asked", function()
    place:policy "kv"
    place:up()
    place:await_state("kv", "ready")
    for path, status in pairs { ["/v1"] = 200, ["/v1/plugins"] = 200, ["/v1/plugins/kv"] = 200,
      ["/v1/plugins/kv/why"] = 200, ["/v1/nothing"] = 404, ["/v1/plugins/none/why"] = 404, ["/v2/plugins"] = 404 } do
      local curl = support.command({ "-s", "-w", "\n%{http_code} %{content_type}", "--unix-socket",
        place.runtime_dir .. "/.control.sock", "http://gantry" .. path }, { executable = "/usr/bin/curl" })
      curl:wait()
      local body, code, kind = curl.stdout:match "^(.*)\n(%d+) (%S+)$"
      assert.are.same({ tostring(status), "application/json" }, { code, kind }, path)
      local value = assert(json.decode(body))
      if status ~= 200 then assert.are.same({ "string", "string" }, { type(value.code), type(value.message) }) end
    end
  end)
end)
