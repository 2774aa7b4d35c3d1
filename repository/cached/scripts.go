package cached

import "github.com/redis/go-redis/v9"

// The steps that Redis takes as one. A block is 'b' and one record for each writer: the second in
// which the record expires, in ten digits by the clock of Redis, and the token. So writers of one user
// do not lift each other's blocks, and one that died holds nobody up for longer than its own time.
const lib = `
local function standing(entry, without)
  local kept = 'b'
  if entry and string.byte(entry) == 98 then
    local now = tonumber(redis.call('TIME')[1])
    for i = 2, #entry, 26 do
      if tonumber(string.sub(entry, i, i + 9)) > now and string.sub(entry, i + 10, i + 25) ~= without then
        kept = kept .. string.sub(entry, i, i + 25)
      end
    end
  end
  return kept
end
`

//nolint:gochecknoglobals // never written
var (
	// swapScript replaces an entry that is still the one expected: key; expected, new, milliseconds. It
	// deletes the entry when the new one is empty.
	swapScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`)

	// blockScript adds a writer to each entry, whatever that was: keys; token, seconds.
	blockScript = redis.NewScript(lib + `
local record = string.format('%010d', tonumber(redis.call('TIME')[1]) + ARGV[2]) .. ARGV[1]
for _, key in ipairs(KEYS) do
  redis.call('SET', key, standing(redis.call('GET', key), ARGV[1]) .. record, 'EX', ARGV[2])
end
return 1`)

	// liftScript takes a writer off each entry, and deletes those that have no other: keys; token. What
	// stands where a block should, because Redis has lost that, may be from before the write.
	liftScript = redis.NewScript(lib + `
for _, key in ipairs(KEYS) do
  local entry = redis.call('GET', key)
  if entry and string.byte(entry) == 98 then
    local kept = standing(entry, ARGV[1])
    if kept == 'b' then redis.call('DEL', key) else redis.call('SET', key, kept, 'KEEPTTL') end
  elseif entry then
    redis.call('DEL', key)
  end
end
return 1`)
)
