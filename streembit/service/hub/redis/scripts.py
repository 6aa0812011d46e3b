"""What is done in Redis at once: each script is one step that nothing comes between.

All keys begin with the hub's prefix, the first argument of every script. A
member that is joined is a field of `who`: "STARTED PROCESS SESSION"; it counts
only while its process holds its lease, a key that runs out by itself. So a
process that is killed takes its members with it, and whoever sees the lease
gone sweeps up behind it.

The scripts name keys by what they find, which a cluster of Redis forbids: a
hub has one server, with replicas if one likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from typing import Final

_COMMON: Final = """
local P = ARGV[1]
local living = {}
local function alive(process)
  if living[process] == nil then
    living[process] = redis.call('EXISTS', P .. 'lease:' .. process) == 1
  end
  return living[process]
end
local function holder(key)
  local found = redis.call('HGET', P .. 'who', key)
  if not found then return nil end
  return string.match(found, '^(%d+) (%S+) (%S+)$')
end
local function tell(process, text)
  return redis.call('PUBLISH', P .. 'to:' .. process, text)
end
local function tell_all(text)
  return redis.call('PUBLISH', P .. 'to:all', text)
end
local function leave(key, process)
  redis.call('HDEL', P .. 'who', key)
  redis.call('DEL', P .. 'shown:' .. key)
  redis.call('SREM', P .. 'of:' .. process, key)
end
local function count(side, who, mails, bytes)
  if redis.call('HINCRBY', P .. 'mails:' .. side, who, mails) <= 0 then
    redis.call('HDEL', P .. 'mails:' .. side, who)
  end
  if redis.call('HINCRBY', P .. 'bytes:' .. side, who, bytes) <= 0 then
    redis.call('HDEL', P .. 'bytes:' .. side, who)
  end
end
local function count_all(to, by, mails, bytes)
  count('to', to, mails, bytes)
  count('by', by, mails, bytes)
  count('all', '', mails, bytes)
end
local function held(what, side, who)
  return tonumber(redis.call('HGET', P .. what .. ':' .. side, who) or '0')
end
local function delete(to, by, id)
  local name = by .. ' ' .. id
  local position = redis.call('HGET', P .. 'names:' .. to, name)
  if not position then return 0 end
  local found = redis.call('XRANGE', P .. 'box:' .. to, position, position)
  redis.call('XDEL', P .. 'box:' .. to, position)
  redis.call('HDEL', P .. 'names:' .. to, name)
  redis.call('ZREM', P .. 'kept', to .. ' ' .. name)
  if #found > 0 then count_all(to, by, -1, -tonumber(found[1][2][4])) end
  if redis.call('XLEN', P .. 'box:' .. to) == 0 then redis.call('DEL', P .. 'box:' .. to) end
  return 1
end
local function withdraw(key)
  local found = redis.call('HGET', P .. 'entries', key)
  if not found then return 0 end
  local name = cjson.decode(found).name
  redis.call('HDEL', P .. 'entries', key)
  redis.call('ZREM', P .. 'names', name .. '\\0' .. key)
  redis.call('ZREM', P .. 'over', key)
  return 1
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A step, by the name that errors tell."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """How Redis knows it once it was loaded."""
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def _script(name: str, body: str) -> Script:
    return Script(name, _COMMON + body)


# Arguments: process, how long the lease is (ms). Returns whether it had run out.
LEASE: Final = _script(
    "lease",
    """
local ran_out = redis.call('EXISTS', P .. 'lease:' .. ARGV[2]) == 0
redis.call('SET', P .. 'lease:' .. ARGV[2], '1', 'PX', ARGV[3])
redis.call('SADD', P .. 'processes', ARGV[2])
for _, process in ipairs(redis.call('SMEMBERS', P .. 'processes')) do
  if not alive(process) then
    for _, key in ipairs(redis.call('SMEMBERS', P .. 'of:' .. process)) do
      local _, at = holder(key)
      if at == process then
        leave(key, process)
        tell_all('C ' .. key)
      end
    end
    redis.call('DEL', P .. 'of:' .. process)
    redis.call('SREM', P .. 'processes', process)
  end
