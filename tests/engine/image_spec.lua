-- SPDX-License-Identifier: Apache-2.0
--
--- Images without a daemon, beside a daemon that has the same ones: from a registry that wants a password, from
--- archives and from Docker itself. They have Docker's ids and Docker's content, on a file system that may be full, or
--- not let programs be executed.

local core = require "gantry.core"
local images = require "gantry.engine.oci.images"
local json = require "gantry.json"
local registries = require "engine.registry"
local support = require "engine.support"
local task = require "gantry.task"

local BUSYBOX <const> = "/bin/busybox"

---@param command string
---@return string output
local function sh(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "a"
  assert(pipe:close(), command .. ": " .. output)
  return output
end

describe("an image of no daemon", function()
  local folder, registry, address, name, store, archive

  ---@param config table of docker's
  ---@return string path
  local function docker_config(config)
    sh(("mkdir -p %s/docker"):format(folder))
    support.write(folder .. "/docker/config.json", assert(json.encode(config)))
    return folder .. "/docker"
  end

  local function login(password)
    return { auths = { [address] = { auth = core.base64.encode("alice:" .. password) } } }
  end

  ---@param config table? of docker's
  ---@param environment table<string, string>?
  ---@return gantry.OciImages
  local function client(config, environment)
    local all = { PATH = os.getenv "PATH", HOME = folder, GANTRY_IMAGE_DIR = store,
      DOCKER_CONFIG = docker_config(config or {}) }
    for key, value in pairs(environment or {}) do all[key] = value end
    return images.of(all)
  end

  ---@param what string of docker's inspect
  local function docker(what, reference)
    return (sh(("docker image inspect --format '%s' %s"):format(what, reference)):gsub("\n$", ""))
  end

  setup(function()
    folder = support.temporary()
    registry, address = registries.start(folder)
    archive = folder .. "/saved.tar"
    sh(("docker save -o %s gantry-test-kv:latest gantry-test-old:latest"):format(archive))
    name = address .. "/test/kv"
    sh(("docker tag gantry-test-kv:latest %s:1"):format(name))
    sh(("docker --config %s push -q %s:1"):format(docker_config(login "s3cret"), name))
  end)

  teardown(function()
    registry:close()
    sh(("docker rmi -f %s:1; true"):format(name))
    support.remove(folder)
  end)

  before_each(function() store = folder .. "/store" end)
  after_each(function()
    assert.are.equal("", sh(("ls %s/tmp 2>/dev/null; true"):format(store)))
    sh("rm -rf " .. store)
  end)

  ---@param ... any what a method returned
  ---@return gantry.Error err
  local function failure(code, ...)
    local result, err = ...
    assert.is_nil(result)
    assert.are.equal(code, err.code, err.message)
    return err
  end

  ---@return string[] lines
  local function pull(one, reference)
    local lines = {}
    assert(one:pull(reference, { on_message = function(message)
      if not message.current then lines[#lines + 1] = message.status end
    end }))
    return lines
  end

  ---@param one gantry.OciImages
  local function collect(one)
    for _, item in ipairs(one:unnamed()) do assert(one:discard(item)) end
  end

  describe("from a registry", function()
    it("has Docker's id and digest, and is fetched once", function()
      local one = client(login "s3cret")
      local told = pull(one, name .. ":1")
      local digest = docker("{{index .RepoDigests 0}}", name .. ":1")
      assert.are.same({ "Pulling from " .. name, "Digest: " .. digest:match "@(.*)$",
        ("Status: Downloaded newer image for %s:1"):format(name) }, told)
      local found = assert(one:image(name .. ":1"))
      assert.are.equal(docker("{{.Id}}", name .. ":1"), found.id)
      assert.are.same({ digest }, found.digests)
      assert.are.same({ "/kv" }, found.entrypoint)
      assert.are.equal(docker("{{index .RootFS.Layers 0}}", name .. ":1"), found.layers[1])
      assert.are.equal(("Status: Image is up to date for %s:1"):format(name), pull(one, name .. ":1")[3])
      pull(one, digest)
      assert.are.equal(found.id, assert(one:image(digest)).id)
      assert.are.equal(found.id, assert(one:image(found.id)).id)
      assert.are.equal(found.id, assert(one:image(found.id:sub(8, 19))).id)
      assert.are.equal("700\n", sh("stat -c %a " .. store))
    end)

    it("tells failures apart", function()
      local err = failure("REGISTRY_AUTH", client(login "wrong"):pull(name .. ":1"))
      assert.is_truthy(err.message:find("does not accept the login", 1, true), err.message)
      err = failure("REGISTRY_AUTH", client({}):pull(name .. ":1"))
      assert.is_truthy(err.message:find("has no login for it", 1, true), err.message)
      failure("IMAGE_NOT_FOUND", client(login "s3cret"):pull(name .. ":2"))
      failure("IMAGE_NOT_FOUND", client(login "s3cret"):pull(name .. "x:1"))
      failure("REGISTRY_FAILED", client({}):pull "127.0.0.1:1/test/kv:1")
      failure("SKOPEO_MISSING", client({}, { PATH = "/nowhere" }):pull(name .. ":1"))
      failure("IMAGE_NOT_FOUND", client():image(name .. ":1"))
      failure("IMAGE_TOO_LARGE", client(login "s3cret", { GANTRY_IMAGE_SIZE = "1KiB" }):pull(name .. ":1"))
      failure("IMAGE_TOO_LARGE", client(login "s3cret", { GANTRY_IMAGE_ENTRIES = "1" }):pull(name .. ":1"))
    end)

    ---Pushes an index that names one manifest for several processors.
    ---@param tag string
    ---@param architectures string[]
    local function push_index(tag, architectures)
      local url = ("-fsS -u alice:s3cret http://%s/v2/test/kv/manifests/"):format(address)
      local bytes = sh(("curl %s1 -H 'Accept: application/vnd.docker.distribution.manifest.v2+json'"):format(url))
      local list = {}
      for i, architecture in ipairs(architectures) do
        list[i] = { mediaType = "application/vnd.docker.distribution.manifest.v2+json", size = #bytes,
          digest = docker("{{index .RepoDigests 0}}", name .. ":1"):match "@(.*)$",
          platform = { os = "linux", architecture = architecture } }
      end
      local path = support.write(folder .. "/index.json", assert(json.encode { schemaVersion = 2,
        mediaType = "application/vnd.docker.distribution.manifest.list.v2+json", manifests = list }))
      sh(("curl %s%s -X PUT -H 'Content-Type: application/vnd.docker.distribution.manifest.list.v2+json' -d @%s")
        :format(url, tag, path))
      return "sha256:" .. sh("sha256sum " .. path):match "^%x+"
    end

    it("is the one for this machine, by the digest of the index, as with Docker", function()
      local digest = push_index("many", { "s390x", "amd64" })
      local one = client(login "s3cret")
      pull(one, name .. ":many")
      local found = assert(one:image(name .. ":many"))
      assert.are.same({ name .. "@" .. digest }, found.digests)
      assert.are.equal(docker("{{.Id}}", name .. ":1"), found.id)
      push_index("other", { "s390x", "mips64le" })
      local err = failure("IMAGE_ARCHITECTURE", one:pull(name .. ":other"))
      assert.is_truthy(err.message:find("is for linux/s390x, linux/mips64le, and this machine is linux/", 1, true),
        err.message)
    end)

    it("is unpacked once by two at the same time, with the loop going on", function()
      local steps = 0
      task.run(function()
        task.spawn(function()
          while true do
            task.sleep(0.01)
            steps = steps + 1
          end
        end)
        task.all(function() assert(client(login "s3cret"):pull(name .. ":1")) end,
          function() assert(client(login "s3cret"):pull(name .. ":1")) end)
      end)
      assert.is_true(steps > 3)
      assert(client():image(name .. ":1"))
    end)
  end)

  describe("from an archive", function()
    it("is loaded from a file and from standard input, several at once", function()
      local loaded = assert(client():load_archive(archive))
      table.sort(loaded, function(left, right) return left.references[1] < right.references[1] end)
      assert.are.same({ { id = docker("{{.Id}}", "gantry-test-kv:latest"), references = { "gantry-test-kv:latest" } },
        { id = docker("{{.Id}}", "gantry-test-old:latest"), references = { "gantry-test-old:latest" } } }, loaded)
      sh("rm -rf " .. store)
      local colon = folder .. "/a:b.tar"
      sh(("docker save gantry-test-kv | gzip -1 >%s"):format(colon))
      assert(client():load_archive(colon))
      sh("rm -rf " .. store)
      sh(([[docker save gantry-test-kv | GANTRY_IMAGE_DIR=%s lua5.4 -e '
        assert(require("gantry.engine.oci.images").of():load_archive())']]):format(store))
      assert.are.equal(docker("{{.Id}}", "gantry-test-kv:latest"), assert(client():image "gantry-test-kv").id)
    end)

    it("is loaded again while a container of it runs", function()
      assert(client():load_archive(archive))
      local lock = assert(client():image "gantry-test-kv:latest").lock
      local container <close> = assert(io.popen(("flock -s %s sh -c 'echo held >%s/held; read line'"):format(lock,
        folder), "w"))
      sh(("until test -s %s/held; do sleep 0.02; done"):format(folder))
      assert(task.deadline(30, function() return assert(client():load_archive(archive)) end))
      container:write "\n"
    end)

    it("may be one of OCI's, with the digest of its manifest", function()
      local path = folder .. "/oci.tar"
      sh(("skopeo --insecure-policy copy -q docker-archive:%s:gantry-test-kv:latest oci-archive:%s:example.com/kv:1")
        :format(archive, path))
      local loaded = assert(client():load_archive(path))
      assert.are.same({ "example.com/kv:1" }, loaded[1].references)
      local found = assert(client():image "example.com/kv:1")
      assert.is_truthy(found.digests[1]:find("^example%.com/kv@sha256:%x+$"))
    end)

    it("is refused where it is cut, damaged, or none", function()
      local whole = folder .. "/one.tar" -- of one image: of several, those before the damage are whole
      sh(("docker save -o %s gantry-test-kv:latest"):format(whole))
      local function changed(command)
        local path = folder .. "/changed.tar"
        sh(("rm -f %s; %s >%s"):format(path, command:gsub("%%s", whole), path))
        failure("IMAGE_CORRUPT", client():load_archive(path))
        assert.are.same({}, client():list())
      end
      changed "head -c 5000000 %s"
      changed "head -c 100 %s"
      changed "cat /dev/null"
      changed "echo no archive; true %s"
      changed "(head -c 4000000 %s; printf '\\1\\2\\3'; tail -c +4000004 %s)"
      changed "tar -c -C / etc/hostname"
      failure("IMAGE_UNREADABLE", client():load_archive(folder .. "/nowhere.tar"))
      failure("IMAGE_UNREADABLE", client():load_archive(folder))
    end)
  end)

  it("comes from Docker, and is what Docker's own container has", function()
    sh(("mkdir -p %s/context && cp %s %s/context/busybox"):format(folder, BUSYBOX, folder))
    support.write(folder .. "/context/Dockerfile", [[
FROM scratch
COPY busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-ec"]
RUN busybox --install -s /bin; mkdir -p /a/b/c /opaque/in /gone; echo 1 >/a/b/c/file; echo 2 >/opaque/in/old; \
  echo 3 >/gone/x; ln /a/b/c/file /a/hard; chmod 4755 /a/hard; chown 12:34 /a/b; mkdir -m 1777 /sticky; mkfifo /pipe
RUN rm -r /gone /opaque; mkdir /opaque; echo new >/opaque/new; rm /a/b/c/file; mv /a/hard /a/b/soft; ln -s ../b /a/up
RUN mv /sticky /moved; rm /pipe; mkdir /pipe; echo "a name" >"/pipe/with spaces and é"; mknod /null c 1 3
USER 12:34
ENTRYPOINT ["/bin/sh"]
]])
    sh(("docker build -q -t gantry-test-image-tree %s/context"):format(folder))
    local one = client()
    assert(one:pull "docker-daemon:gantry-test-image-tree")
    local found = assert(one:image "gantry-test-image-tree")
    assert.are.equal(docker("{{.Id}}", "gantry-test-image-tree"), found.id)
    assert.are.equal("12:34", found.user)
    local exported = folder .. "/exported"
    sh(("mkdir %s; c=$(docker create gantry-test-image-tree); docker export $c | tar -x -p --numeric-owner -C %s; "
      .. "docker rm $c >/dev/null"):format(exported, exported))
    local function listing(root)
      local skipped = "-path ./" .. table.concat({ "etc", "dev", "proc", "sys", "run", "tmp", ".dockerenv" },
        " -o -path ./")
      return sh(("cd %s && find . -mindepth 1 \\( %s \\) -prune -o \\( -type d -printf '%%y %%m %%U:%%G %%P\\n' \\) "
        .. "-o -printf '%%y %%m %%U:%%G %%n %%T@ %%s %%P -> %%l\\n' | LC_ALL=C sort -k7"):format(root, skipped))
    end
    assert.are.equal(listing(exported), listing(found.rootfs))
    assert.are.equal("", sh(("diff -r --no-dereference %s/a %s/a; diff -r %s/opaque %s/opaque"):format(exported,
      found.rootfs, exported, found.rootfs)))
    sh("docker rmi gantry-test-image-tree")
    failure("IMAGE_NOT_FOUND", one:pull "docker-daemon:gantry-test-image-nowhere")
  end)

  it("holds a plugin's binary alone, by the id that engines reckon for it", function()
    local binary = require "gantry.plugin.binary"
    local path = folder .. "/program"
    sh(("cp %s %s"):format(BUSYBOX, path))
    local opened <close> = assert(binary.open({ binary = path }, { environment = { HOME = folder,
      GANTRY_STATE_DIR = folder .. "/state" } }))
    local id = require("gantry.engine.binary_image").id(opened)
    assert.is_true(client():load_binary(opened))
    local found = assert(client():image(require("gantry.engine.binary_image").reference(opened.sha256)))
    assert.are.equal(id, found.id)
    assert.are.same({ "/plugin" }, found.entrypoint)
    assert.are.equal("", sh(("cmp %s %s/plugin"):format(path, found.rootfs)))
    assert.is_true(client():load_binary(opened))
    sh(("rm -rf %s; echo x >>%s"):format(store, path))
    failure("FILE_CHANGED", client():load_binary(opened))
    local one = client()
    assert.are.same(found.id, one:unnamed()[1].id)
    collect(one)
    assert.are.same({}, one:unnamed())
  end)

  it("goes with its last name, and not while somebody uses it", function()
    local one = client()
    assert(one:load_archive(archive))
    local found = assert(one:image "gantry-test-kv")
    assert(one.store:name("another:1", found.id))
    assert.is_true(one:remove "gantry-test-kv:latest")
    assert.is_false(one:remove "gantry-test-kv:latest")
    local held <close> = assert(core.files.lock(found.lock))
    failure("CONFLICT", one:remove "another:1")
    assert(one:image "another:1")
    held:close()
    assert.is_true(one:remove "another:1")
    failure("IMAGE_NOT_FOUND", one:image(found.id))
    local old = assert(one:image "gantry-test-old")
    one.store:forget "gantry-test-old" -- as where its name leads to another one
    local used <close> = assert(core.files.lock(old.lock))
    collect(one)
    assert.are.equal(1, #one:list())
    used:close()
    collect(one)
    assert.are.same({}, one:list())
  end)

  it("is not begun twice, and nothing of it stays, where a gantry is killed", function()
    sh(([[GANTRY_IMAGE_DIR=%s lua5.4 -e '
      local images, task = require("gantry.engine.oci.images"), require("gantry.task")
      local core = require("gantry.core")
      task.run(function()
        images.of():load_archive(%q, { on_message = function(message)
          if message.status == "Unpacking" then os.execute("kill -9 " .. core.system.pid()) end
        end })
      end)'; true]]):format(store, archive))
    assert.are_not.equal("", sh(("ls %s/tmp"):format(store)))
    local one = client()
    assert.are.same({}, one:list())
    -- Its unpacking process ends with it, but has the image's lock until it has.
    local left
    for _ = 1, 300 do
      collect(one)
      left = sh(("ls -A %s/tmp; ls -A %s/images"):format(store, store))
      if left == "" then break end
      sh "sleep 0.1"
    end
    assert.are.equal("", left)
    assert(one:load_archive(archive))
  end)

  ---Runs `gantry image` on the engine without a daemon.
  ---@param arguments string[]
  ---@return { code: integer, stdout: string, stderr: string }
  local function verb(arguments)
    return support.run({ "image", "--engine", "oci:", table.unpack(arguments) }, { runtime_dir = folder .. "/runtime",
      environment = { "GANTRY_IMAGE_DIR=" .. store, "DOCKER_CONFIG=" .. docker_config(login "s3cret") } })
  end

  it("is what `gantry image` pulls, loads, lists and removes", function()
    local ended = verb { "pull", name .. ":1" }
    assert.are.equal(0, ended.code, ended.stderr)
    assert.is_truthy(ended.stderr:find(("%s:1: Status: Downloaded newer image for %s:1\n"):format(name, name), 1, true))
    assert.are.equal("", ended.stdout)
    local shown = json.decode(verb({ "list", "--json" }).stdout)
    local id = docker("{{.Id}}", name .. ":1")
    assert.are.same({ images = { { id = id, references = { name .. ":1" }, size = shown.images[1].size,
      digests = { docker("{{index .RepoDigests 0}}", name .. ":1") } } } }, shown)
    assert.are.same({ loaded = { { id = id, references = { "gantry-test-kv:latest" } }, { id = docker("{{.Id}}",
      "gantry-test-old"), references = { "gantry-test-old:latest" } } } }, json.decode(verb({ "load", "--json",
      archive }).stdout))
    local listed = verb({ "list" }).stdout
    assert.is_truthy(listed:find("gantry%-test%-kv:latest +" .. id:sub(8, 19) .. " +12"), listed)
    assert.are.same({ removed = { "gantry-test-old" } }, json.decode(verb({ "remove", "--json", "gantry-test-old",
      "never-there" }).stdout))
    ended = verb { "pull", name .. ":2" }
    assert.are.equal(6, ended.code)
    ended = verb { "remove" }
    assert.are.equal(2, ended.code)
    assert.are.equal("gantry: gantry image remove needs the name of an image\n", ended.stderr)
    ended = support.run({ "image", "load", archive }, {})
    assert.is_truthy(ended.stderr:find("docker load", 1, true), ended.stderr)
  end)

  it("is an ordinary user's as well", function()
    local script = support.write(folder .. "/user.lua", [[
local one = require("gantry.engine.oci.images").of()
assert(one:load_archive(arg[1]))
print(assert(one:image "gantry-test-kv").id, one:image("gantry-test-kv").rootfs)
]])
    sh(("mkdir %s/home && chown 65534 %s/home && chmod 755 %s && chmod 644 %s"):format(folder, folder, folder, archive))
    local reachable = os.execute("setpriv --reuid 65534 --regid 65534 --clear-groups test -r "
      .. support.source .. "/lua/gantry/init.lua")
    if not reachable then return pending "the source is not readable for others" end
    local id, root = sh(("env -u XDG_RUNTIME_DIR -u XDG_DATA_HOME HOME=%s/home setpriv --reuid 65534 --regid 65534 "
      .. "--clear-groups lua5.4 %s %s"):format(folder, script, archive)):match "^(%S+)\t(%S+)\n"
    assert.are.equal(docker("{{.Id}}", "gantry-test-kv:latest"), id)
    assert.are.equal(folder .. "/home/.local/share/gantry/oci/images/" .. id:sub(8) .. "/rootfs", root)
    assert.are.equal("65534\n", sh(("find %s -printf '%%U\\n' | sort -u"):format(root)))
  end)

  ---Loads the archive into a store on a file system of its own.
  ---@param options string of the mount
  ---@return string code
  local function load_on(options)
    local script = support.write(folder .. "/load.lua", [[
local loaded, err = require("gantry.engine.oci.images").of():load_archive(arg[1])
print(loaded and #loaded or err.code)
]])
    return sh(("unshare -m sh -c 'mkdir -p %s/mounted && mount -t tmpfs -o %s none %s/mounted && "
      .. "GANTRY_IMAGE_DIR=%s/mounted/store lua5.4 %s %s'"):format(folder, options, folder, folder, script,
      archive))
  end

  it("is refused on a file system that is full, or executes nothing", function()
    assert.are.equal("STORE_FULL\n", load_on "size=8m")
    assert.are.equal("STORE_NOEXEC\n", load_on "noexec")
    assert.are.equal("2\n", load_on "nosuid,size=200m")
  end)
end)
