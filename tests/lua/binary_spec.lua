-- SPDX-License-Identifier: Apache-2.0
--
--- A policy's binary without an engine: which fields go with it, what is no program, what it is hashed to and what its
--- image is made of.

local binaries = require "gantry.place.binaries"
local binary = require "gantry.plugin.binary"
local binary_image = require "gantry.engine.binary_image"
local config = require "gantry.config"
local core = require "gantry.core"
local json = require "gantry.json"
local sha256 = require "gantry.base.sha256"

local SOURCE <const> = os.getenv "GANTRY_SOURCE" or "."

---@param program string
---@return string whole output
local function output_of(program)
  local pipe <close> = assert(io.popen(program))
  return (pipe:read "a")
end

describe("the config of a binary", function()
  local function findings(fields)
    local _, errs = config.validate(fields)
    local list = {}
    for i, err in ipairs(errs or {}) do list[i] = err.message end
    return list
  end

  it("is one without an image", function()
    local found = assert(config.validate { binary = "/opt/kv-1.8" })
    assert.are.same({ "/opt/kv-1.8", "kv-1.8", nil }, { found.binary, found.name, found.image })
    assert.is_nil(assert(config.validate { binary = "/opt/.hidden" }).name)
    assert.are.equal("/opt/kv-1.8", config.what_runs(found))
  end)

  it("has nothing that is said of images", function()
    assert.are.same({ "image and binary exclude each other: it is what runs instead of one; leave one of them out" },
      findings { binary = "/x", image = "x" })
    assert.are.same({ "tag and binary exclude each other: a file has none; leave one of them out" },
      findings { binary = "/x", tag = "1" })
    assert.are.same({ "entrypoint and binary exclude each other: it is the program itself, and args its arguments; "
      .. "leave one of them out" }, findings { binary = "/x", entrypoint = { "/x" } })
    assert.are.same({ 'pull = "missing" and binary exclude each other: a file is in no registry; leave one of them '
      .. "out" }, findings { binary = "/x", pull = "missing" })
    assert.are.same({ "libraries are those of a binary, and there is none; leave them out, or name a binary" },
      findings { image = "x", libraries = true })
    assert.are.same({ "binary must be an absolute path, got 3" }, findings { binary = 3 })
    assert.are.same({ "image is missing", "unknown field 'executable'; did you mean 'binary'?" },
      findings { executable = "/x" })
  end)
end)