end
return ran_out and 1 or 0
""",
)

# Arguments: process. Its members are not here any more.
END: Final = _script(
    "end",
    """
redis.call('DEL', P .. 'lease:' .. ARGV[2])
for _, key in ipairs(redis.call('SMEMBERS', P .. 'of:' .. ARGV[2])) do
  local _, at = holder(key)
  if at == ARGV[2] then
    leave(key, ARGV[2])
    tell_all('C ' .. key)
  end
end
redis.call('DEL', P .. 'of:' .. ARGV[2])
redis.call('SREM', P .. 'processes', ARGV[2])
return 1
""",
)

# Arguments: process, key, session, started (ms), then to whom it is shown. Returns whether
# the session holds the key; the one before is told to end.
CLAIM: Final = _script(
    "claim",
    """
local process, key, session, started = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local before, at, other = holder(key)
if at and other ~= session then
  if alive(at) then
    if tonumber(before) > tonumber(started) then return 0 end
    tell(at, 'S ' .. other)
  end
  leave(key, at)
end
redis.call('HSET', P .. 'who', key, started .. ' ' .. process .. ' ' .. session)
redis.call('SADD', P .. 'of:' .. process, key)
for i = 6, #ARGV do redis.call('SADD', P .. 'shown:' .. key, ARGV[i]) end
tell_all('C ' .. key)
return 1
""",
)

# Arguments: key, session.
RELEASE: Final = _script(
    "release",
    """
local _, at, session = holder(ARGV[2])
if session ~= ARGV[3] then return 0 end
leave(ARGV[2], at)
tell_all('C ' .. ARGV[2])
return 1
""",
)

# Arguments: process, number, recipient, token. Returns whether another process has it.
ROUTE: Final = _script(
    "route",
    """
