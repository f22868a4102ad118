// Asks twin which devices a condition selects.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/scheduler/effects.h"

namespace fleetcast::scheduler {

// Thread-safe. Goes to the next address after a stream that broke.
class TargetClient final : public TargetSource {
 public:
  // INVALID_ARGUMENT for a malformed address; there must be at least one.
  static absl::StatusOr<std::unique_ptr<TargetClient>> Make(const std::vector<std::string>& addresses);
  ~TargetClient() override;

  absl::Status StreamTargets(std::string_view condition, std::string_view after_device_id, std::stop_token stop,
                             const std::function<absl::Status(std::vector<std::string> page)>& on_page) override;

 private:
  struct State;
  explicit TargetClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetcast::scheduler
