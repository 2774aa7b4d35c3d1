-- What wrk sends, and how its outcome is handed to the driver.
--
-- usage: wrk -s load.lua URL -- fixed
--        wrk -s load.lua URL -- id USERS SEED           GET a random user of 1..USERS
--        wrk -s load.lua URL -- skip USERS LIMIT SEED   GET a page at a random skip
--        wrk -s load.lua URL -- create RUN              POST users whose addresses no other RUN has
--        wrk -s load.lua URL -- patch FILE              PATCH users of whom FILE has id, version and age
--
-- Requests are built as raw text: wrk.format costs more than the server's answer.
-- In the mode "fixed" no `request` is defined, so wrk repeats one prepared text without any Lua.

local lanes = 0

function setup(thread)
  thread:set("lane", lanes)
  lanes = lanes + 1
end

-- The fields that the command line names, which only requests by id have.
local fields = ""

local function get(path)
  return "GET " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. fields .. "\r\n\r\n"
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

-- Each user is in the queue or under way: after an answer it goes to the end of the queue, with the
-- version that the next If-Match must have. The age always changes, or the version would not.
local function patch(file)
  local tail = " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port ..
    "\r\nContent-Type: application/merge-patch+json\r\nIf-Match: \""
  local ids, versions, ages = {}, {}, {}
  local first, last = 1, 0
  for line in io.lines(file) do
    last = last + 1
    ids[last], versions[last], ages[last] = line:match("(%d+) (%d+) (%d+)")
  end
  request = function()
    local id, version, age = ids[first], versions[first], ages[first]
    ids[first], versions[first], ages[first] = nil, nil, nil
    first = first + 1
    local body = '{"age":' .. age % 150 + 1 .. "}"
    return "PATCH /users/" .. id .. tail .. version .. '"\r\nContent-Length: ' .. #body .. "\r\n\r\n" .. body
  end
  response = function(status, headers, body)
    local id, age, version = body:match('"id":(%d+),.*"age":(%w+),.*"version":(%d+)')
    if id then
      last = last + 1
      ids[last], versions[last], ages[last] = id, version, tonumber(age) or 0
    end
  end
end

function init(args)
  local mode = args[1]
  if mode == "id" then
    math.randomseed(tonumber(args[3]) + lane)
    for name, value in pairs(wrk.headers) do
      if name ~= "Host" then
        fields = fields .. "\r\n" .. name .. ": " .. value
      end
    end
    request = by_id(tonumber(args[2]))
  elseif mode == "skip" then
    math.randomseed(tonumber(args[4]) + lane)
    request = by_skip(tonumber(args[2]), tonumber(args[3]))
  elseif mode == "create" then
    request = create(tonumber(args[2]))
  elseif mode == "patch" then
    patch(args[2])
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