local _, at = holder(ARGV[4])
if not at or at == ARGV[2] or not alive(at) then return 0 end
return tell(at, 'R ' .. ARGV[3] .. ' ' .. ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
""",
)

# Arguments: key. Returns how many sessions are told to end.
KICK: Final = _script(
    "kick",
    """
local _, at = holder(ARGV[2])
if not at or not alive(at) then return 0 end
return tell(at, 'K ' .. ARGV[2])
""",
)

# Arguments: key, then to whom it is shown from now on.
SHOW: Final = _script(
    "show",
    """
redis.call('DEL', P .. 'shown:' .. ARGV[2])
if redis.call('HEXISTS', P .. 'who', ARGV[2]) == 0 then return 0 end
for i = 3, #ARGV do redis.call('SADD', P .. 'shown:' .. ARGV[2], ARGV[i]) end
tell_all('C ' .. ARGV[2])
return 1
""",
)

# Arguments: watcher, then keys. Returns those that are here and show it to the watcher.
VISIBLE: Final = _script(
    "visible",
    """
local found = {}
for i = 3, #ARGV do
  local _, at = holder(ARGV[i])
  if at and alive(at) and redis.call('SISMEMBER', P .. 'shown:' .. ARGV[i], ARGV[2]) == 1 then
    found[#found + 1] = ARGV[i]
  end
end
return found
""",
)

# Arguments: recipient, sender, id, kept (s), token, what it takes beside the token (bytes),
# then the bounds: messages and bytes of a box, of a sender, bytes of all.
KEEP: Final = _script(
    "keep",
    """
local to, by, id, kept, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local name, takes = by .. ' ' .. id, #token + tonumber(ARGV[7])
local function over(what, side, who, more, limit)
  return held(what, side, who) + more > tonumber(limit)
end
if redis.call('HEXISTS', P .. 'names:' .. to, name) == 1 then return 'again' end
if over('mails', 'to', to, 1, ARGV[8]) or over('bytes', 'to', to, takes, ARGV[9]) then
  return 'box'
end
if over('bytes', 'all', '', takes, ARGV[12]) then return 'all' end
if over('mails', 'by', by, 1, ARGV[10]) or over('bytes', 'by', by, takes, ARGV[11]) then
  return 'sender'
end
local position = redis.call('INCR', P .. 'number') .. '-0'
redis.call('XADD', P .. 'box:' .. to, position, 't', token, 'b', takes)
redis.call('HSET', P .. 'names:' .. to, name, position)
redis.call('ZADD', P .. 'kept', kept, to .. ' ' .. name)
count_all(to, by, 1, takes)
local _, at = holder(to)
if at and alive(at) then tell(at, 'M ' .. to) end
return 'kept'
""",
)

# Arguments: recipient, then sender and id of each mail. Returns how many there were.
ACK: Final = _script(
    "ack",
    """
local gone = 0
for i = 3, #ARGV, 2 do gone = gone + delete(ARGV[2], ARGV[i], ARGV[i + 1]) end
return gone
""",
)

# Arguments: kept until (s), now (s), how many at most of each. Returns how many there were.
EXPIRE: Final = _script(
    "expire",
    """
local gone = 0
local old = redis.call('ZRANGEBYSCORE', P .. 'kept', '-inf', ARGV[2], 'LIMIT', 0, ARGV[4])
for _, mail in ipairs(old) do
  gone = gone + delete(string.match(mail, '^(%S+) (%S+) (%S+)$'))
  redis.call('ZREM', P .. 'kept', mail)
end
local over = redis.call('ZRANGEBYSCORE', P .. 'over', '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
for _, key in ipairs(over) do gone = gone + withdraw(key) end
return gone
""",
)

# Returns mails, their bytes, joined members, processes.
USAGE: Final = _script(
    "usage",
    """
local there = 0
for _, process in ipairs(redis.call('SMEMBERS', P .. 'processes')) do
  if alive(process) then there = there + 1 end
end
return {held('mails', 'all', ''), held('bytes', 'all', ''), redis.call('HLEN', P .. 'who'), there}
""",
)

# Arguments: key, name, expires (s), token, how many entries at most. Returns 0 where there
# is no room.
PUBLISH: Final = _script(
    "publish",
    """
local key, name, expires, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if withdraw(key) == 0 and redis.call('HLEN', P .. 'entries') >= tonumber(ARGV[6]) then return 0 end
redis.call('HSET', P .. 'entries', key, cjson.encode({name = name, token = token}))
redis.call('ZADD', P .. 'names', 0, name .. '\\0' .. key)
redis.call('ZADD', P .. 'over', expires, key)
return 1
""",
)

# Arguments: key.
WITHDRAW: Final = _script("withdraw", "return withdraw(ARGV[2])")

# Arguments: beginning of the name, now (s), how many at most. Returns tokens by name.
SEARCH: Final = _script(
    "search",
    """
local found, at, most = {}, 0, tonumber(ARGV[4])
local low, high = '[' .. ARGV[2], '[' .. ARGV[2] .. '\\255'
while #found < most do
  local page = redis.call('ZRANGEBYLEX', P .. 'names', low, high, 'LIMIT', at, most)
  if #page == 0 then break end
  for _, place in ipairs(page) do
    local key = string.match(place, '%z(.*)$')
    if tonumber(redis.call('ZSCORE', P .. 'over', key)) > tonumber(ARGV[3]) then
      found[#found + 1] = cjson.decode(redis.call('HGET', P .. 'entries', key)).token
    end
  end
  at = at + #page
end
while #found > most do table.remove(found) end
return found
""",
)

ALL: Final = (
    LEASE,
    END,
    CLAIM,
    RELEASE,
    ROUTE,
    KICK,
    SHOW,
    VISIBLE,
    KEEP,
    ACK,
    EXPIRE,
    USAGE,
    PUBLISH,
    WITHDRAW,
    SEARCH,
)
