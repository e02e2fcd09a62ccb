-- SPDX-License-Identifier: Apache-2.0
--
--- The page of `gantry up --web`, in a browser, with a plugin on a real engine.

local browser = require "engine.browser"
local json = require "gantry.json"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

local HOSTILE <const> = [[<b id='injected'>bold</b><script>document.title = 'injected'</script>]]
local BIDI <const>, ESCAPE <const> = "\u{202e}gnp.exe", "\27[31mred"

describe("the page of gantry up", function()
  local place, chromium, link, origin

  before_each(function()
    task.run(function()
      place = supervision.place()
      chromium = browser.open()
    end)
  end)

  after_each(function()
    task.run(function()
      chromium:close()
      place:close()
    end)
  end)

  ---@param ... string more arguments
  local function up(...)
    local command = place:up(nil, { "--web", "127.0.0.1:0", ... })
    link = command:await("stderr", "gantry: web: (%S+)")
    origin = link:match "^(http://[^/]+)/"
    return command
  end

  ---Waits for a text of the page.
  local function await_text(selector, pattern)
    return support.eventually(("%s shows %s"):format(selector, pattern), function()
      return chromium:text(selector):find(pattern) ~= nil
    end)
  end

  ---That nothing of the page went wrong, and that it asked nobody but its own server.
  local function check_clean()
    for _, entry in ipairs(chromium:log "browser") do error(entry.message) end
    local urls = chromium:requests()
    assert.is_true(#urls > 5)
    for _, url in ipairs(urls) do
      if not url:find "^data:" and not url:find "^chrome:" then
        assert.are.equal(origin .. "/", url:sub(1, #origin + 1))
      end
    end
  end

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  test("shows a plugin come, die and come again, and restarts it by its button", function()
    place:policy("kv", "memory = '64MiB',\n restart = require('gantry.restart').always(),")
    up()
    chromium:go(link)
    assert.are.equal(origin .. "/", chromium:run "return location.href")
    assert.are.equal("", chromium:run "return document.cookie")
    await_text("tbody tr[data-state=ready] th", "^kv$")
    await_text("tbody td.of-memory", "64.0 MiB")
    chromium:click "tbody th a"
    await_text("#state", "^ready$")
    await_text("#timeline ol", "ready")
    await_text("#link", "^live$")
    await_text("tbody td.of-memory", "%d MiB of 64.0 MiB")
    await_text("#graphs", "Memory: [%d.]+ MiB of 64.0 MiB")
    support.eventually("the memory's graph has a line", function()
      return chromium:run "return document.querySelectorAll('#graphs path')[1].getAttribute('d').includes('L')"
    end)

    support.engine():kill(place:containers()[1].id, "KILL")
    await_text("#timeline", "exit.*SIGKILL")
    await_text("#timeline ol:first-child", "generation 2")
    await_text("#timeline ol:first-child", "ready")
    await_text("tbody tr[data-state=ready] td.of-generation", "^2$")
    await_text("#graphs", "Memory: [%d.]+ MiB of 64.0 MiB")
    chromium:prefer "light"
    chromium:screenshot "light"
    chromium:prefer "dark"
    chromium:screenshot "dark"

    chromium:click "#actions [data-verb=restart]"
    assert.are.equal("Restart kv? Its connections end.", chromium:text "#question")
    chromium:click "#yes"
    await_text("#outcome", "^restart: ready$")
    await_text("tbody td.of-generation", "^3$")
    chromium:click "#actions [data-verb=stop]"
    chromium:click "#no"
    chromium:click "#actions [data-verb=stop]"
    chromium:click "#yes"
    await_text("tbody tr[data-state=stopped] th", "^kv$")
    chromium:click "#actions [data-verb=start]"
    await_text("tbody tr[data-state=ready] td.of-generation", "^4$")
    check_clean()
  end)

  test("is used by keys", function()
    for _, name in ipairs { "one", "three", "two" } do place:policy(name) end
    up()
    chromium:go(link)
    await_text("tbody", "one.*three.*two")
    chromium:type "/tw"
    await_text("tbody", "^two")
    chromium:run "document.getElementById('filter').value = ''"
    chromium:run "document.getElementById('filter').dispatchEvent(new Event('input'))"
    local DOWN <const>, ENTER <const>, ESCAPE_KEY <const> = "\u{e015}", "\u{e007}", "\u{e00c}"
    chromium:type(ESCAPE_KEY)
    chromium:type(DOWN)
    chromium:type(DOWN)
    chromium:type(ENTER)
    await_text("#name", "^three$")
    chromium:type(ESCAPE_KEY)
    support.eventually("it is closed, and the keys are where they were", function()
      return chromium:run [[return document.getElementById("plugin").hidden
        && document.activeElement.textContent === "three"]]
    end)
    -- Whoever does not see it is told what each thing is.
    assert.are.same({}, chromium:run [[
      return [...document.querySelectorAll("input, button, table, section, [role=img], [tabindex='0']")]
        .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.getAttribute("aria-labelledby")
          || one.labels?.length)).map((one) => one.outerHTML)]])
  end)

  test("shows what plugins and policies write as text, whatever that is", function()
    place:policy("kv", ("args = { '-print-stderr', %q }, restart = function() return 'fail', { reason = %q } end,")
      :format(HOSTILE .. BIDI, HOSTILE .. BIDI .. ESCAPE))
    up()
    chromium:go(link)
    chromium:go(origin .. "/#kv")
    await_text("tbody tr[data-state=ready] th", "kv")
    await_text("#log", "<script>.*\\u{202e}gnp.exe")
    support.engine():kill(place:containers()[1].id, "KILL")
    await_text("#timeline", "<b id='injected'>")
    await_text("#timeline", "\\u{202e}gnp.exe\\x1b%[31mred")
    await_text("#detail", "<script>")
    assert.are.same({ 0, "gantry" }, chromium:run
      "return [document.querySelectorAll('#injected').length, document.title]")
    check_clean()
  end)

  test("does nothing for a page of somebody else's, whatever name that gives to this machine", function()
    place:policy "kv"
    up()
    chromium:go(link)
    await_text("tbody tr[data-state=ready] th", "kv")
    for _, foreign in ipairs { "foreign.example", "localhost" } do
      chromium:go(("http://%s:%s/?token=%s"):format(foreign, origin:match ":(%d+)$", link:match "token=(%x+)"))
      if foreign == "foreign.example" then assert.matches("HOST_REFUSED", chromium:text "body") end
      -- What it asks of the other name is another site's, or another origin's, request. Its end is told to it, no more.
      chromium:must("POST", "/execute/async", { args = json.array { origin }, script = [[
        const [target, done] = arguments;
        fetch(target + "/v1/plugins/kv/restart", { method: "POST", mode: "no-cors", credentials: "include" })
          .then(() => done("asked"), () => done("refused"))]] })
    end
    assert.are.equal(1, place:plugin("kv").generation)
    assert.is_nil(place:run("why", "kv").stdout:find "by hand")
  end)

  test("tells who has no token what to do, and one whose gantry up was started anew", function()
    place:policy "kv"
    local command = up()
    chromium:go(origin .. "/")
    assert.matches("TOKEN_REQUIRED", chromium:text "body")
    chromium:go(link)
    await_text("tbody", "kv")
    local port = origin:match ":(%d+)$"
    command:kill "TERM"
    command:wait()
    await_text("#link", "not connected")
    place:up(nil, { "--web", "127.0.0.1:" .. port, "--web-readonly" })
      :await("stderr", "gantry: web: (%S+)")
    await_text("#banner", "open the link that gantry up printed")
    local second = place.ups[#place.ups]
    chromium:go(second:await("stderr", "gantry: web: (%S+)"))
    await_text("tbody", "kv")
    chromium:click "tbody th a"
    await_text("#state", "ready")
    assert.is_true(chromium:run "return document.getElementById('actions').hidden")
  end)

  test("says what is wrong with where it is to be", function()
    local second = supervision.place()
    up()
    local port = origin:match ":(%d+)$"
    for _, case in ipairs {
      { 2, "is no ADDRESS:PORT; where it is the directory, put it before %-%-web", "--web", place.policies },
      { 2, "%-%-web%-… is about the page, which is there with %-%-web", place.policies, "--web-readonly" },
      { 7, "port " .. port .. ": another program has it; name another port", second.policies, "--web",
        "127.0.0.1:" .. port },
      { 7, "others reach 0.0.0.0:1: the page needs a certificate", second.policies, "--web", "0.0.0.0:1" },
    } do
      local result = second:run("up", table.unpack(case, 3))
      assert.matches("^gantry: [^\n]*" .. case[2] .. "[^\n]*\n$", result.stderr)
      assert.are.equal(case[1], result.code)
    end
    second:close()
  end)
end)
