-- SPDX-License-Identifier: Apache-2.0
--
--- pod/places.lua: where things lie in a pod's containers. A plugin sees its own folder and the gate, and no other
--- plugin's: whoever reaches the socket of a gate starts plugins there.

local places = {
  folder = "/gantry/bin", -- the gate's, which every sidecar sees
  gate = "/gantry/bin/gantry-gate",
  plugins = "/gantry/plugins", -- the host's view: a folder a plugin
  temporary = "/gantry/tmp", -- the host's TMPDIR, for policies with share_tmp
}

---@param name string a plugin's
---@return string folder of its sockets, at the same path in its container and in the host's
function places.of(name) return places.plugins .. "/" .. name end

---@param name string
---@return string path of its gate's socket
function places.socket(name) return ("%s/%s.gate"):format(places.of(name), name) end

---A name as Kubernetes has them: a DNS label.
---@param name string
---@return string
function places.label(name)
  return (name:lower():gsub("[^%l%d]", "-"):gsub("^%-+", ""):sub(1, 50):gsub("%-+$", ""))
end

return places
