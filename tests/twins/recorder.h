// Collects a history from many threads.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "tests/twins/history.h"

namespace fleetcast::twin_history {

// Thread-safe.
class Recorder {
 public:
  void Add(Operation operation) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (operation.result == Result::kOk) ++done_;
    history_.operations.push_back(std::move(operation));
  }

  void AddRead(Snapshot snapshot) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    history_.reads.push_back(std::move(snapshot));
  }

  void AddInitial(Snapshot snapshot) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    history_.initial.push_back(std::move(snapshot));
  }

  void AddFeed(FeedChange change) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    history_.feed.push_back(std::move(change));
  }

  // Writes so far that were answered as done.
  size_t done() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return done_;
  }

  // The newest desired version that the feed has told of `device`.
  int64_t FeedVersion(const std::string& device) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    int64_t version = 0;
    for (const FeedChange& change : history_.feed) {
      if (change.device == device) version = std::max(version, change.version);
    }
    return version;
  }

  // The history so far.
  History Take() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return std::move(history_);
  }

 private:
  Mutex mutex_;
  History history_ GUARDED_BY(mutex_);
  size_t done_ GUARDED_BY(mutex_) = 0;
};

}  // namespace fleetcast::twin_history
