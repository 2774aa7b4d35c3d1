-- What wrk sends, and how its outcome is handed to the driver.
--
-- usage: wrk -s load.lua URL -- fixed
--        wrk -s load.lua URL -- id USERS SEED           GET a random user of 1..USERS
--        wrk -s load.lua URL -- skip USERS LIMIT SEED   GET a page at a random skip
--        wrk -s load.lua URL -- create RUN              POST users whose addresses no other RUN has
--
-- Requests are built as raw text: wrk.format costs more than the server's answer.
-- In the mode "fixed" no `request` is defined, so wrk repeats one prepared text without any Lua.

local lanes = 0

function setup(thread)
  thread:set("lane", lanes)
  lanes = lanes + 1
end

local function get(path)
  return "GET " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"
end

local function by_id(users)
  return function()
    return get("/users/" .. math.random(1, users))
  end
end

local function by_skip(users, limit)
  return function()
    return get("/users/?limit=" .. limit .. "&skip=" .. math.random(0, users - limit))
  end
end

local function create(run)
  local head = "POST /users/ HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port ..
    "\r\nContent-Type: application/json\r\nContent-Length: "
  local counter = 0
  return function()
    counter = counter + 1
    local body = string.format(
      '{"name":"Bench Person%8d","email":"r%02dt%dn%07d@example.com","age":%d}',
      counter, run, lane, counter, 18 + counter % 60)
    return head .. #body .. "\r\n\r\n" .. body
  end
end

function init(args)
  local mode = args[1]
  if mode == "id" then
    math.randomseed(tonumber(args[3]) + lane)
    request = by_id(tonumber(args[2]))
  elseif mode == "skip" then
    math.randomseed(tonumber(args[4]) + lane)
    request = by_skip(tonumber(args[2]), tonumber(args[3]))
  elseif mode == "create" then
    request = create(tonumber(args[2]))
  elseif mode ~= "fixed" then
    error("unknown mode: " .. tostring(mode))
  end
end

-- One line of JSON that the driver reads; times are microseconds.
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"bytes":%d,"p50":%d,"p99":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.timeout, e.status))
end
