// One reading of a job as its watchers are told of it. Pure.
//
// A resume token is a fingerprint of what its holder has seen, made of two halves: the parts of a job that stay, and
// those that change while it runs. So any replica can tell what is new to the holder, without memory of the watch and
// without a key; a token of another job, or one made up, fits nothing and is answered with a snapshot
// (docs/decisions/0012-watch-tokens-are-fingerprints.md).
#pragma once

#include <string>
#include <string_view>

#include "fleetcast/jobs/v1/job.pb.h"

namespace fleetcast::job_api {

// Immutable, thread-safe.
class WatchView {
 public:
  explicit WatchView(jobs::v1::Job job);

  // What to tell one who holds `token` (empty = none): the job, its delta, or nullptr when nothing has changed. Valid
  // as long as this view.
  const jobs::v1::WatchJobResponse* MessageFor(std::string_view token) const;

  // Of those that have seen this reading.
  const std::string& token() const { return snapshot_.resume_token(); }
  // Whether the job has ended: nothing changes any more.
  bool is_over() const;

 private:
  jobs::v1::WatchJobResponse snapshot_;
  jobs::v1::WatchJobResponse delta_;
};

}  // namespace fleetcast::job_api
