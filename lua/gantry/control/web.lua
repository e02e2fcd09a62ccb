-- SPDX-License-Identifier: Apache-2.0
--
--- control/web.lua: the door of the page: a listener of the control server's routes for browsers, with what stands
--- before them. Whoever shows the token of this run may do all that the routes do, or, where it is read-only, read.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local web_address = require "gantry.control.web_address"
local web_files = require "gantry.control.web_files"

local web = {}

local TOKEN_BYTES <const> = 32
local LONGEST_FILE <const> = 1024 * 1024

-- What a browser may do with an answer: nothing but what the page's own files ask for.
---@type table<string, string>
local HEADERS <const> = {
  ["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    .. "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    .. "require-trusted-types-for 'script'; trusted-types 'none'",
  ["Cache-Control"] = "no-store",
  ["Cross-Origin-Opener-Policy"] = "same-origin",
  ["Cross-Origin-Resource-Policy"] = "same-origin",
  ["Referrer-Policy"] = "no-referrer",
  ["X-Content-Type-Options"] = "nosniff",
}

---@class gantry.WebOptions
---@field address string? where the page is served, as ADDRESS:PORT; 127.0.0.1:7070 where nil; port 0 for any free one
---@field readonly boolean? whether it shows, and changes nothing
---@field names string[]? more names by which browsers reach it, beside its address and localhost
---@field certificate string? path of a PEM file, which any address but one of this machine's loopback needs
---@field key string? path of its key's, without a passphrase

---@class gantry.WebDoor
---@field access gantry.ControlAccess
---@field descriptor integer
---@field certificate string? PEM
---@field key string?
---@field link string for whoever is to see the page: it has the token
---@field names table<string, boolean>
---@field files table<string, gantry.WebFile>
---@field token string
---@field cookie string its name: browsers keep no cookies apart by port
---@field scheme "http"|"https"
local Door = {}
Door.__index = Door

---@param path string
---@param what string
---@return string? text, gantry.Error? err
local function read_pem(path, what)
  local text, err = core.files.read(path, LONGEST_FILE)
  if not text then return nil, err:wrap("read the page's " .. what) end
  return text
end

---@param self gantry.WebDoor
---@param options gantry.WebOptions
---@param address gantry.WebAddress
---@return boolean? ok, gantry.Error? err
local function read_certificate(self, options, address)
  if not options.certificate and not options.key then
    if address.is_loopback then return true end
    return nil, errors.new("CONTROL_CERTIFICATE", ("others reach %s: the page needs a certificate and its key there "
      .. "(--web-certificate FILE --web-key FILE); or let it be at 127.0.0.1, and reach that with ssh -L")
      :format(options.address))
  end
  if not options.certificate or not options.key then
    return nil, errors.new("CONTROL_CERTIFICATE", ("the page's certificate and its key belong together: its %s is "
      .. "missing"):format(options.key and "certificate" or "key"))
  end
  local err
  self.certificate, err = read_pem(options.certificate, "certificate")
  if not self.certificate then return nil, err end
  self.key, err = read_pem(options.key, "key")
  if not self.key then return nil, err end
  self.scheme = "https"
  return true
end

---@param module table gantry.core.control
---@param given gantry.WebOptions
---@return gantry.WebDoor? door, gantry.Error? err
function web.open(module, given)
  local options = setmetatable({ address = given.address or "127.0.0.1:7070" }, { __index = given })
  local address, invalid = web_address.parse(options.address)
  if not address then return nil, invalid end
  local files, unreadable = web_files.read()
  if not files then return nil, unreadable end
  local self = setmetatable({ access = { readonly = options.readonly or false }, files = files, scheme = "http",
    names = web_address.names(address, options.names), token = core.system.random(TOKEN_BYTES) }, Door)
  local ok, refused = read_certificate(self, options, address)
  if not ok then return nil, refused end
  local descriptor, port = module.listen_tcp(address.host, address.port)
  if not descriptor then return nil, port:wrap "serve the page" end
  self.descriptor, self.cookie = descriptor, ("gantry-%d"):format(port)
  self.link = ("%s://%s:%d/?token=%s"):format(self.scheme,
    options.names and options.names[1] or web_address.in_url(address.host), port, self.token)
  return self
end

---Whether a text is the token, in a time that tells nothing of it.
---@param given string?
---@return boolean
function Door:is_token(given)
  if not given or #given ~= #self.token then return false end
  local differs = 0
  for i = 1, #given do differs = differs | (given:byte(i) ~ self.token:byte(i)) end
  return differs == 0
end

---@param request any
---@return boolean has_token
---@return boolean by_hand whether it is where no browser puts it by itself
function Door:token_of(request)
  local bearer = (request:header "Authorization" or ""):match "^[Bb]earer +(%S+)$"
  if bearer then return self:is_token(bearer), true end
  for name, value in (request:header "Cookie" or ""):gmatch "([^%s;=]+)=([^%s;]*)" do
    if name == self.cookie and self:is_token(value) then return true, false end
  end
  return false, false
end

---Whether a request comes from the page, as far as a browser tells, or from no page at all.
---@param request any
---@return gantry.Error? err
function Door:check_origin(request)
  local host, origin = (request:header "Host" or ""):lower(), request:header "Origin"
  local name = host:match "^(%[[%x:.]+%])" or host:match "^[^:]*"
  if not self.names[name] then
    return errors.new("HOST_REFUSED", ("the page is not served as '%s'; open the link that gantry up has printed, or "
      .. "start it with --web-host NAME"):format(name))
  end
  if origin and origin:lower() ~= ("%s://%s"):format(self.scheme, host) then
    return errors.new("ORIGIN_REFUSED", "requests from other pages are refused")
  end
end

---@param request any
function Door:let_in(request)
  request:add_header("Set-Cookie", ("%s=%s; Path=/; HttpOnly; SameSite=Strict%s"):format(self.cookie, self.token,
    self.scheme == "https" and "; Secure" or ""))
  request:add_header("Location", "/")
  request:answer(303, "text/plain", "")
end

---@param request any
---@return gantry.Error? err
function Door:check(request)
  local refused = self:check_origin(request)
  if refused then return refused end
  local has_token, by_hand = self:token_of(request)
  if not has_token then
    return errors.new("TOKEN_REQUIRED", "open the link that gantry up printed when it was started: it has the token, "
      .. "which is another one each time")
  end
  if request:method() ~= "GET" and not by_hand and not request:header "Origin" then
    return errors.new("ORIGIN_REFUSED", "a request that changes something must say which page it comes from (Origin)")
  end
end

---Whether a request is for the routes. One for the page itself is answered.
---@param request any
---@return boolean? admitted, gantry.Error? err
function Door:admit(request)
  for name, value in pairs(HEADERS) do request:add_header(name, value) end
  local path = request:path()
  if path == "/" and request:method() == "GET" and self:is_token(request:argument "token")
    and not self:check_origin(request) then
    self:let_in(request)
    return false
  end
  local refused = self:check(request)
  if refused then return nil, refused end
  local file = request:method() == "GET" and self.files[path]
  if not file then return true end
  request:answer(200, file.kind, file.bytes)
  return false
end

return web
