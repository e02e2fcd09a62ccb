-- SPDX-License-Identifier: Apache-2.0
--
--- browser.lua: a headless Chromium for specs of the page, driven by chromedriver in the WebDriver protocol: plain HTTP
--- with JSON.

local core = require "gantry.core"
local core_http = require "gantry.core.http"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"

local browser = {}

local ARGUMENTS <const> = { "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--window-size=1500,1000", "--lang=en", "--host-resolver-rules=MAP foreign.example 127.0.0.1" }

---@class browser.Browser
---@field driver support.Command
---@field profile string folder
local Browser = {}
Browser.__index = Browser

---@param method string
---@param path string below the session's
---@param value table?
---@return any answer, table? failure
function Browser:request(method, path, value)
  local response, err = task.await(function(resume)
    local request = self.http:request { method = method, path = self.session .. path, timeout = 60,
      headers = { "Content-Type: application/json" }, body = value and json.encode(value) or nil,
      on_done = function(failure, answer) resume(answer, failure) end }
    return function() request:cancel() end
  end)
  assert(response, err and err.message)
  local answer = assert(json.decode(response.body)).value
  if response.status ~= 200 then return nil, answer end
  return answer
end

---@return any answer
function Browser:must(...)
  local answer, failure = self:request(...)
  assert(not failure, failure and failure.message)
  return answer
end

---Starts a browser with a profile of its own; inside a task.
---@return browser.Browser
function browser.open()
  local self = setmetatable({ profile = support.temporary(), session = "" }, Browser)
  self.driver = support.command({ "--port=0" }, { executable = "/usr/bin/chromedriver" })
  local port = self.driver:await("stdout", "started successfully on port (%d+)")
  self.http = assert(core_http.new(task.loop(), { url = "http://127.0.0.1:" .. port }))
  local arguments = { "--user-data-dir=" .. self.profile, table.unpack(ARGUMENTS) }
  local made = self:must("POST", "/session", { capabilities = { alwaysMatch = {
    ["goog:loggingPrefs"] = { browser = "ALL", performance = "ALL" },
    ["goog:chromeOptions"] = { args = json.array(arguments) } } } })
  self.session = "/session/" .. made.sessionId
  return self
end

---@param url string
function Browser:go(url)
  self:must("POST", "/url", { url = url })
end

---Runs a script in the page.
---@param script string a function's body
---@param ... any its arguments
---@return any value what it returns
function Browser:run(script, ...)
  return self:must("POST", "/execute/sync", { script = script, args = json.array { ... } })
end

---@param selector string of CSS
---@return string text of the first element, or ""
function Browser:text(selector)
  return self:run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
end

---@param selector string of CSS
function Browser:click(selector)
  local found = self:must("POST", "/element", { using = "css selector", value = selector })
  self:must("POST", ("/element/%s/click"):format(select(2, next(found))), {})
end

---Types on whatever has the focus.
---@param keys string
function Browser:type(keys)
  local found = self:must("GET", "/element/active")
  self:must("POST", ("/element/%s/value"):format(select(2, next(found))), { text = keys })
end

---What a log of the browser's has since it was asked for last.
---@param kind "browser"|"performance"
---@return table[]
function Browser:log(kind)
  return self:must("POST", "/se/log", { type = kind })
end

---@return string[] URLs of all requests since this was asked for last
function Browser:requests()
  local urls = {}
  for _, entry in ipairs(self:log "performance") do
    local message = assert(json.decode(entry.message)).message
    if message.method == "Network.requestWillBeSent" then urls[#urls + 1] = message.params.request.url end
  end
  return urls
end

---A command of Chromium's own protocol.
---@param name string
---@param parameters table?
---@return table answer
function Browser:command(name, parameters)
  return self:must("POST", "/goog/cdp/execute", { cmd = name, params = parameters or {} })
end

---@param scheme "light"|"dark"
function Browser:prefer(scheme)
  self:command("Emulation.setEmulatedMedia",
    { features = json.array { { name = "prefers-color-scheme", value = scheme } } })
end

---A figure of the page, once Performance is enabled.
---@param name string
---@return number
function Browser:metric(name)
  for _, one in ipairs(self:command "Performance.getMetrics".metrics) do
    if one.name == name then return one.value end
  end
  error("there is no metric " .. name)
end

---Keeps what the page looks like, beside what else was built.
---@param name string of the file, without .png
function Browser:screenshot(name)
  local folder = support.executable:match "^(.*)/[^/]*$" .. "/tests/page"
  assert(core.files.make_directory(folder))
  support.write(("%s/%s.png"):format(folder, name), assert(core.base64.decode(self:must("GET", "/screenshot"))))
end

function Browser:close()
  self:request("DELETE", "")
  self.http:close()
  self.driver:kill "TERM"
  self.driver:wait()
  support.remove(self.profile)
end

return browser
