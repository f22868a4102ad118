// What connections need of the twin service.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleetcast/internal/v1/device_record.pb.h"
#include "libs/base/clock.h"
#include "services/device_connection/record_cache.h"

namespace grpc {
class ChannelInterface;
}  // namespace grpc

namespace fleetcast::device_connection {

// A record and how it was come by.
struct FoundRecord {
  std::shared_ptr<const internal::v1::DeviceRecord> record;  // Null: the device does not exist.
  bool is_fresh = false;                                     // Read just now, not from the cache.
};

// DeviceRecordService with the record cache in front. Each call blocks for at most kLimit and never repeats by itself.
// Thread-safe.
class TwinClient {
 public:
  static constexpr absl::Duration kLimit = absl::Seconds(5);
  static constexpr size_t kRecordsPerCallMax = 1000;

  TwinClient(const std::shared_ptr<grpc::ChannelInterface>& channel, RecordCache& cache, Clock& clock);
  ~TwinClient();

  using Records = absl::flat_hash_map<std::string, FoundRecord>;
  enum class Freshness { kCached, kFresh };
  // Records of these devices, one entry each.
  absl::StatusOr<Records> FindRecords(const std::vector<std::string>& device_ids, Freshness freshness);

  absl::StatusOr<internal::v1::SaveSubscriptionsResponse> SaveSubscriptions(
      const internal::v1::SaveSubscriptionsRequest& request);
  absl::StatusOr<internal::v1::ReadDeviceTwinsResponse> ReadTwins(const internal::v1::ReadDeviceTwinsRequest& request);
  absl::StatusOr<internal::v1::PatchReportedResponse> PatchReported(const internal::v1::PatchReportedRequest& request);
  absl::Status RecordPresence(const internal::v1::RecordPresenceRequest& request);
  absl::StatusOr<int64_t> RaiseSessionGeneration(int64_t seen);

 private:
  struct Stub;

  absl::Status Lookup(const std::vector<std::string>& device_ids, Records& records);

  RecordCache& cache_;
  Clock& clock_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace fleetcast::device_connection
