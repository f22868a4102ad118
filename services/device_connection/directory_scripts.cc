#include "services/device_connection/directory_scripts.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/seeded_bug.h"

namespace fleetcast::device_connection {
namespace {

// The generation that stands; nil when there is none, or when another process than this Redis wrote it: a replica that
// took over, or a restart from a snapshot, of which nobody can say what it has not heard of.
constexpr char kMemory[] = R"lua(
local function run()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%x+)') or '-'
end
local function generation()
  local standing, writer = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%S+)$')
  return writer == run() and standing or nil
end
)lua";

}  // namespace

const redis::Script& GenerationScript() {
  static const auto& script = *new redis::Script(absl::StrCat(kMemory, R"lua(
local generation = generation()
if not generation then return {} end
return {generation, redis.call('GET', KEYS[2]) or '0'}
)lua"));
  return script;
}

const redis::Script& InstallScript() {
  static const auto& script = *new redis::Script(absl::StrCat(kMemory, R"lua(
local standing = generation()
if standing and tonumber(standing) >= tonumber(ARGV[1]) then return standing end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. run())
redis.call('SET', KEYS[2], '0')
return ARGV[1]
)lua"));
  return script;
}

const redis::Script& OpenScript() {
  static const auto& script = *new redis::Script(absl::StrCat(kMemory, R"lua(
local generation = generation()
if not generation then return {} end
local sessions = #KEYS - 2
local first = redis.call('INCRBY', KEYS[2], sessions) - sessions + 1
if string.format('%06x%010x', generation, first) <= ARGV[1] then return {} end
local answer = {generation, first}
for i = 1, sessions do
  local key, mode, place = KEYS[i + 2], ARGV[2 * i], ARGV[2 * i + 1]
  local epoch = string.format('%06x%010x', generation, first + i - 1)
  local old = redis.call('GET', key) or ''
  if string.sub(old, 1, 16) >= epoch then return {} end
  local stored = string.sub(mode, 2)
  if string.sub(mode, 1, 1) == 'i' then
    local before = string.sub(old, 17, 17)
    if before == 'y' then stored = string.sub(old, 17, 21) end
    if before == 'n' then stored = 'y0000' end
  end
  redis.call('SET', key, epoch .. stored .. place)
  answer[i + 2] = old
end
return answer
)lua"));
  return script;
}

const redis::Script& AnnounceScript() {
  static const auto& script = *new redis::Script(absl::StrCat(kMemory, R"lua(
local generation = generation()
if not generation then return {} end
local newest = string.format('%06x%010x', generation, redis.call('GET', KEYS[2]) or '0')
local answer = {}
for i = 1, #KEYS - 2 do
  local key, entry = KEYS[i + 2], ARGV[i]
  local epoch = string.sub(entry, 1, 16)
  if epoch > newest then return {} end
  local old = redis.call('GET', key) or ''
  local standing = string.sub(old, 1, 16)
  answer[i] = 1
  if standing > epoch then
    answer[i] = 0
  elseif standing == epoch and string.sub(entry, 17, 17) == 'u' then
    redis.call('SET', key, epoch .. string.sub(old, 17, 17) .. string.sub(entry, 18))
  else
    redis.call('SET', key, entry)
  end
end
return answer
)lua"));
  return script;
}

const redis::Script& SubscribeScript() {
  static const auto& script = *new redis::Script(R"lua(
local old = redis.call('GET', KEYS[1])
if not old then return 0 end
local standing = string.sub(old, 1, 16)
if standing > ARGV[1] then return -1 end
if standing < ARGV[1] then return 0 end
redis.call('SET', KEYS[1], standing .. ARGV[2] .. string.sub(old, 22))
return 1
)lua");
  return script;
}

const redis::Script& CloseScript() {
  static const auto& script = *new redis::Script(std::string(IsSeeded(SeededBug::kDeleteAnySession) ? "" : R"lua(
if string.sub(redis.call('GET', KEYS[1]) or '', 1, 16) ~= ARGV[1] then return 0 end
)lua") + R"lua(
local old = redis.call('GET', KEYS[1])
if not old then return 0 end
if string.sub(old, 17, 17) == 'n' then
  redis.call('SET', KEYS[1], string.sub(old, 1, 21), 'PX', ARGV[2])
else
  redis.call('SET', KEYS[1], string.sub(old, 1, 21))
end
return 1
)lua");
  return script;
}

const redis::Script& ForgetScript() {
  static const auto& script = *new redis::Script(R"lua(
local old = redis.call('GET', KEYS[1])
if not old then return 0 end
redis.call('SET', KEYS[1], string.sub(old, 1, 16) .. ARGV[1] .. string.sub(old, 22))
return 1
)lua");
  return script;
}

}  // namespace fleetcast::device_connection
