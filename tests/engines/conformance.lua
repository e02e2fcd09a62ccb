-- SPDX-License-Identifier: Apache-2.0
--
--- conformance.lua: what gantry.engine.interface says, held against an engine's client: each method with its success
--- and with the codes of its failures. For every engine the same; where they may differ the interface says so, and what
--- an engine cannot do is skipped by what it showed.

local assert = require "luassert"
local binary_image = require "gantry.engine.binary_image"
local container = require "gantry.engine.container"
local core = require "gantry.core"
local interface = require "gantry.engine.interface"
local plugin_binary = require "gantry.plugin.binary"
local seen = require "engines.seen"
local support = require "engine.support"
local task = require "gantry.task"

local conformance = {}

-- Seconds for what an engine does on a busy machine.
local PATIENCE <const> = 60
local UNKNOWN <const> = ("0123456789abcdef"):rep(4)
local ABSENT_IMAGE <const> = "gantry-no-such-image:latest"
local LABEL <const> = "gantry.conformance"

---@class conformance.Subject
---@field engine gantry.EngineClient
---@field image string with the test plugin kv, which the engine has
---@field runtime string? the engine's default where nil
---@field binary string? path of a static program to be loaded as an image
---@field skip fun(reason: string): any ends a case, by what it returns, for a reason that was seen
---@field mark string a label's value, of this case alone
---@field made string[] ids of containers that its end removes
---@field images string[] references, likewise
---@field folder string of this machine

---What fails as it should.
---@param code string
---@param value any
---@param err gantry.Error?
local function fails(code, value, err)
  assert.is_nil(value)
  assert.are.equal(code, err and err.code, tostring(err))
end

---A container's spec as a policy that says little gives it.
---@param self conformance.Subject
---@param args string[] of kv
---@param changes table? fields of the spec
---@return gantry.ContainerSpec
local function spec_of(self, args, changes)
  local spec = container.spec({ args = args, disable_network = true, runtime = self.runtime }, { image = self.image,
    directory = self.folder, groups = {}, environment = { "GREETING=two words = 1" },
    labels = { [LABEL] = self.mark } })
  if not self.engine.capabilities.pids then spec.pids_limit = nil end
  for name, value in pairs(changes or {}) do spec[name] = value end
  return spec
end

---Why the engine refuses to limit memory.
---@param self conformance.Subject
---@return string? reason nil where it does not refuse
local function without_limits(self)
  local request, err = self.engine:request(spec_of(self, {}, { memory = 64 << 20 }))
  assert(request or err.code == "LIMIT_NOT_DELEGATED", err)
  return err and err.message
end

