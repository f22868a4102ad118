#include "tests/sim/sim_redis.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "services/device_connection/directory_scripts.h"

namespace fleetcast::sim {
namespace {

redis::Reply Text(std::string text) {
  return {.kind = redis::Reply::Kind::kText, .integer = 0, .text = std::move(text), .elements = {}};
}
redis::Reply Integer(int64_t number) {
  return {.kind = redis::Reply::Kind::kInteger, .integer = number, .text = {}, .elements = {}};
}
redis::Reply Array(std::vector<redis::Reply> elements) {
  return {.kind = redis::Reply::Kind::kArray, .integer = 0, .text = {}, .elements = std::move(elements)};
}

int64_t ToNumber(const std::string& text) {
  int64_t number = 0;
  FLEETCAST_CHECK(absl::SimpleAtoi(text, &number));
  return number;
}

std::string EpochText(const std::string& generation, int64_t counter) {
  return absl::StrFormat("%06x%010x", ToNumber(generation), counter);
}

}  // namespace

absl::StatusOr<std::vector<redis::Reply>> SimRedis::Run(const redis::Pipeline& pipeline, absl::Duration) {
  if (!is_up_ || universe_.random.Chance(fail_per_mille)) return absl::UnavailableError("simulated: no Redis");
  std::vector<redis::Reply> replies;
  for (const redis::Pipeline::Command& command : pipeline.commands()) replies.push_back(RunCommand(command));
  if (universe_.random.Chance(doubt_per_mille)) return absl::UnavailableError("simulated: the answer was lost");
  return replies;
}

const std::string* SimRedis::Get(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end() || found->second.expire <= universe_.queue.now()) return nullptr;
  return &found->second.text;
}

std::string SimRedis::GetOr(const std::string& key, const char* otherwise) {
  const std::string* text = Get(key);
  return text == nullptr ? otherwise : *text;
}

std::string SimRedis::Generation(const std::string& sentinel) {
  const std::vector<std::string> words = absl::StrSplit(GetOr(sentinel, ""), ' ');
  return words.size() == 2 && words[1] == absl::StrCat(run_) ? words[0] : "";
}

redis::Reply SimRedis::RunCommand(const redis::Pipeline::Command& command) {
  const Words& words = command.arguments;
  if (command.script != nullptr) {
    const auto keys = words.begin() + 3;
    const auto arguments = keys + ToNumber(words[2]);
    return RunScript(*command.script, Words(keys, arguments), Words(arguments, words.end()));
  }
  if (words[0] == "MGET") {
    std::vector<redis::Reply> values;
    for (size_t i = 1; i < words.size(); ++i) {
      const std::string* text = Get(words[i]);
      values.push_back(text == nullptr ? redis::Reply() : Text(*text));
    }
    return Array(std::move(values));
  }
  if (words[0] == "SET") {  // Always with PX.
    keys_[words[1]] = {words[2], universe_.queue.now() + absl::Milliseconds(ToNumber(words[4]))};
    return Text("OK");
  }
  if (words[0] == "INCR") {
    const int64_t number = ToNumber(GetOr(words[1], "0")) + 1;
    Set(words[1], absl::StrCat(number));
    return Integer(number);
  }
  FLEETCAST_CHECK(words[0] == "SCAN");
  return Scan();
}

// Everything at once: as small as the world is, one page holds it.
redis::Reply SimRedis::Scan() {
  std::vector<redis::Reply> found;
  for (const auto& [key, value] : keys_) {
    if (absl::StartsWith(key, "fleetcast:session:")) found.push_back(Text(key));
  }
  std::vector<redis::Reply> answer;
  answer.push_back(Text("0"));
  answer.push_back(Array(std::move(found)));
  return Array(std::move(answer));
}

