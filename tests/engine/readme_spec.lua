-- SPDX-License-Identifier: Apache-2.0
--
--- README.md keeps its word: its files are written and its commands run, in its order, in one folder, without a daemon
--- and with OpenTofu, and print what it shows. What differs from run to run counts as the same: ids, times, versions,
--- the width of columns. A `…` stands for anything, on a line of its own for any lines.

local LABEL = require("gantry.engine.container").LABEL
local binaries = require "gantry.place.binaries"
local engines = require "gantry.engine"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

-- What blocks of `sh` say is not run here, but there: a word of the block, the test, and what shows it in the test.
local ELSEWHERE <const> = {
  { "scripts/quickstart", "tests/embed/examples_spec.lua", "put_get" }, -- what quickstart runs once all is built
  { "scripts/test", "tests/CMakeLists.txt", "add_test" }, -- it runs this
  { "cmake --install", "tests/install/run.sh", "cmake --install" },
}

-- A configuration of OpenTofu's, which the README has of its reader.
local CONFIGURATION <const> = [[
terraform {
  required_providers {
    local = { source = "hashicorp/local", version = "1.4.0" }
  }
}
resource "local_file" "hello" {
  filename = "hello.txt"
  content  = "hello"
}
]]

-- A policy with two mistakes.
local BROKEN <const> = 'return {\n  image = "kv",\n  memmory = "64MiB",\n  sha256 = "9f2c",\n}\n'

local README <const> = support.read(support.source .. "/README.md")

---@class readme.Block
---@field kind string what stands behind the fence
---@field text string
---@field line integer