---Makes a container that the case's end removes.
---@param self conformance.Subject
---@param args string[]
---@param changes table?
---@return string id, string name
local function create(self, args, changes)
  local name = "gantry-conformance-" .. core.system.random(5)
  local request = assert(self.engine:request(spec_of(self, args, changes)))
  local created = assert(self.engine:create(name, request))
  assert.is_table(created.warnings)
  self.made[#self.made + 1] = created.id
  return created.id, name
end

---Attaches to a container, from before its start.
---@param self conformance.Subject
---@param id string
---@return { stdout: string, stderr: string, engine: string, ended: gantry.Event } heard
---@return gantry.OutputStream stream
local function attach(self, id)
  local heard = { stdout = "", stderr = "", engine = "", ended = task.event(), ends = 0 }
  local stream = assert(self.engine:attach(id, {
    on_output = function(name, bytes) heard[name] = heard[name] .. bytes end,
    on_end = function(err)
      heard.ends = heard.ends + 1
      heard.ended:set(err or true)
    end }))
  return heard, stream
end

---@param self conformance.Subject
---@param id string
---@return gantry.ContainerState
local function ended_state(self, id)
  return support.eventually("the end of the container", function()
    local state = assert(self.engine:inspect(id)).state
    return not state.running and state
  end)
end

---@type { name: string, run: fun(self: conformance.Subject): any }[]
local CASES = {}

---@param name string
---@param run fun(self: conformance.Subject): any
local function case(name, run) CASES[#CASES + 1] = { name = name, run = run } end

-- ---- the engine itself ----

case("has every method and field", function(self)
  for _, name in ipairs(interface.methods) do assert.is_function(self.engine[name], name) end
  assert.is_string(self.engine.kind)
  assert.is_string(self.engine.endpoint.name)
  assert.is_table(self.engine.swept)
  for _, name in ipairs { "runtimes", "init", "recursively_read_only" } do
    assert.is_boolean(self.engine.capabilities[name], name)
  end
end)

case("says what it is", function(self)
  local info = assert(self.engine:info())
  assert.are.equal(self.engine.kind, info.kind)
  assert.are.equal(info, self.engine.known_info)
  for _, name in ipairs { "rootless", "selinux", "apparmor" } do assert.is_boolean(info[name], name) end
  assert.is_table(info.runtimes)
  assert.is_true(info.cgroup_version == 1 or info.cgroup_version == 2)
  local about = assert(self.engine:describe())
  assert.are.same({ info.kind, info.version, info.rootless, info.remapped ~= nil },
    { about.kind, about.version, about.rootless, about.remapped })
  for name in pairs(info.runtimes) do assert.is_true(about.runtimes[name]) end
end)

case("knows its runtimes", function(self)
  assert.is_true(self.engine:check_runtime())
  assert.is_true(self.engine:check_runtime(assert(self.engine:info()).default_runtime))
  local ok, err = self.engine:check_runtime "no-such-runtime"
  if self.engine.capabilities.runtimes then return fails("RUNTIME_UNKNOWN", ok, err) end
  fails("ENGINE_UNSUPPORTED", self.engine:request(spec_of(self, {}, { runtime = "no-such-runtime" })))
end)

-- ---- images ----

case("describes an image", function(self)
  local image = assert(self.engine:image(self.image))
  assert.matches("^sha256:%x+$", image.id)
  assert.are.equal(71, #image.id)
  assert.is_table(image.digests)
  assert.is_true(#(image.entrypoint or {}) + #(image.command or {}) > 0)
  assert.are.equal(image.id, assert(self.engine:image(image.id)).id)
  fails("IMAGE_NOT_FOUND", self.engine:image(ABSENT_IMAGE))
end)

case("lists images", function(self)
  local id, found = assert(self.engine:image(self.image)).id, false
  for _, one in ipairs(assert(self.engine:images())) do
    assert.is_table(one.references)
    assert.is_table(one.digests)
    found = found or one.id == id
  end
  assert.is_true(found)
end)

case("takes an image and gives it up", function(self)
  if not self.binary then return self.skip "no program was given for it" end
  local program <close> = assert(plugin_binary.open({ binary = self.binary }, {}))
  local reference = binary_image.reference(program.sha256)
  self.images[#self.images + 1] = reference
  assert.is_true(self.engine:load_binary(program))
  local image = assert(self.engine:image(reference))
  assert.is_true(binary_image.holds(image, program))
  assert.are.same({ binary_image.PROGRAM }, image.entrypoint)
  local id = create(self, {}, { image = reference })
  assert.are.equal(1, #assert(self.engine:list({ [LABEL] = self.mark }, image.id)))
  assert.is_true(self.engine:remove(id))
  assert.is_true(self.engine:remove_image(reference))
  assert.is_false(self.engine:remove_image(reference))
  fails("IMAGE_NOT_FOUND", self.engine:image(reference))
end)

case("does not pull what no registry has", function(self)
  local ok, err = self.engine:pull("127.0.0.1:9/none:latest", { environment = {} })
  assert.is_nil(ok)
  assert.is_true(err.code == "REGISTRY_FAILED" or err.code == "IMAGE_NOT_FOUND", tostring(err))
end)

-- ---- a container, before it runs ----

case("makes a container as it was asked for", function(self)
  local id, name = create(self, {}, { mounts = { { kind = "bind", source = self.folder, target = "/data",
    read_only = true } }, tmpfs = { ["/scratch"] = "size=1m" }, stop_signal = "SIGINT" })
  assert.matches("^" .. ("%x"):rep(64) .. "$", id)
  for _, by in ipairs { id, name } do
    local found = assert(self.engine:inspect(by))
    assert.are.same({ id, name, self.image, assert(self.engine:image(self.image)).id, self.mark },
      { found.id, found.name, (found.image:gsub("^localhost/", ""):gsub("^docker%.io/library/", "")),
        found.image_id, found.labels[LABEL] })
    assert.is_true(found.stop_signal == "SIGINT" or found.stop_signal == "2")
    assert.is_true(table.concat(found.env, "\n"):find("GREETING=two words = 1", 1, true) ~= nil)
    assert.is_truthy(found.tmpfs["/scratch"])
    local mounted
    for _, mount in ipairs(found.mounts) do mounted = mount.target == "/data" and mount or mounted end
    assert.are.same({ "bind", self.folder }, { mounted.kind, mounted.source })
    assert.are.same({ false, false }, { found.state.running, found.state.paused })
    assert.are.equal("created", found.state.status)
  end
end)

case("lists containers by their labels", function(self)
  local id, name = create(self, {})
  for _, labels in ipairs { { [LABEL] = self.mark }, { [LABEL] = true } } do
    local mine
    for _, one in ipairs(assert(self.engine:list(labels))) do mine = one.id == id and one or mine end
    assert.are.same({ name, self.mark, "created" }, { mine.name, mine.labels[LABEL], mine.status })
  end
  assert.are.same({}, assert(self.engine:list { [LABEL] = "of somebody else" }))
  assert.are.same({}, assert(self.engine:list { [LABEL] = self.mark, ["gantry.no.such.label"] = true }))
  assert.are.equal(1, #assert(self.engine:list({ [LABEL] = self.mark }, assert(self.engine:image(self.image)).id)))
end)

case("refuses what cannot be made", function(self)
  local _, name = create(self, {})
  local request = assert(self.engine:request(spec_of(self, {})))
  fails("CONFLICT", self.engine:create(name, request))
  local absent = assert(self.engine:request(spec_of(self, {}, { image = ABSENT_IMAGE })))
  fails("IMAGE_NOT_FOUND", self.engine:create(name .. "-absent", absent))
  fails("SECCOMP_UNREADABLE", self.engine:request(spec_of(self, {}, { seccomp = self.folder .. "/none" })))
  local missing, err = self.engine:request(spec_of(self, {}, { mounts = { { kind = "bind",
    source = self.folder .. "/none", target = "/data", read_only = false } } }))
  if not missing then return assert.are.equal("MOUNT_SOURCE_MISSING", err.code) and nil end
  fails("ENGINE_REFUSED", self.engine:create(name .. "-missing", missing))
end)

case("says how to start a container by hand", function(self)
  local line = self.engine:command(spec_of(self, { "-exit-now", "3" }, { env = { "A=1", "HIDDEN" } }),
    { directory = self.folder })
  if not line then return self.skip "it has no such line" end
  for _, part in ipairs { "-exit-now", self.folder, "A=1", "HIDDEN" } do
    assert.is_truthy(line:find(part, 1, true), line)
  end
end)

case("sees this machine's folders", function(self)
  local sees = self.engine:sees_folder(self.folder)
  if sees == nil then return self.skip "it cannot be told" end
  assert.is_true(sees)
  local none, err = self.engine:sees_folder(self.folder .. "/none")
  assert.is_false(none)
  assert.is_truthy(err)
end)

-- ---- its life ----

case("brings both streams and the code of a container that is attached to before its start", function(self)
  local id = create(self, { "-junk", "to stdout", "-say", "to stderr", "-exit-now", "7" })
  local heard = attach(self, id)
  assert.is_true(self.engine:start(id))
  assert.are.same({ exit_code = 7 }, assert(self.engine:wait(id)))
  assert.are.equal(true, task.deadline(PATIENCE, heard.ended.wait, heard.ended))
  assert.are.same({ "to stdout\n", "to stderr\n", 1 }, { heard.stdout, heard.stderr, heard.ends })
  local state = ended_state(self, id)
  assert.are.same({ "exited", false, 7 }, { state.status, state.running, state.exit_code })
  assert.matches("^%d%d%d%d%-%d%d%-%d%dT", state.started_at)
  assert.matches("^%d%d%d%d%-%d%d%-%d%dT", state.finished_at)
  assert.are.same({ exit_code = 7 }, assert(self.engine:wait(id)))
end)

case("starts what runs without a word, and what has ended once more", function(self)
  local id = create(self, { "-handshake", "stays", "-exit-after", "2s", "-exit-code", "4" })
  assert.is_true(self.engine:start(id))
  local first = assert(self.engine:inspect(id)).state
  assert.are.same({ "running", true }, { first.status, first.running })
  assert.is_true(first.pid > 0)
  assert.is_true(self.engine:start(id))
  assert.are.equal(first.started_at, assert(self.engine:inspect(id)).state.started_at)
  assert.are.equal(4, assert(self.engine:wait(id)).exit_code)
  ended_state(self, id)
  local ok, err = self.engine:start(id)
  if not ok then
    assert.are.equal("CONFLICT", err.code)
    return self.skip "a container of it runs once"
  end
  assert.are.equal(4, assert(self.engine:wait(id)).exit_code)
  assert.are_not.equal(first.started_at, ended_state(self, id).started_at)
end)

case("tells a program that is not there", function(self)
  local id = create(self, {}, { entrypoint = { "/no/such/program" }, init = false })
  local stream, unattached = self.engine:attach(id, { on_output = function() end, on_end = function() end })
  if not stream then return assert.are.equal("START_FAILED", unattached.code) and nil end
  local ok, err = self.engine:start(id)
  if ok then return assert.are_not.equal(0, assert(self.engine:wait(id)).exit_code) and nil end
  assert.is_true(interface.answered(err), tostring(err))
  assert.is_false(ended_state(self, id).running)
end)

case("kills what runs, and says where nothing did", function(self)
  local id = create(self, { "-handshake", "stays" })
  assert.is_false(self.engine:kill(id, "KILL"))
  assert.is_true(self.engine:start(id))
  assert.is_true(self.engine:kill(id, "KILL"))
  assert.are.equal(137, assert(self.engine:wait(id)).exit_code)
  ended_state(self, id)
  assert.is_false(self.engine:kill(id, "KILL"))
  assert.is_false(self.engine:kill(UNKNOWN, "KILL"))
end)

case("sends the signal that was asked for", function(self)
  local id = create(self, { "-handshake", "stays" }, { init = self.engine.capabilities.init or nil })
  local heard = attach(self, id)
  assert.is_true(self.engine:start(id))
  support.eventually("the first line", function() return heard.stdout == "stays\n" end)
  assert.is_true(self.engine:kill(id, "QUIT")) -- Go dies of it with all its stacks
  assert.are.equal(2, assert(self.engine:wait(id)).exit_code)
  local ok, err = self.engine:kill(id, "NO-SUCH-SIGNAL")
  assert.is_true(ok == false or ok == nil and interface.answered(err), tostring(err))
end)

case("removes for good, also what runs", function(self)
  local id, name = create(self, { "-handshake", "stays" })
  local heard = attach(self, id)
  assert.is_true(self.engine:start(id))
  assert.is_true(self.engine:remove(id))
  assert.is_truthy(task.deadline(PATIENCE, heard.ended.wait, heard.ended))
  assert.is_false(self.engine:remove(id))
  fails("NOT_FOUND", self.engine:inspect(id))
  fails("NOT_FOUND", self.engine:inspect(name))
  assert.are.same({}, assert(self.engine:list { [LABEL] = self.mark }))
  local by_name, other = create(self, {})
  assert.is_true(self.engine:remove(other))
  fails("NOT_FOUND", self.engine:inspect(by_name))
end)

case("knows no container that is not there", function(self)
  for _, method in ipairs { "start", "wait", "inspect", "stats" } do
    fails("NOT_FOUND", self.engine[method](self.engine, UNKNOWN))
  end
  fails("NOT_FOUND", self.engine:attach(UNKNOWN, { on_output = function() end, on_end = function() end }))
  fails("NOT_FOUND", self.engine:read_file(UNKNOWN, "/kv"))
  fails("NOT_FOUND", self.engine:read_head(UNKNOWN, "/kv", 16))
  assert.is_false(self.engine:remove(UNKNOWN))
end)

-- ---- output ----

local FLOOD <const> = 3000000

case("holds output back at its source, and loses none of it", function(self)
  local id = create(self, { "-flood-before", "-flood-stdout", tostring(FLOOD), "-flood-stderr", "100000",
    "-exit-after-flood" })
  local heard, stream = attach(self, id)
  stream:pause()
  assert.is_true(self.engine:start(id))
  task.sleep(0.5)
  assert.is_true(#heard.stdout < FLOOD)
  stream:resume()
  assert.are.equal(true, task.deadline(PATIENCE, heard.ended.wait, heard.ended))
  assert.are.same({ FLOOD, 100000 }, { #heard.stdout, #heard.stderr })
end)

case("is let go of without a word, and the container runs on", function(self)
  local id = create(self, { "-handshake", "stays" })
  local heard, stream = attach(self, id)
  assert.is_true(self.engine:start(id))
  support.eventually("the first line", function() return heard.stdout == "stays\n" end)
  stream:cancel()
  stream:cancel()
  task.sleep(0.1)
  assert.are.equal(0, heard.ends)
  assert.is_true(assert(self.engine:inspect(id)).state.running)
  local again = attach(self, id)
  assert.is_true(self.engine:kill(id, "KILL"))
  assert.is_truthy(task.deadline(PATIENCE, again.ended.wait, again.ended))
end)

case("hands output and end over to another process", function(self)
  local id = create(self, { "-handshake", "stays", "-exit-after", "500ms", "-exit-code", "5" })
  local output, err = self.engine:hand_over_output(id)
  if not output and err.code == "ENGINE_UNSUPPORTED" then return self.skip(err.message) end
  assert.are.equal("integer", math.type(assert(output, err)))
  assert.is_true(self.engine:start(id))
  local exit, unhanded, result = self.engine:hand_over_exit(id)
  assert.is_true(exit ~= nil or result ~= nil and result.exit_code == 5, tostring(unhanded))
  for _, descriptor in ipairs { output, exit } do core.system.close(descriptor) end
  assert.are.equal(5, assert(self.engine:wait(id)).exit_code)
end)

case("hands over the input of a container that has one", function(self)
  local gate = assert(core.system.own_program "gantry-gate")
  local mount = { kind = "bind", source = gate, target = "/dev/gantry-gate", read_only = true, own = true }
  local changes = { entrypoint = { "/dev/gantry-gate", "--", "/kv" }, open_input = true }
  local spec = spec_of(self, {}, changes)
  changes.mounts = table.move(spec.mounts, 1, #spec.mounts, 2, { mount })
  local request, unmade = self.engine:request(spec_of(self, {}, changes))
  if not request and unmade.code == "ENGINE_UNSUPPORTED" then return self.skip(unmade.message) end
  local id = create(self, {}, changes)
  assert.is_true(self.engine:start(id))
  local input = assert(self.engine:hand_over_input(id))
  local asks = assert(core.gate.request { arguments = { "-exit-now", "9" }, environment = {
    "GANTRY_KV_COOKIE=6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" } })
  assert.are.equal(#asks, core.system.write(input, asks))
  assert.are.equal(9, assert(self.engine:wait(id)).exit_code)
  core.system.close(input)
end)

-- ---- what happens, and what is used ----

case("tells of a start and of a death, by labels", function(self)
  local told, opened = {}, task.event()
  local scope <close> = task.scope()
  scope:spawn(function()
    self.engine:events({ labels = { [LABEL] = self.mark }, kinds = { "start", "die" } }, {
      on_open = function() opened:set(true) end, on_event = function(event) told[#told + 1] = event end })
  end)
  assert.is_truthy(task.deadline(PATIENCE, opened.wait, opened))
  local other = create(self, { "-exit-now", "1" }, { labels = { [LABEL] = "another of " .. self.mark } })
  assert.is_true(self.engine:start(other))
  assert(self.engine:wait(other))
  local id = create(self, { "-handshake", "stays", "-exit-after", "300ms", "-exit-code", "7" })
  assert.is_true(self.engine:start(id))
  support.eventually("the death", function() return told[2] end)
  for i, expected in ipairs { { "start", id }, { "die", id, 7 } } do
    assert.are.same(expected, { told[i].kind, told[i].id, told[i].exit_code })
    assert.is_true(math.abs(told[i].at - os.time()) < 3600)
  end
  assert.is_true(told[2].at > told[1].at)
  scope:cancel()
end)

case("tells of memory that ran out", function(self)
  local info = assert(self.engine:info())
  if info.cgroup_driver == "none" then return self.skip "it has no cgroups" end
  local reason = without_limits(self)
  if reason then return self.skip(reason) end
  for _ = 1, 4 do -- on a busy machine, dockerd loses the news of some of them
    local id = create(self, { "-handshake", "stays", "-allocate", tostring(256 << 20), "-allocate-after", "500ms",
      "-exit-after", "8s" }, { memory = 64 << 20, memory_swap = 64 << 20 })
    assert.is_true(self.engine:start(id))
    local code = assert(self.engine:wait(id)).exit_code
    if code == 0 and info.rootless then return self.skip "it ignores limits" end
    assert.are.equal(137, code)
    if support.eventually("its end", function()
      local state = assert(self.engine:inspect(id)).state
      return not state.running and state
    end).out_of_memory then return end
  end
  return self.skip "it says nothing of what was killed for memory, four times of four"
end)

case("tells what a container uses", function(self)
  local info, reason = assert(self.engine:info()), without_limits(self)
  if info.cgroup_driver == "none" then return self.skip "it has no cgroups" end
  if reason then return self.skip(reason) end
  local id = create(self, { "-handshake", "stays" }, { memory = 256 << 20, memory_swap = 256 << 20 })
  assert.is_true(self.engine:start(id))
  local told = assert(self.engine:stats(id))
  if self.runtime == nil and not info.rootless then
    assert.are.equal(256 << 20, told.memory_limit_bytes)
    assert.is_true(told.memory_bytes > 0 and told.memory_bytes < 256 << 20)
    assert.is_true(told.cpu_seconds >= 0)
  end
end)

case("reads files of a container that never ran", function(self)
  local id = create(self, {})
  local program = assert(self.engine:image(self.image)).entrypoint[1]
  local head = assert(self.engine:read_head(id, program, 4096))
  assert.are.same({ "file", "\127ELF", 4096 }, { head.kind, head.bytes:sub(1, 4), #head.bytes })
  assert.are_not.equal(0, head.mode & tonumber("111", 8))
  assert.are.equal("folder", assert(self.engine:read_head(id, "/", 16)).kind)
  local whole = assert(self.engine:read_file(id, program))
  -- Also where an engine's answer comes in pieces that end just behind so many bytes.
  for _, most in ipairs { 1, 4096, 32700, 65500 } do
    assert.is_true(whole:sub(1, most) == assert(self.engine:read_head(id, program, most)).bytes, most)
  end
  fails("NOT_FOUND", self.engine:read_head(id, "/nowhere", 4096))
  fails("NOT_FOUND", self.engine:read_file(id, "/nowhere"))
end)

case("gives a process no rights", function(self)
  local id = create(self, { "-handshake", "stays" }, { init = false })
  local heard = attach(self, id)
  assert.is_true(self.engine:start(id))
  support.eventually("the first line", function() return heard.stdout == "stays\n" end) -- it is the plugin's by then
  local pid = assert(self.engine:inspect(id)).state.pid
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  if not file then return self.skip "its process is not this machine's to look at" end
  if seen.is_sandbox(pid) then return self.skip "its process is gVisor's: the rights of what runs in it are others" end
  local status = file:read "a"
  assert.matches("\nNoNewPrivs:\t1\n", status)
  for _, set in ipairs { "CapPrm", "CapEff", "CapBnd" } do assert.matches("\n" .. set .. ":\t0+\n", status) end
end)

-- ---- together ----

---Makes a test of each case.
---@param test fun(name: string, run: fun(): any) such as busted's `it`
---@param subject conformance.Subject but for what is of one case
function conformance.cases(test, subject)
  for _, one in ipairs(CASES) do
    test(one.name, function()
      local self = setmetatable({ mark = core.system.random(8), made = {}, images = {}, skip = subject.skip,
        folder = "/tmp/gantry-conformance-" .. core.system.random(6) }, { __index = subject })
      assert(core.files.make_directory(self.folder, tonumber("755", 8)))
      local result
      task.run(function()
        local _ <close> = setmetatable({}, { __close = function()
          task.shield(function()
            for _, id in ipairs(self.made) do self.engine:remove(id) end
            for _, reference in ipairs(self.images) do self.engine:remove_image(reference) end
          end)
          os.remove(self.folder)
        end })
        result = one.run(self)
      end)
      return result
    end)
  end
end

return conformance
