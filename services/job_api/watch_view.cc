#include "services/job_api/watch_view.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/model/digest.h"

namespace fleetcast::job_api {
namespace {

constexpr size_t kFingerprintBytes = 16;
constexpr char kVersion[] = "1";
constexpr size_t kStayingHalf = 1 + 2 * kFingerprintBytes;  // Version and first fingerprint, in characters.

std::string Fingerprint(const std::string& bytes) {
  return absl::BytesToHexString(Absl(Sha256(bytes)).substr(0, kFingerprintBytes));
}

// The parts of `job` that change while it runs.
jobs::v1::JobDelta DeltaOf(const jobs::v1::Job& job) {
  jobs::v1::JobDelta delta;
  delta.set_state(job.state());
  if (job.has_statistics()) *delta.mutable_statistics() = job.statistics();
  if (job.has_actual_start_time()) *delta.mutable_actual_start_time() = job.actual_start_time();
  if (job.has_end_time()) *delta.mutable_end_time() = job.end_time();
  if (job.has_pause_time()) *delta.mutable_pause_time() = job.pause_time();
  delta.set_failure_reason(job.failure_reason());
  delta.set_etag(job.etag());
  return delta;
}

// The rest of it. With the id, so that no two jobs have the same.
jobs::v1::Job StayingParts(jobs::v1::Job job) {
  job.clear_state();
  job.clear_statistics();
  job.clear_actual_start_time();
  job.clear_end_time();
  job.clear_pause_time();
  job.clear_failure_reason();
  job.clear_etag();
  return job;
}

}  // namespace

WatchView::WatchView(jobs::v1::Job job) {
  *delta_.mutable_delta() = DeltaOf(job);
  const std::string token = absl::StrCat(kVersion, Fingerprint(StayingParts(job).SerializeAsString()),
                                         Fingerprint(delta_.delta().SerializeAsString()));
  *snapshot_.mutable_job() = std::move(job);
  snapshot_.set_resume_token(token);
  delta_.set_resume_token(token);
}

const jobs::v1::WatchJobResponse* WatchView::MessageFor(std::string_view token) const {
  if (token == this->token()) return nullptr;
  const bool has_seen_the_rest =
      token.size() == this->token().size() &&
      token.substr(0, kStayingHalf) == std::string_view(this->token()).substr(0, kStayingHalf);
  return has_seen_the_rest ? &delta_ : &snapshot_;
}

bool WatchView::is_over() const {
  const jobs::v1::Job::State state = delta_.delta().state();
  return state == jobs::v1::Job::STATE_COMPLETED || state == jobs::v1::Job::STATE_FAILED ||
         state == jobs::v1::Job::STATE_CANCELLED;
}

}  // namespace fleetcast::job_api
