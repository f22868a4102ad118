// The calls of a writer, each turned into the entry that the history needs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleetcast/internal/v1/device_record.grpc.pb.h"
#include "fleetcast/internal/v1/twin_write.grpc.pb.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "fleetcast/twins/v1/twin.grpc.pb.h"
#include "tests/twins/history.h"

namespace fleetcast::twin_history {

// One connection; for one thread.
class Client {
 public:
  explicit Client(const std::string& address);

  absl::Status CreateDevice(const std::string& device);
  absl::StatusOr<Snapshot> Read(const std::string& device);

  // Carries out a kMerge or kReplace and fills in `result`, `reason`, `after`, `begin` and `end`.
  void WriteTwin(Operation& operation);

  // One call with all patches (kReported), in their order.
  void WriteReported(std::vector<Operation>& operations);

  // One slice of a job with key (`job`, 0, 0): the same patch on the devices of all operations. Sends it until the
  // answer is known, as a scheduler does, and once more after that when `is_repeated`. Gives up when `is_over`.
  void WriteSlice(int64_t job, std::vector<Operation>& operations, bool is_repeated,
                  const std::function<bool()>& is_over);

 private:
  // Sends the slice once. The answer, or nothing when the stream broke.
  std::optional<internal::v1::TwinSliceResult> SendSlice(const internal::v1::WriteSlicesRequest& request);

  std::unique_ptr<registry::v1::DeviceService::Stub> devices_;
  std::unique_ptr<twins::v1::TwinService::Stub> twins_;
  std::unique_ptr<internal::v1::DeviceRecordService::Stub> records_;
  std::unique_ptr<internal::v1::TwinWriteService::Stub> writes_;
};

}  // namespace fleetcast::twin_history
