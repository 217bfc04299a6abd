"""The changes to jobs in Redis, as Lua scripts: each runs whole or not at all, and nothing runs beside it.

What Redis holds (the prefix is `copydesk:`):

    job:ID               hash: status, model, scores, rules, texts, chunks, left, done, times, error, fingerprint
    job:ID:texts         hash: place of a chunk -> {"first", "texts"}, until it is done
    job:ID:answers       hash: place -> JSON array of predictions
    job:ID:chunks        hash: starts:PLACE, faults:PLACE, token:PLACE, until it is done
    key:HASH             the job of an Idempotency-Key
    status:STATUS        sorted set: job -> when it was made, or when its results expire
    sent                 sorted set: "ID PLACE" -> from when on a message that nobody took is sent again
    due                  sorted set: "ID PLACE" -> until when its worker, or its wait after a fault, has time
    waiting              how many texts are not answered

Scripts name keys that they build from the job's id, which Redis Cluster does not allow.
"""

from __future__ import annotations

_COMMON = """
local P = 'copydesk:'
local function is_open(status) return status == 'pending' or status == 'running' end
local function forget(id, place)
  local member = id .. ' ' .. place
  redis.call('ZREM', P .. 'sent', member)
  redis.call('ZREM', P .. 'due', member)
end
local function finish(id, status, now, reason)
  local job = P .. 'job:' .. id
  local fields = redis.call('HMGET', job, 'status', 'keep_s', 'remember_s', 'texts', 'done', 'chunks', 'key')
  local keep, remember = tonumber(fields[2]), tonumber(fields[3])
  redis.call('ZREM', P .. 'status:' .. fields[1], id)
  redis.call('ZADD', P .. 'status:' .. status, now + keep, id)
  redis.call('HSET', job, 'status', status, 'finished', now, 'expires', string.format('%.6f', now + keep))
  if reason then redis.call('HSET', job, 'error', reason) end
  redis.call('DECRBY', P .. 'waiting', tonumber(fields[4]) - tonumber(fields[5]))
  redis.call('DEL', job .. ':texts', job .. ':chunks')
  if status == 'succeeded' then
    redis.call('EXPIRE', job .. ':answers', math.ceil(keep + 600))
  else
    redis.call('DEL', job .. ':answers')
    for place = 0, tonumber(fields[6]) - 1 do forget(id, place) end
  end
  redis.call('EXPIRE', job, math.ceil(keep + remember + 600))
  if fields[7] then redis.call('EXPIRE', P .. 'key:' .. fields[7], math.ceil(keep)) end
end
"""

SUBMIT = (
    _COMMON
    + """
local id, now, key, patience, most, size = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
if key ~= '' then
  local known = redis.call('GET', P .. 'key:' .. key)
  if known then
    local expires = redis.call('HGET', P .. 'job:' .. known, 'expires')
    local there = redis.call('EXISTS', P .. 'job:' .. known) == 1
    if there and not (expires and tonumber(expires) <= tonumber(now)) then return {'known', known} end
  end
end
local waiting = tonumber(redis.call('GET', P .. 'waiting') or '0')
if waiting > 0 and waiting + tonumber(size) > most then return {'full', tostring(waiting)} end
local job = P .. 'job:' .. id
if redis.call('EXISTS', job) == 1 then return {'known', id} end  -- the reply was lost, and the client asked again
redis.call('PERSIST', job .. ':texts')
redis.call('HSET', job, 'status', 'pending', 'done', 0, 'created', now, unpack(ARGV, 7))
redis.call('INCRBY', P .. 'waiting', size)
redis.call('ZADD', P .. 'status:pending', now, id)
for place = 0, tonumber(redis.call('HGET', job, 'chunks')) - 1 do
  redis.call('ZADD', P .. 'sent', now + patience, id .. ' ' .. place)
end
if key ~= '' then
  redis.call('SET', P .. 'key:' .. key, id)
  redis.call('HSET', job, 'key', key)
end
return {'new', id}
"""
)

CLAIM = (
    _COMMON
    + """
local id, place, now, token = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local job, member = P .. 'job:' .. id, ARGV[1] .. ' ' .. ARGV[2]
local fields = redis.call('HMGET', job, 'status', 'lease_s', 'most_losses', 'model', 'scores', 'rules')
local body = redis.call('HGET', job .. ':texts', place)
if not is_open(fields[1]) or not body then
  forget(id, place)
  return false
end
local due = redis.call('ZSCORE', P .. 'due', member)
if due and tonumber(due) > now then return false end
local chunks = job .. ':chunks'
local faults = tonumber(redis.call('HGET', chunks, 'faults:' .. place) or '0')
local starts = redis.call('HINCRBY', chunks, 'starts:' .. place, 1)
if starts - 1 - faults >= tonumber(fields[3]) then
  return {body, fields[4], fields[5], fields[6], faults, 'lost'}
end
redis.call('HSET', chunks, 'token:' .. place, token)
redis.call('ZADD', P .. 'due', now + tonumber(fields[2]), member)
redis.call('ZREM', P .. 'sent', member)
if fields[1] == 'pending' then
  redis.call('HSET', job, 'status', 'running')
  redis.call('ZREM', P .. 'status:pending', id)
  redis.call('ZADD', P .. 'status:running', now, id)
end
return {body, fields[4], fields[5], fields[6], faults, 'claimed'}
"""
)

REST = (
    _COMMON
    + """
local id, place, until_s, token, faults = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local job = P .. 'job:' .. id
if redis.call('HGET', job .. ':chunks', 'token:' .. place) ~= token then return 0 end
redis.call('ZADD', P .. 'due', until_s, id .. ' ' .. place)
if faults > 0 then redis.call('HINCRBY', job .. ':chunks', 'faults:' .. place, faults) end
return 1
"""
)

FINISH = (
    _COMMON
    + """
local id, place, now, size, answers = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local job = P .. 'job:' .. id
if not is_open(redis.call('HGET', job, 'status')) then return 0 end
if redis.call('HSETNX', job .. ':answers', place, answers) == 0 then return 0 end
redis.call('HDEL', job .. ':texts', place)
redis.call('HDEL', job .. ':chunks', 'starts:' .. place, 'faults:' .. place, 'token:' .. place)
forget(id, place)
redis.call('HINCRBY', job, 'done', size)
redis.call('DECRBY', P .. 'waiting', size)
if redis.call('HINCRBY', job, 'left', -1) == 0 then finish(id, 'succeeded', now) end
return 1
"""
)

END = (
    _COMMON
    + """
local id, status, now, reason = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if not is_open(redis.call('HGET', P .. 'job:' .. id, 'status')) then return 0 end
finish(id, status, now, reason ~= '' and reason or nil)
return 1
"""
)

UNTAKEN = (
    _COMMON
    + """
local now, patience, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found = redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, most)
if redis.call('LLEN', KEYS[1]) == 0 then
  local lost = redis.call('ZRANGEBYSCORE', P .. 'sent', '-inf', now, 'LIMIT', 0, most)
  for _, member in ipairs(lost) do found[#found + 1] = member end
end
for _, member in ipairs(found) do
  redis.call('ZREM', P .. 'due', member)
  redis.call('ZADD', P .. 'sent', now + patience, member)
end
for _, status in ipairs({'succeeded', 'failed', 'cancelled'}) do
  redis.call('ZREMRANGEBYSCORE', P .. 'status:' .. status, '-inf', now)
end
return found
"""
)
