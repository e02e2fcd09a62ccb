-- SPDX-License-Identifier: Apache-2.0
--
--- Every answer of an engine, with each of its parts left out or replaced by each kind of JSON, at every status and cut
--- anywhere: whoever asked gets an error or a value that can be used, and nothing raises.

local answers = require "gantry.engine.docker.answer"
local core_http = require "gantry.core.http"
local deaths = require "gantry.engine.deaths"
local diagnosis = require "gantry.plugin.diagnosis"
local docker = require "gantry.engine.docker"
local engine_checks = require "gantry.doctor.engine"
local errors = require "gantry.base.errors"
local exit = require "gantry.plugin.exit"
local find_image = require "gantry.plugin.find_image"
local addresses = require "gantry.plugin.addresses"
local ownership = require "gantry.place.ownership"
local pull = require "gantry.engine.docker.pull"
local pull_progress = require "gantry.text.pull_progress"
local takeover = require "gantry.supervisor.takeover"

local ID <const> = ("0a"):rep(32)

-- What takes the place of a part of an answer.
local OTHERS = { "null", "true", "false", "0", "-1", "1.5", "1e999", "9223372036854775807", "12345678901234567890123",
  '""', '"x"', '"../../victim"', '"\\u0000"', "[]", "[null]", "[1]", '["x"]', "{}", '{"a":null}', '{"a":1}', '{"a":[]}',
  ("["):rep(400) .. ("]"):rep(400), ("["):rep(5000) .. ("]"):rep(5000) }

---Good answers: text in which each part that is marked by «» is replaced, or left out with its name.
local GOOD = {
  list = '[{"Id":«"ID"»,"Names":«["/kv"]»,"State":«"running"»,"Created":«5»,'
    .. '"Labels":«{"gantry.plugin":"kv","gantry.directory":"/nowhere/kv"}»},'
    .. '{"Id":"ID","Labels":{"gantry.plugin":«"kv"»,"gantry.directory":«"/n/kv"»}}]',
  inspect = '{"Id":«"ID"»,"Name":«"/kv"»,"Image":«"sha256:ID"»,"Config":«{"Env":«["A=b",«"C=d"»]»,"Labels":«{}»,'
    .. '"Image":«"kv"»}»,"HostConfig":«{"NetworkMode":«"host"»,"Runtime":«"runc"»,"Tmpfs":«{"/tmp":«""»}»}»,'
    .. '"Mounts":«[«{"Type":«"bind"»,"Source":«"/a"»,"Destination":«"/b"»}»]»,"State":«{"Running":«false»,'
    .. '"ExitCode":«137»,"OOMKilled":«false»,"Error":«""»,"Status":«"exited"»,"StartedAt":«"2026-01-01T00:00:00.5Z"»,'
    .. '"FinishedAt":«"2026-01-01T00:00:01Z"»}»}',
  create = '{"Id":«"ID"»,"Warnings":«[«"x"»]»}',
  wait = '{"StatusCode":«7»,"Error":«null»}',
  image = '{"Id":«"sha256:ID"»,"RepoDigests":«[«"kv@sha256:x"»]»,"Size":«5»,"Config":«{"Entrypoint":«[«"/p"»]»,'
    .. '"Cmd":«["x"]»,"WorkingDir":«"/"»,"User":«"root"»}»}',
  info = '{"ServerVersion":«"27"»,"DefaultRuntime":«"runc"»,"CgroupDriver":«"none"»,"CgroupVersion":«"2"»,'
    .. '"SecurityOptions":«[«"name=rootless"»]»,"Runtimes":«{"runc":«{"path":«"runc"»}»,"runsc":{"path":"/x",'
    .. '"runtimeArgs":«[«"--host-uds=all"»]»}}»}',
  version = '{"MinAPIVersion":«"1.44"»,"ApiVersion":«"1.99"»}',
  event = '{"Action":«"die"»,"timeNano":«1700000000000000000»,'
    .. '"Actor":«{"ID":«"ID"»,"Attributes":«{"exitCode":«"3"»}»}»}',
  pull = '{"id":«"layer"»,"status":«"Downloading"»,"progressDetail":«{"current":«5»,"total":«9»}»}\n'
    .. '{"error":«"no"»,"errorDetail":«{"message":«"no"»}»}',
  refusal = '{"message":«"no such thing"»}',
}

