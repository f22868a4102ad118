#include "libs/redis/pipeline.h"

namespace fleetcast::redis {

void Pipeline::AddScript(const Script& script, const std::vector<std::string>& keys,
                         const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"EVALSHA", "", std::to_string(keys.size())};
  all.insert(all.end(), keys.begin(), keys.end());
  all.insert(all.end(), arguments.begin(), arguments.end());
  commands_.push_back({std::move(all), &script});
}

}  // namespace fleetcast::redis
