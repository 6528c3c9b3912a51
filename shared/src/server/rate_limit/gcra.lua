-- Takes one request out of each bucket, if there is one left in it. All at once or not at all: nothing runs in between.
--
-- KEYS are the buckets. ARGV are, for each of them: the microseconds in which it gains one request, and how many it holds.
-- The answer is, for each of them: how many are left; or, negative, the microseconds until there is one.
--
-- A bucket is kept as the instant at which it will be full again (GCRA), and expires then. The clock is the server's own,
-- so that replicas need not agree on the time.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answers = {}
for place, bucket in ipairs(KEYS) do
  local pause = tonumber(ARGV[2 * place - 1])
  local span = pause * tonumber(ARGV[2 * place])
  local full = tonumber(redis.call('GET', bucket) or now)
  -- Not beyond what an empty bucket takes: the clock of another server may have been ahead.
  full = math.min(math.max(full, now), now + span)
  local after = full + pause
  local early = after - span - now
  if early > 0 then
    answers[place] = -math.ceil(early)
  else
    redis.call('SET', bucket, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
    answers[place] = math.floor(-early / pause)
  end
end
return answers