---@param text string
---@return string
local function unmarked(text)
  return (text:gsub("[\xc2][\xab\xbb]", ""):gsub("ID", ID))
end

---All bodies that are made of a good one.
---@param good string
---@return string[]
local function mutations(good)
  local list = { "", "x", "<html>", "{", "[", "\0", "\xff" }
  for _, other in ipairs(OTHERS) do list[#list + 1] = other end
  local whole = unmarked(good)
  for cut = 1, #whole, 7 do list[#list + 1] = whole:sub(1, cut) end
  for from in good:gmatch "()\xc2\xab" do
    local before, part, depth, at = good:sub(1, from - 1), nil, 1, from + 2
    while depth > 0 do
      local mark, next_at = good:match("\xc2([\xab\xbb])()", at)
      depth, at = depth + (mark == "\xab" and 1 or -1), next_at
      part = good:sub(from, at - 1)
    end
    local after = good:sub(from + #part)
    for _, other in ipairs(OTHERS) do list[#list + 1] = unmarked(before) .. other .. unmarked(after) end
    local without = unmarked(before):gsub('"[%w.]+":$', "")
    list[#list + 1] = (without .. unmarked(after)):gsub("{,", "{"):gsub(",,", ","):gsub(",}", "}")
  end
  list[#list + 1] = whole
  return list
end

describe("an engine that answers with", function()
  local new_http = core_http.new
  local status, body, headers

  ---Stands for the connection: one answer, in two pieces where the caller takes pieces.
  local Http = {}
  Http.__index = Http
  function Http.request(_, request)
    local ping = request.path:find "/_ping"
    local code = ping and (request.path == "/_ping" and 200 or 400) or status
    local text = ping and "OK" or body
    if request.on_headers and not request.path:find "/wait$" then request.on_headers(code) end -- it has no socket
    if request.on_data then
      request.on_data(text:sub(1, #text // 2))
      request.on_data(text:sub(#text // 2 + 1))
    end
    request.on_done(nil, { status = code, headers = headers, body = text })
    return setmetatable({ cancel = function() end }, { __close = function() end })
  end
  function Http.close() end

  before_each(function()
    core_http.new = function() return setmetatable({}, Http) end
    status, body, headers = 200, "", { ["api-version"] = "1.44" }
  end)
  after_each(function() core_http.new = new_http end)

  local WHERE <const> = { name = "unix:///x", url = "http://x", unix_socket = "/x" }

  ---Gives every body at every status; `use` gets a new client each time, and an error is one of gantry's.
  local function campaign(good, use)
    local count = 0
    for _, code in ipairs { 200, 204, 304, 400, 404, 409, 500 } do
      for _, text in ipairs(mutations(good)) do
        headers = { ["api-version"] = "1.44" }
        local engine = assert(docker.connect(WHERE))
        status, body, count = code, text, count + 1
        local ok, fault = xpcall(use, debug.traceback, engine)
        if not ok then error(("status %d, body %s: %s"):format(code, text:sub(1, 800), fault), 0) end
      end
    end
    assert.is_true(count > 300)
  end

  local function fails_well(value, err)
    if value == nil then assert.is_true(errors.is(err), tostring(err)) end
    return value
  end

  it("any list of containers", function()
    campaign(GOOD.list, function(engine)
      for _, container in ipairs(fails_well(ownership.containers(engine)) or {}) do
        assert.is_truthy(container.id:find("^" .. ("%x"):rep(64) .. "$"))
        for name, value in pairs(container.labels) do assert(type(name) == "string" and type(value) == "string") end
        ownership.state(container.labels["gantry.directory"])
      end
      fails_well(takeover.list(engine))
    end)
  end)

  ---A plugin as far as its diagnosis needs one.
  local function plugin_of(engine, fields)
    local plugin = { engine = engine, name = "kv", reference = "kv:latest", config = { image = "kv", debug = true,
      pull = "never", sha256 = ID }, options = {}, event = function() end }
    for name, value in pairs(fields) do plugin[name] = value end
    return plugin
  end

  it("any description of a container", function()
    campaign(GOOD.inspect, function(engine)
      local inspected = fails_well(engine:inspect(ID))
      if not inspected then return end
      local ended = exit.from_state(inspected.state, false)
      exit.describe(ended)
      addresses.to_host(inspected, "/b/x.sock")
      addresses.to_plugin(inspected, "/a/x.sock")
      addresses.to_host(inspected, { network = "tcp", string = "1.2.3.4:5" })
      table.concat(diagnosis.lines(diagnosis.of(plugin_of(engine, { inspected = inspected, exit = ended,
        image = { id = inspected.image_id }, container = inspected.id, kept = true }))))
      assert.is_string(inspected.name)
    end)
  end)

  it("any account of a container that was made", function()
    campaign(GOOD.create, function(engine)
      local created = fails_well(engine:create("x", {}))
      if created then assert.is_truthy(created.id:find("^" .. ("%x"):rep(64) .. "$")) end
      if created then table.concat(created.warnings) end
    end)
  end)

  it("any end of a container", function()
    campaign(GOOD.wait, function(engine)
      local waited = fails_well(engine:wait(ID))
      if waited then exit.describe(exit.from_state(waited, false)) end
      local _, err, result = engine:hand_over_exit(ID)
      if result then assert.are.equal("integer", math.type(result.exit_code)) end
      assert.is_true(result ~= nil or errors.is(err))
    end)
  end)

  it("any description of an image", function()
    campaign(GOOD.image, function(engine)
      local plugin = plugin_of(engine, {})
      fails_well(find_image.look_up(plugin))
      plugin.config.sha256 = nil
      if fails_well(find_image.look_up(plugin)) then table.concat(diagnosis.lines(diagnosis.of(plugin))) end
    end)
  end)

  it("any account of itself", function()
    campaign(GOOD.info, function(engine)
      local told = function() end
      local info = fails_well(engine:info())
      if not info then return end
      engine_checks.run { engine = engine, info = info, description = assert(engine:describe()), ok = told, warn = told,
        problem = told }
      fails_well(engine:check_runtime "x")
    end)
  end)

  it("any range of versions", function()
    for _, text in ipairs(mutations(GOOD.version)) do
      headers, status, body = { ["api-version"] = "1.99" }, 200, text
      local value, err = docker.connect(WHERE)
      assert.is_nil(value)
      assert.are.equal("API_VERSION", err.code)
    end
  end)

  it("any events", function()
    campaign(GOOD.event, function(engine)
      local followed = deaths.new(engine, {})
      fails_well(engine:events({ labels = {}, kinds = { "die" } }, { on_open = function() end,
        on_event = function(event) followed:take(event) end }))
      for id, entry in pairs(followed.known) do
        assert.are.equal(64, #id)
        if entry.death then exit.describe(exit.from_death(entry.death, false)) end
      end
    end)
  end)

  it("any progress of a pull", function()
    campaign(GOOD.pull, function(engine)
      local shown = pull_progress.new("", function() end)
      fails_well(pull.run(engine, "kv:latest", { environment = {}, on_message = function(message)
        pull_progress.line(message)
        shown:feed(message)
      end }))
    end)
  end)

  it("any refusal", function()
    campaign(GOOD.refusal, function(engine)
      for _, act in ipairs { "start", "remove", "kill", "image", "stats", "sees_folder" } do
        local value, err = engine[act](engine, ID, act == "kill" and "TERM" or nil)
        if act ~= "sees_folder" then fails_well(value, err) end
      end
      local _, err = engine:attach(ID, { on_output = function() end, on_end = function() end })
      assert.is_true(err == nil or errors.is(err))
    end)
  end)

  it("nothing that fits names what was asked and the part", function()
    local engine = assert(docker.connect(WHERE))
    body = '{"Id":"../../victim"}'
    local _, err = engine:create("gantry-kv", {})
    assert.are.equal("ENGINE_ANSWER", err.code)
    assert.is_truthy(err.message:find("create container gantry-kv: ", 1, true))
    assert.is_truthy(err.message:find("it.Id must be an id of 64 hex digits", 1, true))
    assert.is_function(answers.types.created.read)
  end)
end)
