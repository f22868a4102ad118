// A simulated process: it starts, is killed, is stopped for a while and goes on as if nothing had been.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/event_queue.h"
#include "tests/sim/trace.h"

namespace fleetcast::sim {

// What all processes of a world share.
struct Universe {
  explicit Universe(uint64_t seed) : random(seed) {}

  void Note(const char* what, int64_t job = kNoJob, int device = kNoDevice, int64_t first = 0, int64_t second = 0) {
    trace.Note(queue.now(), what, job, device, first, second);
  }

  EventQueue queue;
  SeededRandom random;
  Trace trace;
};

// A slot in which one process after the other lives. What one life asked for does not happen in the next.
class Process {
 public:
  Process(Universe& universe, const char* kind, int index)
      : universe_(universe), kind_(kind), index_(index), clock_(universe.queue) {}
  virtual ~Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool is_alive() const { return alive_; }
  bool is_paused() const { return paused_; }
  uint64_t life() const { return life_; }
  const char* kind() const { return kind_; }
  int index() const { return index_; }
  ProcessClock& clock() { return clock_; }

  void Start() {
    if (alive_) return;
    alive_ = true;
    ++life_;
    universe_.Note(kind_, kNoJob, kNoDevice, index_, 1);
    OnStart();
  }
  void Kill() {
    if (!alive_) return;
    alive_ = false;
    ++life_;
    deferred_.clear();
    paused_ = false;
    universe_.Note(kind_, kNoJob, kNoDevice, index_, 0);
    OnKill();
  }
  // SIGSTOP: what should happen meanwhile happens when it goes on.
  void Pause() { paused_ = alive_; }
  void Resume() {
    if (!std::exchange(paused_, false)) return;
    for (const std::function<void()>& event : std::exchange(deferred_, {})) event();
  }

  // Runs `event` in this process, if it still lives the life `life`; when it is stopped, afterwards.
  void Run(uint64_t life, std::function<void()> event) {
    if (life != life_) return;
    if (paused_) {
      deferred_.push_back([this, life, event = std::move(event)] {
        if (life == life_) event();
      });
      return;
    }
    event();
  }
  void After(absl::Duration delay, std::function<void()> event) {
    universe_.queue.After(delay,
                          [this, life = life_, event = std::move(event)]() mutable { Run(life, std::move(event)); });
  }

 protected:
  virtual void OnStart() = 0;
  virtual void OnKill() = 0;

  Universe& universe_;

 private:
  const char* const kind_;
  const int index_;
  ProcessClock clock_;
  bool alive_ = false;
  bool paused_ = false;
  uint64_t life_ = 0;
  std::vector<std::function<void()>> deferred_;
};

// A thread of a process that takes one piece of work after the other, each of which takes its time.
class Worker {
 public:
  explicit Worker(Process& process) : process_(process) {}

  void Submit(absl::Duration duration, Universe& universe, std::function<void()> work) {
    free_at_ = std::max(free_at_, universe.queue.now()) + duration;
    process_.After(free_at_ - universe.queue.now(), std::move(work));
  }

 private:
  Process& process_;
  absl::Duration free_at_ = absl::ZeroDuration();
};

}  // namespace fleetcast::sim
