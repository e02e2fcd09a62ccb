-- SPDX-License-Identifier: Apache-2.0
--
--- TFLint with a ruleset in a container. Rulesets ask their host for every file and every value, over the broker.

local host_record = require "engine.host_record"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local CONFIGURATION <const> = [[
variable "unused" {
  type = string
}
variable "used" {}
output "shown" {
  value = "${var.used}"
}
]]

local FOUND <const> = {
  'main.tf:1:1: Warning - variable "unused" is declared but not used (terraform_unused_declarations)',
  "main.tf:4:1: Warning - `used` variable has no type (terraform_typed_variables)",
  "main.tf:6:11: Warning - Interpolation-only expressions are deprecated in Terraform v0.12.14 "
    .. "(terraform_deprecated_interpolation)",
}

describe("TFLint", function()
  local root, runtime_dir, policy

  before_each(function()
    root = support.temporary()
    local plugins = root .. "/.tflint.d/plugins"
    runtime_dir, policy = root .. "/run", plugins .. "/tflint-ruleset-terraform"
    assert(os.execute(("mkdir -m 700 %s %s/work %s/tmp && mkdir -p %s"):format(runtime_dir, root, root, plugins)))
    support.write(root .. "/work/main.tf", CONFIGURATION)
    support.write(root .. "/work/.tflint.hcl", 'plugin "terraform" {\n  enabled = true\n}\n')
  end)

  after_each(function()
    task.run(function() hosts.assert_nothing_left(policy, runtime_dir) end)
    support.remove(root)
  end)

  local function use(fields)
    support.write(policy, ('#!%s exec\nreturn require("gantry").extend(require "baseline", {\n%s\n})\n'):format(
      support.executable, 'image = "gantry-test-tflint-ruleset",' .. fields))
    assert(os.execute("chmod 755 " .. policy))
  end

  ---@param executable string
  local function lint(executable, arguments, temporary)
    return support.run(arguments, { executable = executable, runtime_dir = runtime_dir, directory = root .. "/work",
      environment = { "HOME=" .. root, "TMPDIR=" .. (temporary or ""), "TFLINT_LOG=debug",
        "TFLINT_DISABLE_VERSION_CHECK=1" } })
  end

  local function it_if_built(what, fn)
    it(what, function()
      if not hosts.find("tflint-ruleset") then return pending("TFLint is built by scripts/test --all") end
      fn(hosts.find("tflint"))
    end)
  end

  local function assert_found(result)
    assert.are.equal(2, result.code, result.stderr)
    for _, line in ipairs(FOUND) do assert.is_truthy(result.stdout:find(line .. "\n", 1, true), result.stdout) end
    assert.is_truthy(result.stderr:find("container created for plugin 'tflint-ruleset-terraform'", 1, true),
      result.stderr)
  end

  it_if_built("finds what is wrong with a configuration", function(tflint)
    use "share_tmp = true"
    assert_found(lint(tflint, { "--format=compact" }, root .. "/tmp"))
    assert_found(lint(support.executable, { "host", "--", tflint, "--format=compact" }))
    host_record.ran("tflint", {
      host = "TFLint",
      tried = ("TFLint %s with the ruleset terraform %s"):format(host_record.built "tflint",
        host_record.built "tflint-ruleset"),
      policy = "`share_tmp = true`, with a private `TMPDIR` or by `gantry host -- tflint`: rulesets ask TFLint for "
        .. "everything over the broker; no network, no files",
      limits = "`source` in a `plugin` block, by which TFLint installs binaries itself: put the policy into "
        .. "`~/.tflint.d/plugins`",
    })
  end)

  it_if_built("asks which version the ruleset has", function(tflint)
    use ""
    local result = lint(tflint, { "--version" })
    assert.is_truthy(result.stdout:find("+ ruleset.terraform (" .. host_record.built "tflint-ruleset", 1, true),
      result.stdout .. result.stderr)
  end)

  it_if_built("logs what the policy lacks where the ruleset cannot ask it", function(tflint)
    use ""
    local result = lint(tflint, { "--format=compact" }, root .. "/tmp")
    assert.are.equal(1, result.code)
    assert.matches("plugin 'tflint%-ruleset%-terraform' will not reach its host: TFLint serves its plugins on sockets",
      result.stderr)
    assert.matches("the host made socket " .. root:gsub("%p", "%%%0") .. "/tmp/plugin%d+ for plugin "
      .. "'tflint%-ruleset%-terraform', which cannot see it in its container: set share_tmp = true", result.stderr)
  end)
end)
