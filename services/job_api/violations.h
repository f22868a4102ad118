// The wrong fields of one request, gathered.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/model/rollout.h"
#include "libs/rpc/status.h"

namespace fleetcast::job_api {

// Gathers wrong fields; the first reason names the error. Used by one thread.
class Violations {
 public:
  void Add(std::string_view reason, std::string field, std::string description) {
    if (found_.empty()) reason_ = reason;
    found_.push_back({std::move(field), std::move(description)});
  }

  void AddIfBad(std::string_view reason, std::string field, const absl::Status& status) {
    if (!status.ok()) Add(reason, std::move(field), std::string(status.message()));
  }

  // Fields below `path`, for instance "job.rollout".
  void AddAll(std::string_view reason, const std::string& path, std::vector<PolicyProblem> problems) {
    for (PolicyProblem& problem : problems) Add(reason, path + "." + problem.field, std::move(problem.rule));
  }

  // OK when nothing was found; else INVALID_ARGUMENT that names every field.
  absl::Status ToStatus() && {
    if (found_.empty()) return absl::OkStatus();
    return rpc::InvalidFields(std::move(found_), reason_);
  }

 private:
  std::string_view reason_;
  std::vector<rpc::FieldViolation> found_;
};

}  // namespace fleetcast::job_api
