"""The scripts that change or read the archive's part of the store; ``stream`` says what lies where.

``KEYS`` are, in this order: state, stream, rows, ids, keys, machines, processes, uses, erased, begun.
"""

from typing import Final

from shengdun.index.store import Script

_NOW: Final = """
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function push(kind, pseudonym, name, sealed, wrapped)
  local number = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
  redis.call('HSETNX', KEYS[5], 'tail/' .. name, wrapped)
  redis.call('HINCRBY', KEYS[8], name, 1)
  redis.call('HSET', KEYS[3], number, pseudonym .. name .. sealed)
  redis.call('XADD', KEYS[2], number .. '-0', 'k', kind, 't', now())
  return number
end
local function mark(count, forget_ms)
  local time = now()
  if forget_ms > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', time - forget_ms) end
  local new = 0
  for i = 1, count do new = new + redis.call('ZADD', KEYS[9], time, ARGV[i + 2]) end
  return new
end
local function is_erased(first, started_ms)
  for i = first, #ARGV do
    local erased_ms = redis.call('ZSCORE', KEYS[9], ARGV[i])
    if erased_ms and tonumber(erased_ms) >= started_ms then return true end
  end
  return false
end
local function let_go(row)
  local name = string.sub(row, 17, 26)
  if redis.call('HINCRBY', KEYS[8], name, -1) <= 0 then
    redis.call('HDEL', KEYS[8], name)
    redis.call('HDEL', KEYS[5], 'tail/' .. name)
  end
end
local function take(number)
  local row = redis.call('HGET', KEYS[3], number)
  if not row then return nil end
  redis.call('HDEL', KEYS[3], number)
  let_go(row)
  return row
end
"""
ADD: Final = Script(
    _NOW
    + """
local known = redis.call('HGET', KEYS[4], ARGV[1])
if known then
  local number, token = string.match(known, '^(%d+):(.*)$')
  if token == ARGV[6] then return {'DONE', tonumber(number)} end
  return {'KNOWN', tonumber(number)}
end
if tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0') > tonumber(ARGV[5]) then return {'BEHIND', 0} end
if is_erased(8, tonumber(ARGV[7])) then return {'ERASED', 0} end
local number = push('c', ARGV[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[4], ARGV[1], number .. ':' .. ARGV[6])
return {'DONE', number}
"""
)
ERASE: Final = Script(
    _NOW
    + """
-- Deletions first: they are allowed when memory is full, and what follows in the same script is then allowed too.
local removed, marks = 0, tonumber(ARGV[1])
for i = marks + 8, #ARGV do
  local known = redis.call('HGET', KEYS[4], ARGV[i])
  if known then
    if take(string.match(known, '^%d+')) then removed = removed + 1 end
    redis.call('HDEL', KEYS[4], ARGV[i])
  end
end
mark(marks, tonumber(ARGV[2]))
local head = marks + 3
local number = push('e', ARGV[head + 1], ARGV[head + 2], ARGV[head + 3], ARGV[head + 4])
redis.call('HINCRBY', KEYS[8], ARGV[head + 2], 1)
redis.call('HSET', KEYS[10], number .. ':' .. ARGV[head], ARGV[head + 1] .. ARGV[head + 2] .. ARGV[head + 3])
return {number, removed}
"""
)
BEGUN: Final = Script("return redis.call('HGETALL', KEYS[10])")
SETTLE: Final = Script(
    _NOW
    + """
for _, field in ipairs(ARGV) do
  local row = redis.call('HGET', KEYS[10], field)
  if row then
    redis.call('HDEL', KEYS[10], field)
    let_go(row)
  end
end
return 0
"""
)
MARK: Final = Script(_NOW + "return mark(tonumber(ARGV[1]), tonumber(ARGV[2]))")
UNMARK: Final = Script("return redis.call('ZREM', KEYS[9], unpack(ARGV))")
ERASED: Final = Script(_NOW + "return is_erased(2, tonumber(ARGV[1])) and 1 or 0")
READ: Final = Script(
    """
local out = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
  local number = string.match(entry[1], '^%d+')
  out[#out + 1] = {tonumber(number), entry[2][2], redis.call('HGET', KEYS[3], number) or ''}
end
return {tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0'), out}
"""
)
REGISTER: Final = Script(
    _NOW
    + """
local sequence = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
local trimmed = tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0')
local through = tonumber(ARGV[2])
-- A store that was put back to an older copy of itself must not give numbers again that partitions have already.
if through > sequence then redis.call('HSET', KEYS[1], 'sequence', through, 'trimmed', through) end
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2] .. ':' .. now())
return {sequence, trimmed}
"""
)
TRIM: Final = Script(
    _NOW
    + """
local time = now()
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2] .. ':' .. time)
local least = tonumber(ARGV[2])
local machines = redis.call('HGETALL', KEYS[6])
for i = 2, #machines, 2 do
  local through, seen = string.match(machines[i], '^(%d+):(%d+)$')
  if time - tonumber(seen) <= tonumber(ARGV[3]) then least = math.min(least, tonumber(through)) end
end
local trimmed = tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0')
local taken = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. trimmed .. '-0', least .. '-0', 'COUNT', ARGV[5])) do
  if time - tonumber(entry[2][4]) < tonumber(ARGV[4]) then break end
  local number = string.match(entry[1], '^%d+')
  local row = take(number)
  if row and entry[2][2] == 'c' then redis.call('HDEL', KEYS[4], string.sub(row, 1, 16)) end
  trimmed, taken = tonumber(number), taken + 1
end
if taken > 0 then
  redis.call('HSET', KEYS[1], 'trimmed', trimmed)
  redis.call('XTRIM', KEYS[2], 'MINID', (trimmed + 1) .. '-0')
end
return taken
"""
)
HEARD: Final = Script(
    _NOW
    + """
local time = now()
redis.call('HSET', KEYS[7], ARGV[1], ARGV[2] .. ':' .. time)
local processes = redis.call('HGETALL', KEYS[7])
for i = 2, #processes, 2 do
  if time - tonumber(string.match(processes[i], ':(%d+)$')) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[7], processes[i - 1])
  end
end
return 0
"""
)
PLACES: Final = Script(
    _NOW
    + """
return {now(), redis.call('HGETALL', KEYS[6]), redis.call('HGETALL', KEYS[7])}
"""
)
LEAVE: Final = Script("return redis.call('HDEL', KEYS[7], ARGV[1])")
PUT_KEYS: Final = Script("return redis.call('HSET', KEYS[5], unpack(ARGV))")
GET_KEYS: Final = Script("return redis.call('HMGET', KEYS[5], unpack(ARGV))")
DROP_KEYS: Final = Script("return redis.call('HDEL', KEYS[5], unpack(ARGV))")
KEY_NAMES: Final = Script("return redis.call('HKEYS', KEYS[5])")
KNOWN: Final = Script("return redis.call('HGET', KEYS[4], ARGV[1])")