---@return readme.Block[]
local function blocks()
  local list = {}
  for at, kind, text in README:gmatch "\n()```(%l*)\n(.-)\n```" do
    list[#list + 1] = { kind = kind, text = text .. "\n", line = select(2, README:sub(1, at - 1):gsub("\n", "")) + 1 }
  end
  return list
end

---Commands of a transcript, each with what it prints.
---@param text string
---@return { command: string, output: string }[]
local function commands_of(text)
  local list = {}
  for line in text:gmatch "([^\n]*\n)" do
    local command = line:match "^%$ (.*)\n"
    if command then
      list[#list + 1] = { command = command:gsub("%s+#.*$", ""), output = "" }
    else
      list[#list].output = list[#list].output .. line
    end
  end
  return list
end

---@param text string
---@return string text without what differs from run to run
local function normal(text)
  text = text:gsub("plugin%d+", "pluginN"):gsub("%f[%x]%x+", function(digits) return #digits >= 10 and "ID" or nil end)
  text = text:gsub("%f[%d][%d.]+ ?m?s%f[^%w]", "N s"):gsub('("ready_ms":)%d+', "%1N"):gsub("%d%d:%d%d:%d%d", "TIME")
  text = text:gsub("(go=go)[%d.]+", "%1N"):gsub("(go_plugin=v)[%d.]+", "%1N")
  text = text:gsub("on %S+ %(API [%d.]+", "on ENGINE (API N"):gsub("%f[ ]  +", "  "):gsub(" +\n", "\n")
  return (text:gsub("(ready  N s)  %S+  %S+  %S+", "%1  CPU  MEMORY  PIDS"))
end

---@param shown string of the README
---@return string pattern
local function pattern_of(shown)
  local pattern = normal(shown):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
  pattern = ("\n" .. pattern):gsub("\n *…%f[\n]", "\n\1"):gsub("\1\n", "\1"):gsub("\1", ".-"):gsub("…", "[^\n]-")
  return (pattern:gsub("^\n", ""))
end

---@param shown string
---@param printed string
---@param command string
local function assert_same(shown, printed, command)
  local found = normal(printed):find("^" .. pattern_of(shown) .. "$")
  assert(found, ("$ %s\nthe README shows\n%s\nit printed\n%s"):format(command, shown, printed))
end

describe("README.md", function()
  local root, work, runtime_dir

  local function prepare_opentofu()
    local machine <close> = assert(io.popen "go env GOARCH 2>/dev/null || echo amd64")
    local folder, system = root .. "/mirror/registry.opentofu.org/hashicorp/local", "linux_" .. machine:read "l"
    -- Packed, as in a registry: OpenTofu puts it below .terraform.
    assert(os.execute(([[set -e; mkdir -p %s; cd %s; cp %s terraform-provider-local_v1.4.0
      cmake -E tar cf terraform-provider-local_1.4.0_%s.zip --format=zip terraform-provider-local_v1.4.0
      rm terraform-provider-local_v1.4.0]]):format(folder, folder, hosts.find "provider-local", system)))
    support.write(root .. "/tofu.rc",
      ('provider_installation {\n  filesystem_mirror {\n    path = "%s/mirror"\n  }\n}\n'):format(root))
    support.write(work .. "/main.tf", CONFIGURATION)
  end

  setup(function()
    root = support.temporary()
    work, runtime_dir = root .. "/work", root .. "/run"
    local newest <close> = assert(io.popen("ls " .. hosts.folder .. "/../kv/kv-* | grep -v made-of | sort -V"))
    local plugin
    for path in newest:lines() do plugin = path end
    assert(os.execute(([[set -e; umask 077; mkdir -p %s/run %s/plugins %s/bin; cp %s %s/plugins/kv
      ln -s %s/policies %s/policies; ln -s "$(realpath %s)" %s/bin/gantry]]):format(root, work, root, plugin, work,
      support.source, work, support.executable, root)))
    support.write(work .. "/broken.lua", BROKEN)
    if hosts.find "tofu" then prepare_opentofu() end
  end)

  teardown(function()
    task.run(function()
      local engine <close> = assert(engines.connect { url = "oci:" })
      support.eventually("no container", function()
        for _, one in ipairs(assert(engine:list { [LABEL.directory] = true })) do
          if one.labels[LABEL.directory]:sub(1, #runtime_dir + 1) == runtime_dir .. "/" then return false end
        end
        return true
      end)
      local state = root .. "/state"
      assert(os.execute("rm -r " .. work)) -- binaries without a policy: gc removes their images
      support.run({ "gc", "--engine", "oci:" }, { runtime_dir = runtime_dir,
        environment = { "GANTRY_STATE_DIR=" .. state } })
      assert.are.same({}, binaries.images(engine.endpoint.name, { GANTRY_STATE_DIR = state }))
    end)
    support.remove(root)
  end)

  ---@param command string
  ---@return support.Command
  local function start(command)
    return support.command({ "-c", "exec 2>&1; " .. command }, { executable = "/bin/bash", directory = work,
      runtime_dir = runtime_dir, environment = {
        ("PATH=%s/bin:%s:%s"):format(root, hosts.folder, os.getenv "PATH"), "HOME=" .. root, "GANTRY_ENGINE=oci:",
        "GANTRY_STATE_DIR=" .. root .. "/state", "TF_CLI_CONFIG_FILE=" .. root .. "/tofu.rc", "CHECKPOINT_DISABLE=1",
        "TF_CLI_ARGS=-no-color", ("LUA_PATH=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(support.source, support.source),
        "LUA_CPATH=" .. support.executable:match "^(.*)/" .. "/lib/?.so;;" } })
  end

  ---Waits until a command that goes on has printed what is shown.
  local function await(command, shown, line)
    local pattern = "^" .. pattern_of(shown)
    local same = task.deadline(30, function()
      while not normal(command.stdout):find(pattern) do
        if command.exit then return false end
        command.changed:wait()
      end
      return true
    end)
    if not same then command:kill "INT" end
    assert(same, ("$ %s\nthe README shows\n%s\nit printed\n%s"):format(line, shown, command.stdout))
  end

  ---@param one { command: string, output: string }
  ---@return support.Command? background
  local function run(one)
    local line, in_background = one.command:gsub(" &$", "")
    local before, after = one.output:match "^(.-)%^C(.*)$"
    local command = start((in_background > 0 or before) and "exec " .. line or line)
    if in_background > 0 then
      await(command, one.output, line)
      return command
    elseif before then
      await(command, before, line)
      command:kill "INT"
    end
    command:wait()
    assert_same(before and before .. after or one.output, command.stdout, one.command)
  end

  ---@param block readme.Block
  local function transcript(block)
    task.run(function()
      local background = {}
      local ok, wrong = pcall(function()
        for _, one in ipairs(commands_of(block.text)) do background[#background + 1] = run(one) end
      end)
      for _, command in ipairs(background) do
        if not ok and not command.exit then start("gantry down"):wait() end
        command:wait()
      end
      assert(ok, wrong)
    end)
  end

  ---A file, where the first line names one; else a program. A pin is written out.
  ---@param block readme.Block
  local function lua(block)
    local name = block.text:match "^%-%- (%S+%.lua)"
    local sum <close> = assert(io.popen(("sha256sum %s/plugins/kv"):format(work)))
    local text = block.text:gsub('"%x+…"', ("%q"):format(sum:read "a":match "%x+"))
    support.write(work .. "/" .. (name or "program.lua"), text)
    if name then return end
    task.run(function()
      local command = start "exec lua5.4 program.lua"
      assert.are.equal(0, command:wait().code, command.stdout)
    end)
  end

  ---@param block readme.Block
  local function elsewhere(block)
    for line in block.text:gmatch "[^\n]+" do
      local found
      for _, one in ipairs(ELSEWHERE) do
        if line:find(one[1], 1, true) then
          found = support.read(support.source .. "/" .. one[2]):find(one[3], 1, true)
        end
      end
      assert(found, "no test runs: " .. line)
    end
  end

  for _, block in ipairs(blocks()) do
    it(("line %d: %s"):format(block.line, block.text:match "[^\n]*"), function()
      if block.kind == "lua" then return lua(block) end
      if block.kind == "sh" then return elsewhere(block) end
      assert.are.equal("", block.kind, "a block that is neither a transcript nor Lua nor for a shell")
      if block.text:find("\n?%$ tofu ") and not hosts.find "tofu" then
        return pending "tofu was not built: it needs a newer Go"
      end
      transcript(block)
    end)
  end

  it("has a first hour, and blocks of each kind", function()
    local count = {}
    for _, block in ipairs(blocks()) do count[block.kind] = (count[block.kind] or 0) + 1 end
    assert.is_truthy(count.lua >= 2 and count.sh >= 2 and count[""] >= 4)
    assert.is_truthy(README:find("$ gantry wrap --opentofu", 1, true))
    local _, fences = ("\n" .. README):gsub("\n%s*```", "")
    assert.are.equal(2 * #blocks(), fences) -- none is overlooked
  end)
end)
