-- SPDX-License-Identifier: Apache-2.0
--
--- engine/interface.lua: what a plugin's life asks of a container engine, in no engine's words. Each folder beside this
--- file is one engine (docker speaks Docker's API to Docker and to Podman); what stands here is all that the rooms
--- above know of them. tests/engines/conformance.lua holds each engine to it.
---
--- Every method waits (yields in a task) and fails as `nil, err`. Codes that all engines use alike: NOT_FOUND (no such
--- container, or no such file in it), CONFLICT (it is in no state for that, or its name is taken), IMAGE_NOT_FOUND,
--- ENGINE_REFUSED (the request is wrong), ENGINE_UNSUPPORTED (this engine has no such thing), LIMIT_NOT_DELEGATED (it
--- may not set such a limit here), ENGINE_ERROR (it failed, for a reason of its own). With any other code nobody has
--- answered (see interface.answered): what was asked for may have been done or not.

-- What follows says what there is, and does nothing.
-- luacheck: no self, no unused args

local interface = {}

-- ---- what an engine is ----

---@class gantry.EngineInfo what an engine is and can do
---@field kind "docker"|"podman"|"oci"
---@field version string? the engine's own; of oci the runtime's
---@field runtimes table<string, { path: string?, arguments: string[]? }> by name
---@field default_runtime string?
---@field rootless boolean it runs as a user, who is root in its containers
---@field selinux boolean it labels its containers and what they may open
---@field apparmor boolean it gives its containers a profile
---@field remapped { uid: integer?, gid: integer? }? users of its containers are others outside (userns-remap): root's
--- numbers there, as far as they are known
---@field cgroup_version integer 1 or 2
---@field cgroup_driver string? "none" where there are no limits
---@field memory integer? bytes that its machine has

---@class gantry.EngineCapabilities how engines differ in what they can; known without asking
---@field runtimes boolean a container may choose its runtime
---@field init boolean `init` of a spec can be had wherever the engine is
---@field pids boolean the number of a container's processes can be limited, as far as is known without asking
---@field keeps_output boolean what a container writes while nobody is attached is there for who attaches next
---@field ends_with_owner boolean a container that is not to outlive the process that made it goes with it, and is in no
--- list any more
---@field recursively_read_only boolean a read-only mount can be so with all that is mounted below it

-- ---- images ----

---@class gantry.EngineImage
---@field id string "sha256:…" of its config: the same on every engine
---@field digests string[] NAME@sha256:… of the manifests it was pulled by
---@field size integer? bytes
---@field entrypoint string[]? empty where it has none, nil where the engine does not tell
---@field command string[]? likewise
---@field env string[]?
---@field user string?
---@field working_dir string?
---@field stop_signal string?
---@field volumes string[]? paths where its containers have something of their own, kept from the image
---@field labels table<string, string>?
---@field layers string[]? digests of its layers' tars

---@class gantry.EngineImageSummary as images() tells it
---@field id string
---@field references string[] NAME:TAG
---@field digests string[] NAME@sha256:…
---@field size integer? bytes
---@field created number? seconds since 1970

---@class gantry.PullMessage what the engine says of its work
---@field id string? the layer
---@field status string? such as "Downloading"
---@field current integer? bytes done
---@field total integer? bytes in all

-- ---- a container, before it is made ----

---@class gantry.EngineMount
---@field kind "bind"
---@field source string
---@field target string
---@field read_only boolean
---@field own boolean? gantry's own: private, not recursive
---@field relabel "shared"|"private"|nil the label that SELinux lets containers open it by
---@field recursively_read_only boolean? with all that is mounted below it, or the container is not made

---@class gantry.ContainerSpec what a container is to be; its name is create's
---@field image string id or reference, already there
---@field entrypoint string[]? the image's where nil
---@field args string[]? the image's command where nil
---@field open_input boolean? its standard input stays open for hand_over_input, and ends with that; empty where nil
---@field env string[] NAME=value, beside the image's
---@field user string? as policies have it; the image's where nil
---@field groups integer[] supplementary groups
---@field working_dir string? the image's where nil
---@field hostname string?
---@field labels table<string, string>
---@field stop_signal string?
---@field image_health boolean whether the image's own health command runs
---@field mounts gantry.EngineMount[]
---@field tmpfs table<string, string>? options by path
---@field devices { source: string, target: string, permissions: string }[]?
---@field dns string[]?
---@field extra_hosts table<string, string>? address by name
---@field ulimits { name: string, soft: integer, hard: integer }[]?
---@field network string? "none", "host" or a name; the engine's default where nil
---@field loopback boolean? of network "none": whether there has to be a loopback; where nil an engine may save that
---@field endpoints table<string, table> settings of networks by name: that of `network`, and further ones, which
--- connect_network joins
---@field memory integer? bytes
---@field memory_swap integer? bytes of memory and swap
---@field nano_cpus integer?
---@field cpuset string?
---@field pids_limit integer?
---@field cgroup_parent string?
---@field read_only boolean? root file system; the engine's default where nil
---@field capabilities string[] kept ones, such as IPC_LOCK; all others are dropped
---@field no_new_privileges boolean
---@field seccomp string? "unconfined" or a profile's path (gantry.engine.profile); the engine's default where nil
---@field apparmor string? a profile's name
---@field security_options string[] further ones, as the policy has them: in Docker's words
---@field init boolean? a first process that reaps and forwards signals
---@field userns_mode string? as the policy has it
---@field runtime string?
---@field outlives boolean? it goes on where the process that made it is killed; else an engine that can ends it then

---@class gantry.CreatedContainer
---@field id string
---@field warnings string[]

-- ---- a container ----

---@class gantry.ContainerState
---@field status string created, running, paused, restarting, removing, exited or dead
---@field running boolean also where it is paused
---@field paused boolean
---@field pid integer? of the first process on the engine's machine, while it runs, once that is known
---@field exit_code integer?
---@field out_of_memory boolean? some process in it was killed for memory, at some time
---@field error string? of a start that failed
---@field started_at string? RFC 3339; another one after each start
---@field finished_at string?

---@class gantry.Container as inspect tells it
---@field id string
---@field name string
---@field image string? the reference it was made from
---@field image_id string?
---@field env string[] the image's too
---@field labels table<string, string>
---@field mounts { kind: string, source: string?, target: string }[] kind "tmpfs": memory
---@field tmpfs table<string, string> options by path
---@field network string? "host" where it is this machine's
---@field runtime string?
---@field stop_signal string? by name or by number
---@field confinement table<string, string>? labels by the security module that looks at them: AppArmor, SELinux
---@field state gantry.ContainerState

---@class gantry.ContainerSummary as list tells it
---@field id string
---@field name string?
---@field image string?
---@field labels table<string, string>
---@field status string? created, running, paused, restarting, removing, exited or dead
---@field created number? seconds since 1970

---@class gantry.EngineStats what a container uses
---@field at string? RFC 3339, when that was
---@field cpu_seconds number?
---@field memory_bytes integer? without what the kernel can drop of files that were read
---@field memory_limit_bytes integer? nil where there is none
---@field pids integer?
---@field pids_limit integer? nil where there is none

---@class gantry.EngineEvent what happens to a container
---@field kind string start, oom, die, pause or unpause
---@field id string
---@field labels table<string, string> the container's; an engine may put more there
---@field at number seconds since 1970, by the engine's clock
---@field exit_code integer? of a death, where the engine says it

---@class gantry.FileHead
---@field kind "file"|"link"|"folder"|"other"
---@field mode integer
---@field target string where a link leads to
---@field bytes string a file's first ones

---@class gantry.OutputHandlers
---@field on_output fun(stream: "stdout"|"stderr"|"engine", bytes: string) in any chunks; "engine": said by it, not by
--- the container
---@field on_end fun(err: gantry.Error?) once; with the error where the output did not end, but the connection broke

---@class gantry.OutputStream
---@field pause fun(self) holds the output back at its source
---@field resume fun(self)
---@field cancel fun(self) ends it without a word; may be called again

-- ---- the client ----

---@class gantry.EngineClient
---@field kind "docker"|"podman"|"oci"
---@field endpoint gantry.Endpoint
---@field capabilities gantry.EngineCapabilities
---@field api string? the version of its API that was agreed on, where it has one
---@field server string? the engine's own software name and version, where it says so
---@field known_info gantry.EngineInfo? once it has been asked, or what is believed until it has answered
---@field closed boolean?
---@field chosen string? which engine this is and why, in a few words, where it was taken for want of another
---@field swept table<string, boolean> socket directories whose leftovers this client's user has removed: empty at first
---@field looked_back boolean? whether what was left before the machine's last start has been looked for; nil at first
---@field believes boolean? nobody is asked (gantry.engine.absent)
local Engine = {}

---What the engine is and has: version, runtimes, what it does to its containers. Asked once, whoever waits for it.
---@return gantry.EngineInfo? info
---@return gantry.Error? err
function Engine:info() end

---Begins to ask what the engine is. Some take their time to say, which is well spent on other questions.
---@return gantry.Event answer
function Engine:ask() end

---The engine as a policy sees it in ctx.engine.
---@return table? description kind, version, api, rootless, remapped (whether it maps users: userns-remap), selinux,
---apparmor, runtimes (name -> true), default_runtime, cgroup_version
---@return gantry.Error? err
function Engine:describe() end

---What of the machine and the session decides how this engine's containers run, or keeps them from it.
---@return { level: "ok"|"warn"|"problem", topic: string, text: string, remedy: string? }[]
function Engine:findings() end

---Whether a container can have a runtime.
---@param name string? the default where nil
---@return boolean? ok
---@return gantry.Error? err RUNTIME_UNKNOWN with those there are
function Engine:check_runtime(name) end

---@param reference string name, name:tag, name@digest or id
---@return gantry.EngineImage? image
---@return gantry.Error? err IMAGE_NOT_FOUND
function Engine:image(reference) end

---Who the caller is inside of a container, where an engine has the container's user be the caller outside, and nobody
---else of this machine. Where it does not, plugin and caller meet by groups.
---@param options { image: string, user: string?, runtime: string? } user: as the policy has it
---@return { uid: integer, gid: integer }? inside nil where the engine has no such thing, or with an error
---@return gantry.Error? err USER_UNKNOWN, IMAGE_NOT_FOUND
function Engine:caller_inside(options) end

---The images that are there.
---@return gantry.EngineImageSummary[]? images
---@return gantry.Error? err
function Engine:images() end

---Fetches an image from its registry.
---@param reference string with its tag or digest
---@param options { environment: table<string, string>?, on_message: fun(message: gantry.PullMessage)? }?
---@return boolean? pulled
---@return gantry.Error? err IMAGE_NOT_FOUND, REGISTRY_AUTH, REGISTRY_FAILED
function Engine:pull(reference, options) end

---Has the engine make the image of a plugin's binary, which holds it and nothing else (see engine/binary_image.lua). It
---need not be there.
---@param binary gantry.Binary
---@return boolean? loaded
---@return gantry.Error? err FILE_CHANGED where the file is another one by now
function Engine:load_binary(binary) end

---Loads the images of an archive, as `docker save` and others write it.
---@param path string? of the archive; standard input where nil
---@param options { on_message: fun(message: gantry.PullMessage)? }?
---@return { id: string, references: string[] }[]? loaded
---@return gantry.Error? err ENGINE_UNSUPPORTED where the engine's own command does that
function Engine:load_archive(path, options) end

---The command by which a person loads such an archive from standard input.
---@return string command for a shell
function Engine:load_command() end

---Images that gantry alone keeps and nobody can want any more, and what was left of some. Empty where the engine keeps
---images itself.
---@return gantry.UnnamedImage[] found
function Engine:unnamed_images() end

---Removes such a one, unless somebody has it by now.
---@param one gantry.UnnamedImage
---@return boolean? removed
---@return gantry.Error? err
function Engine:discard_image(one) end

---Takes an image's name away, and the image with its last one. One that is gone already is a success.
---@param reference string
---@return boolean? removed false when it was gone
---@return gantry.Error? err CONFLICT while a container uses it
function Engine:remove_image(reference) end

---This engine's own request for a container, which `gantry plan` prints, or why it would ignore some of it.
---@param spec gantry.ContainerSpec
---@param made string? a source of a mount that will be made
---@return table? request for create
---@return gantry.Error? err ENGINE_UNSUPPORTED, MOUNT_SOURCE_MISSING, SECCOMP_UNREADABLE, SECCOMP_INVALID
function Engine:request(spec, made) end

---The line for a shell by which a person starts a container by hand.
---@param spec gantry.ContainerSpec whose `env` has names alone where the value is taken from the shell's environment
---@param options { directory: string } directory: its socket directory, which is made first
---@return string? line nil where there is none
function Engine:command(spec, options) end

---The line for a shell by which a person looks at the engine's containers, does something to one, or fetches an image.
---@param action "list"|"inspect"|"unpause"|"remove"|"pull"
---@param subject string? a container's id, an image's reference
---@return string? line nil where gantry alone does that
function Engine:by_hand(action, subject) end

---@param name string unique on the engine
---@param request table of Engine:request
---@return gantry.CreatedContainer? created
---@return gantry.Error? err CONFLICT where the name is taken, IMAGE_NOT_FOUND, ENGINE_REFUSED
function Engine:create(name, request) end

---Connects a created container to one more network.
---@param network string
---@param id string
---@param settings table as of the spec's endpoints
---@return boolean? ok
---@return gantry.Error? err
function Engine:connect_network(network, id, settings) end

---The live output of a container, from before its start: one stream for as long as it runs. Nothing is replayed, but
---what an engine kept while nobody read.
---@param id string
---@param handlers gantry.OutputHandlers
---@return gantry.OutputStream? stream
---@return gantry.Error? err NOT_FOUND; START_FAILED where the engine looks at the command already here
function Engine:attach(id, handlers) end

---@param id string of one that was created, runs (then nothing happens) or has ended (then it runs once more)
---@return boolean? ok
---@return gantry.Error? err NOT_FOUND; else it was not started
function Engine:start(id) end

---Waits until a container has stopped.
---@param id string
---@return { exit_code: integer }? result
---@return gantry.Error? err NOT_FOUND
function Engine:wait(id) end

---@param id string or name
---@return gantry.Container? container
---@return gantry.Error? err NOT_FOUND
function Engine:inspect(id) end

---All containers, running or not, that carry every one of these labels.
---@param labels table<string, string|true> true: whatever its value
---@param image string? only those of this image
---@return gantry.ContainerSummary[]? containers
---@return gantry.Error? err
function Engine:list(labels, image) end

---Sends a signal to a container's first process. Once SIGKILL was sent, it has ended, unless the kernel holds it.
---@param id string
---@param signal string such as "TERM"
---@return boolean? sent false when it was not running or is gone
---@return gantry.Error? err
function Engine:kill(id, signal) end

---Removes a container with what is its own, killing it where it runs. One that is gone already is a success.
---@param id string or name
---@return boolean? removed false when it was gone
---@return gantry.Error? err CONFLICT while it is being started, or removed by somebody else
function Engine:remove(id) end

---Follows what happens to containers, from now on, until the engine ends it.
---@param which { labels: table<string, string>, kinds: string[] } kinds: of gantry.EngineEvent
---@param handlers { on_open: fun(), on_event: fun(event: gantry.EngineEvent) }
---@return boolean? ended
---@return gantry.Error? err
function Engine:events(which, handlers) end

---What a container uses, now; an engine may take a second or two to say it.
---@param id string
---@return gantry.EngineStats? stats
---@return gantry.Error? err NOT_FOUND
function Engine:stats(id) end

---A file inside a container, which need not run.
---@param id string
---@param path string
---@return string? text
---@return gantry.Error? err NOT_FOUND
function Engine:read_file(id, path) end

---The beginning of a file inside a container, which need not run; what follows is not fetched.
---@param id string
---@param path string
---@param most integer bytes
---@return gantry.FileHead? head
---@return gantry.Error? err NOT_FOUND where nothing is there
function Engine:read_head(id, path, most) end

---Whether the engine sees a folder of this machine.
---@param path string
---@param options { image: string?, labels: table<string, string>? }? of what is made to find out, where that is needed
---@return boolean? sees nil where that cannot be told
---@return gantry.Error? err the engine's, where it does not
function Engine:sees_folder(path, options) end

---The output of a container, from before its start, for another process to read: in frames, each with a head of eight
---bytes (the stream, 1 or 2; three zeros; the length, big-endian).
---@param id string
---@return integer? descriptor the caller's
---@return gantry.Error? err ENGINE_UNSUPPORTED where this process has to stay: see attach
function Engine:hand_over_output(id) end

---The standard input of a container whose spec has `open_input`: it reads what is written there, and closing it is the
---end of its input. Once for each container.
---@param id string
---@return integer? descriptor the caller's
---@return gantry.Error? err ENGINE_UNSUPPORTED
function Engine:hand_over_input(id) end

---What brings the exit code of a started container, for another process to read: an HTTP answer with Docker's JSON of a
---wait.
---@param id string
---@return integer? descriptor the caller's
---@return gantry.Error? err ENGINE_UNSUPPORTED where this process has to stay: see wait
---@return { exit_code: integer }? result where it has ended already
function Engine:hand_over_exit(id) end

---Looks after a container no longer, which runs on: another process may.
---@param id string
function Engine:let_go(id) end

---Ends all that is in flight and drops the connections.
function Engine:close() end

---The names of all methods, for engines to be held to.
interface.methods = {}
for name in pairs(Engine) do interface.methods[#interface.methods + 1] = name end
table.sort(interface.methods)

-- ---- what all engines have in common ----

local ANSWERS <const> = { NOT_FOUND = true, CONFLICT = true, IMAGE_NOT_FOUND = true, ENGINE_REFUSED = true,
  ENGINE_UNSUPPORTED = true, ENGINE_ERROR = true, START_FAILED = true, LIMIT_NOT_DELEGATED = true }

---Whether a failure is an engine's answer: what was asked for has not been done. Else nobody answered.
---@param err gantry.Error
---@return boolean
function interface.answered(err)
  return ANSWERS[err.code] or err.status ~= nil
end

---`describe` for any client, from its info.
---@param client gantry.EngineClient
---@return table? description
---@return gantry.Error? err
function interface.describe(client)
  local info, err = client:info()
  if not info then return nil, err end
  local runtimes = {}
  for name in pairs(info.runtimes) do runtimes[name] = true end
  return {
    kind = client.kind, version = info.version, api = client.api, runtimes = runtimes, rootless = info.rootless,
    remapped = info.remapped ~= nil, selinux = info.selinux, apparmor = info.apparmor,
    default_runtime = info.default_runtime, cgroup_version = info.cgroup_version,
  }
end

return interface
