// A chunk of a method job, its actions, and shorthands for what happens to it.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "services/scheduler/chunk_fixture.h"
#include "services/scheduler/method_chunk.h"

namespace fleetcast::scheduler {

inline constexpr absl::Duration kLongAgo = -absl::Hours(1);

class MethodChunkTest : public ::testing::Test {
 protected:
  MethodChunkTest() { options_.dispatchers = 2; }

  MethodChunk Make(int targets) { return MethodChunk(LeasedMethodChunk(targets), options_, At({})); }

  // A chunk whose only target was issued by an owner that is gone.
  MethodChunk MakeInherited() {
    auto leased = LeasedMethodChunk(1);
    leased.pending = {};
    leased.in_flight = {0};
    leased.last_issue_time = At(-absl::Seconds(20)).wall;
    return MethodChunk(std::move(leased), options_, At({}));
  }

  // Issues everything that is ready to `dispatcher`, which started at `boot`.
  job_store::PositionSet Issue(MethodChunk& chunk, absl::Duration when, int dispatcher = 0,
                               absl::Duration boot = kLongAgo) {
    const Intent intent = chunk.BeginIssue(1000);
    return chunk.Issued(intent, dispatcher, At(boot).wall, At(when), actions_);
  }

  void Event(MethodChunk& chunk, int position, CallEvent event, absl::Duration when, int dispatcher = 0) {
    chunk.OnEvent(position, dispatcher, event, At(when), actions_);
  }

  // Takes intents back, as the store does at once.
  static void Clear(MethodChunk& chunk) { chunk.EndClear(chunk.BeginClear(), true); }

  MethodChunkOptions options_;
  ChunkActions actions_;
};

}  // namespace fleetcast::scheduler
