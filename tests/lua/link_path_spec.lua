-- SPDX-License-Identifier: Apache-2.0
--
--- base/link_path.lua: links of every form, also in circles and to nowhere.

local core = require "gantry.core"
local link_path = require "gantry.base.link_path"

describe("a path through links", function()
  local root

  before_each(function()
    root = core.system.real_path(os.getenv "TMPDIR" or "/tmp") .. "/gantry-links-" .. core.system.random(6)
    local script = [[mkdir -p "$0/releases/1" && cd "$0" && ln -s releases/1 current && ln -s "$0/current" absolute &&
      ln -s ../releases/./1 releases/dots && ln -s loop loop && ln -s nowhere/at/all gone]]
    assert(os.execute(("sh -c '%s' %s"):format(script, root)))
  end)
  after_each(function() assert(os.execute("rm -rf " .. root)) end)

  local function leads(path, target, ...)
    local found, links = link_path(root .. path)
    for i, link in ipairs(links) do links[i] = link:sub(#root + 1) end
    assert.are.same({ root .. target, { ... } }, { found, links })
  end

  it("leads where the kernel leads it, and names its links", function()
    leads("/releases/1/kv.lua", "/releases/1/kv.lua")
    leads("/current/kv.lua", "/releases/1/kv.lua", "/current")
    leads("/absolute/./kv.lua", "/releases/1/kv.lua", "/absolute", "/current")
    leads("/releases/dots/../1/kv.lua", "/releases/1/kv.lua", "/releases/dots")
    for _, path in ipairs { "/current", "/absolute", "/releases/dots", "/current/.." } do
      assert.are.equal(core.system.real_path(root .. path), (link_path(root .. path)))
    end
  end)

  it("may lead nowhere, or round and round", function()
    leads("/gone/kv.lua", "/nowhere/at/all/kv.lua", "/gone")
    local looped, links = link_path(root .. "/loop/kv.lua")
    assert.are.same({ root .. "/loop/kv.lua", 40 }, { looped, #links })
    assert.are.same({ "/", {} }, { link_path "/" })
    assert.are.same({ "/", {} }, { link_path "/../.." })
  end)
end)