redis::Reply SimRedis::RunScript(const redis::Script& script, const Words& keys, const Words& arguments) {
  namespace scripts = device_connection;
  if (&script == &scripts::GenerationScript()) {
    const std::string generation = Generation(keys[0]);
    if (generation.empty()) return Array({});
    std::vector<redis::Reply> answer;
    answer.push_back(Text(generation));
    answer.push_back(Text(GetOr(keys[1], "0")));
    return Array(std::move(answer));
  }
  if (&script == &scripts::OpenScript()) return Open(keys, arguments);
  if (&script == &scripts::AnnounceScript()) return Announce(keys, arguments);
  if (&script == &scripts::InstallScript()) return Install(keys, arguments);
  const std::string* old = Get(keys[0]);
  if (&script == &scripts::SubscribeScript()) {
    if (old == nullptr) return Integer(0);
    const std::string standing = old->substr(0, 16);
    if (standing != arguments[0]) return Integer(standing > arguments[0] ? -1 : 0);
    Set(keys[0], absl::StrCat(standing, arguments[1], old->substr(21)));
    return Integer(1);
  }
  if (&script == &scripts::CloseScript()) {
    if (old == nullptr || (old->substr(0, 16) != arguments[0] && !closes_any_epoch)) return Integer(0);
    if ((*old)[16] == 'n') {
      keys_[keys[0]] = {old->substr(0, 21), universe_.queue.now() + absl::Milliseconds(ToNumber(arguments[1]))};
    } else {
      Set(keys[0], old->substr(0, 21));
    }
    return Integer(1);
  }
  FLEETCAST_CHECK(&script == &scripts::ForgetScript());
  if (old == nullptr) return Integer(0);
  Set(keys[0], absl::StrCat(old->substr(0, 16), arguments[0], old->substr(21)));
  return Integer(1);
}

redis::Reply SimRedis::Open(const Words& keys, const Words& arguments) {
  const std::string generation = Generation(keys[0]);
  if (generation.empty()) return Array({});
  const int64_t sessions = static_cast<int64_t>(keys.size()) - 2;
  const int64_t last = ToNumber(GetOr(keys[1], "0")) + sessions;
  Set(keys[1], absl::StrCat(last));
  const int64_t first = last - sessions + 1;
  if (EpochText(generation, first) <= arguments[0]) return Array({});
  std::vector<redis::Reply> answer = {Text(generation), Integer(first)};
  for (int64_t i = 0; i < sessions; ++i) {
    const std::string& key = keys[static_cast<size_t>(i) + 2];
    const std::string& mode = arguments[static_cast<size_t>(2 * i) + 1];
    const std::string epoch = EpochText(generation, first + i);
    const std::string old = GetOr(key, "");
    if (old.substr(0, 16) >= epoch) return Array({});
    std::string stored = mode.substr(1);
    if (mode[0] == 'i' && old.size() > 16) {
      if (old[16] == 'y') stored = old.substr(16, 5);
      if (old[16] == 'n') stored = "y0000";
    }
    Set(key, absl::StrCat(epoch, stored, arguments[static_cast<size_t>(2 * i) + 2]));
    answer.push_back(Text(old));
  }
  return Array(std::move(answer));
}

redis::Reply SimRedis::Announce(const Words& keys, const Words& arguments) {
  const std::string generation = Generation(keys[0]);
  if (generation.empty()) return Array({});
  const std::string newest = EpochText(generation, ToNumber(GetOr(keys[1], "0")));
  std::vector<redis::Reply> answer;
  for (size_t i = 0; i + 2 < keys.size(); ++i) {
    const std::string& key = keys[i + 2];
    const std::string& entry = arguments[i];
    const std::string epoch = entry.substr(0, 16);
    if (epoch > newest) return Array({});
    const std::string old = GetOr(key, "");
    const std::string standing = old.substr(0, 16);
    answer.push_back(Integer(standing > epoch ? 0 : 1));
    if (standing == epoch && entry[16] == 'u') {
      Set(key, absl::StrCat(epoch, old.substr(16, 1), entry.substr(17)));
    } else if (standing <= epoch) {
      Set(key, entry);
    }
  }
  return Array(std::move(answer));
}

redis::Reply SimRedis::Install(const Words& keys, const Words& arguments) {
  const std::string standing = Generation(keys[0]);
  if (!standing.empty() && ToNumber(standing) >= ToNumber(arguments[0])) return Text(standing);
  Set(keys[0], absl::StrCat(arguments[0], " ", run_));
  Set(keys[1], "0");
  return Text(arguments[0]);
}

}  // namespace fleetcast::sim