describe("a binary", function()
  local folder, environment

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
    assert(core.files.make_directory(folder))
    environment = { GANTRY_STATE_DIR = folder .. "/state" }
  end)
  after_each(function() assert(os.execute("rm -r " .. folder)) end)

  local function write(name, text)
    assert(core.files.replace(folder .. "/" .. name, text))
    return folder .. "/" .. name
  end

  ---@return gantry.Error
  local function refused(path, fields)
    fields = fields or {}
    fields.binary = path
    local found, err = binary.open(fields, { environment = environment })
    assert.is_nil(found)
    return err
  end

  ---A static program: this machine's own loader needs none.
  local function loader()
    return assert(require("gantry.base.elf").read(assert(core.files.open "/proc/self/exe"))).interpreter
  end

  it("that is none says what it is", function()
    for name, case in pairs {
      missing = { "BINARY_NOT_FOUND", "is not there; build it" },
      script = { "BINARY_NOT_A_PROGRAM", "is a script for /bin/sh, which", "#!/bin/sh\necho" },
      policy = { "BINARY_NOT_A_PROGRAM", "is a policy of gantry's", "#!/usr/bin/env -S gantry exec\nreturn {}" },
      text = { "BINARY_NOT_A_PROGRAM", "is no program for Linux (no ELF file)", "text" },
      empty = { "BINARY_NOT_A_PROGRAM", "is no program for Linux (no ELF file)", "" },
      windows = { "BINARY_NOT_A_PROGRAM", "is no program for Linux (no ELF file)", "MZ\x90\0" },
      head = { "BINARY_NOT_A_PROGRAM", "is no program for Linux (no ELF file)", "\127ELF\2\1" },
    } do
      if case[3] then write(name, case[3]) end
      local err = refused(folder .. "/" .. name)
      assert.are.equal(case[1], err.code, name)
      assert.is_truthy(err.message:find(("binary %s/%s %s"):format(folder, name, case[2]), 1, true), err.message)
      assert.are.equal("binary", err.field)
    end
    assert.are.equal("BINARY_NOT_A_FILE", refused(folder).code)
    assert.are.equal("BINARY_NOT_A_FILE", refused("/dev/null").code)
    assert(os.execute("mkfifo " .. folder .. "/pipe"))
    assert.are.equal("BINARY_NOT_A_FILE", refused(folder .. "/pipe").code)
    assert.are.equal("BINARY_NOT_FOUND", refused("/dev/null/x").code)
    assert.are.equal("BINARY_ARCHITECTURE", refused(SOURCE .. "/tests/fuzz/corpus/elf/big_endian").code)
    local library = os.getenv("GANTRY"):match "^(.*)/" .. "/lib/gantry/libgantry-core.so"
    assert.is_truthy(refused(library).message:find("is a shared library", 1, true))
  end)

  it("that is dynamic needs leave to use this machine's libraries", function()
    local path = core.system.real_path "/proc/self/exe"
    local err = refused(path)
    assert.are.equal("BINARY_DYNAMIC", err.code)
    assert.is_truthy(err.message:find(loader(), 1, true) and err.message:find("libraries = true", 1, true))
    local found <close> = assert(binary.open({ binary = path, libraries = true }, { environment = environment }))
    local targets = {}
    for _, mount in ipairs(found.mounts) do
      assert.is_true(mount.read_only)
      assert.are.equal("file", core.system.stat(mount.source).type)
      targets[mount.target:match "[^/]*$"] = mount.target
    end
    assert.are.equal(loader(), targets[loader():match "[^/]*$"])
    -- All that the loader itself would load.
    local listed = output_of("env -u LD_PRELOAD ldd " .. path)
    for name in listed:gmatch "(%S+) =>" do assert.is_string(targets[name], name) end
  end)

  it("tells which libraries this machine lacks", function()
    local source = write("p.c", "int f(void); int main(void) { return f(); }")
    local library = write("l.c", "int f(void) { return 0; }")
    assert(os.execute(("cd %s && mkdir lib && name=libgantrytest.so.7 && "
      .. "cc -shared -fPIC -Wl,-soname,$name -o lib/$name %s && "
      .. "cc -o p %s lib/$name && cc -o q %s lib/$name -Wl,-rpath,'$ORIGIN/lib'"):format(folder, library, source,
      source)))
    local err = refused(folder .. "/p", { libraries = true })
    assert.are.equal("BINARY_LIBRARY_MISSING", err.code)
    assert.is_truthy(err.message:find("libgantrytest.so.7;", 1, true), err.message)
    local found <close> = assert(binary.open({ binary = folder .. "/q", libraries = true },
      { environment = environment }))
    local sources = {}
    for _, mount in ipairs(found.mounts) do sources[mount.source] = mount.target end
    assert.matches("^/.*/libgantrytest%.so%.7$", sources[core.system.real_path(folder .. "/lib/libgantrytest.so.7")])
  end)

  it("is hashed once, and again when it is another", function()
    local path, policy = folder .. "/kv", write("kv.lua", "")
    assert(os.execute(("cp %s %s"):format(core.system.real_path "/proc/self/exe", path)))
    local config_of = { binary = path, libraries = true }
    local options = { environment = environment, policy = policy }
    local function digest()
      local found <close> = assert(binary.open(config_of, options))
      return found.sha256
    end
    local expected = output_of("sha256sum < " .. path):match "%x+"
    assert.are.equal(expected, digest())
    -- Only what stood still for a moment is written down; another memory of it would be believed.
    binaries.use({ key = policy, path = path, stamp = (assert(core.files.open(path)):stamp()),
      sha256 = ("0"):rep(64), layer = ("1"):rep(64) }, environment)
    assert.are.equal(("0"):rep(64), digest())
    assert.is_true(binaries.in_use(environment)[("0"):rep(64)])
    assert(os.execute(("printf x >> %s"):format(path)))
    assert.are.equal(output_of("sha256sum < " .. path):match "%x+", digest())
    assert.are.same({}, binaries.in_use(environment))
    config_of.sha256 = expected
    local err = refused(path, config_of)
    assert.are.same({ "BINARY_PIN_MISMATCH", "sha256" }, { err.code, err.field })
  end)

  it("survives a memory of it that is broken", function()
    local path = core.system.real_path "/proc/self/exe"
    assert(core.files.make_directory(folder .. "/state/binaries", tonumber("700", 8)))
    for _, text in ipairs { "", "{", "[]", '{"key":1}',
      ('{"key":"%s","path":"%s","stamp":"","sha256":"../x"}'):format(path, path) } do
      assert(core.files.replace(("%s/state/binaries/%s.json"):format(folder, sha256(path)), text))
      assert.are.same({}, binaries.in_use(environment))
      local found <close> = assert(binary.open({ binary = path, libraries = true }, { environment = environment }))
      assert.are.equal(64, #found.sha256)
    end
  end)

  it("makes an image that depends on nothing but the file", function()
    local content = "content"
    local before, after = binary_image.layer(#content)
    local made = { architecture = "amd64", size = #content, sha256 = sha256(content),
      layer = sha256(before .. content .. after) }
    local head, tail = binary_image.archive(made)
    local path = write("image.tar", head .. content .. tail)
    local function unpack(name, from) return output_of(("tar -xOf %s '%s'"):format(from or path, name)) end
    local manifest = assert(json.decode(unpack "manifest.json"))[1]
    assert.are.same({ "localhost/gantry-binary:" .. made.sha256 }, manifest.RepoTags)
    assert.are.equal(binary_image.id(made), "sha256:" .. sha256(unpack(manifest.Config)))
    write("layer.tar", unpack(manifest.Layers[1]))
    assert.are.equal(made.layer, sha256(unpack(manifest.Layers[1])))
    assert.are.equal(content, unpack("plugin", folder .. "/layer.tar"))
    assert.matches("^%-rwxr%-xr%-x 0/0 +7 1970%-01%-01 00:00 plugin\n$",
      output_of(("TZ=UTC tar --numeric-owner -tvf %s/layer.tar"):format(folder)))
    assert.are.same({ head, tail }, { binary_image.archive(made) })
  end)
end)
