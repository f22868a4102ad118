// Leased chunks and events for tests of chunk runs.
#pragma once

#include <memory>
#include <string>

#include "libs/job_store/job.h"
#include "services/scheduler/call_event.h"
#include "services/scheduler/moment.h"

namespace fleetcast::scheduler {

// Steady time starts at 1 h, wall time at 2026.
inline Moment At(absl::Duration since_start) {
  return {absl::FromCivil(absl::CivilSecond(2026, 1, 1), absl::UTCTimeZone()) + since_start,
          absl::Hours(1) + since_start};
}

inline job_store::LeasedChunk LeasedMethodChunk(int targets) {
  auto job = std::make_shared<job_store::Job>();
  job->seq = 7;
  job->spec.id = "job";
  job->spec.action = job_store::MethodAction{
      .method = "lockDoor", .payload = "{}", .response_timeout = absl::Seconds(30), .connect_timeout = {}};
  job->started_time = At(-absl::Seconds(100)).wall;
  job_store::LeasedChunk chunk;
  chunk.lease = {.key = {.job_seq = 7, .chunk_no = 2}, .epoch = 5};
  chunk.job = job;
  for (int i = 0; i < targets; ++i) chunk.device_ids.push_back("device-" + std::to_string(1000 + i));
  chunk.pending = job_store::PositionSet::FirstN(targets);
  return chunk;
}

inline job_store::LeasedChunk LeasedTwinChunk(int targets) {
  job_store::LeasedChunk chunk = LeasedMethodChunk(targets);
  auto job = std::make_shared<job_store::Job>(*chunk.job);
  job->spec.action = job_store::TwinAction{.tags_patch = R"({"a":1})", .desired_patch = "", .etag = "*"};
  chunk.job = job;
  return chunk;
}

inline CallEvent Sent() { return {}; }

inline CallEvent NotSent(NotSentReason reason) {
  CallEvent event;
  event.kind = CallEvent::Kind::kNotSent;
  event.not_sent = reason;
  return event;
}

inline CallEvent Answered(int32_t status, std::string payload = "{}") {
  CallEvent event;
  event.kind = CallEvent::Kind::kAnswer;
  event.device_status = status;
  event.payload = std::move(payload);
  return event;
}

inline CallEvent Unknown(UnknownReason reason) {
  CallEvent event;
  event.kind = CallEvent::Kind::kUnknown;
  event.unknown = reason;
  return event;
}

}  // namespace fleetcast::scheduler
