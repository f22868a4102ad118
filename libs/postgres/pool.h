// A bounded pool of database sessions, and transactions on them.
//
//   absl::StatusOr<int64_t> seq = pool.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<int64_t> {
//     FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kInsert, id, payload));
//     return rows[0].Get<int64_t>("seq");
//   });
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/postgres/pool_options.h"
#include "libs/postgres/transaction.h"
#include "libs/telemetry/metrics.h"

namespace fleetcast::postgres {

class Connection;

// How often one Transact or Run is tried when the database asks for it or a session breaks.
inline constexpr int kAttemptsMax = 5;

// Sessions are opened when first needed; broken ones are replaced. Thread-safe.
class Pool {
 public:
  // Does not connect yet: see CheckServer. `metrics` must outlive the pool.
  Pool(PoolOptions options, telemetry::Metrics& metrics);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `fn` in a READ COMMITTED transaction and commits it when `fn` returns OK; else rolls back. `fn` gives
  // absl::Status or StatusOr<T>, which is passed on. It runs again, after a jittered pause, on serialization failures,
  // deadlocks, a broken session and a commit in doubt (at most kAttemptsMax times, within `deadline`): so it must be
  // safe to repeat after its own success, and set what it captures afresh. Statements are limited by `deadline`.
  // Errors of its own: kResourceExhausted DATABASE_BUSY (no session free in time), kDeadlineExceeded.
  template <typename Fn>
  auto Transact(absl::Time deadline, Fn fn) -> decltype(fn(std::declval<Transaction&>())) {
    using R = decltype(fn(std::declval<Transaction&>()));
    if constexpr (std::is_same_v<R, absl::Status>) {
      return Attempt(deadline, Mode::kTransaction, fn);
    } else {
      std::optional<R> result;
      const absl::Status status = Attempt(deadline, Mode::kTransaction, [&](Transaction& transaction) {
        result.emplace(fn(transaction));
        return result->status();
      });
      if (!status.ok()) return status;
      return *std::move(result);
    }
  }

  // Runs one statement as a transaction of its own, in one round trip (two when the session's limit on statements does
  // not fit `deadline`). The limit may be up to an eighth shorter than the time left. Repeated like Transact.
  template <typename... Args>
  absl::StatusOr<Result> Run(absl::Time deadline, const Statement& statement, const Args&... args) {
    std::optional<Result> result;
    const absl::Status status =
        Attempt(deadline, Mode::kSingleStatement, [&](Transaction& transaction) -> absl::Status {
          absl::StatusOr<Result> answer = transaction.Run(statement, args...);
          if (answer.ok()) result.emplace(*std::move(answer));
          return answer.status();
        });
    if (!status.ok()) return status;
    return *std::move(result);
  }

  // As Run with a statement that was made at run time. Outside any transaction block, as CREATE INDEX CONCURRENTLY
  // wants it.
  absl::StatusOr<Result> RunSql(absl::Time deadline, std::string_view sql, const Params& params = {});

  const PoolOptions& options() const { return options_; }

 private:
  enum class Mode { kTransaction, kSingleStatement };
  enum class Retry { kNo, kYes };
  class Lease;

  absl::Status Attempt(absl::Time deadline, Mode mode, const std::function<absl::Status(Transaction&)>& fn);
  absl::Status RunOnce(absl::Time deadline, Mode mode, const std::function<absl::Status(Transaction&)>& fn,
                       Retry& retry);
  absl::StatusOr<std::unique_ptr<Connection>> Acquire(absl::Time deadline) EXCLUDES(mutex_);
  void Return(std::unique_ptr<Connection> connection) EXCLUDES(mutex_);

  const PoolOptions options_;
  telemetry::Counter retries_;
  telemetry::CounterFamily transactions_;
  telemetry::Histogram seconds_;

  mutable Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);
  int in_use_ GUARDED_BY(mutex_) = 0;  // Handed out, or being opened.
  int waiting_ GUARDED_BY(mutex_) = 0;
  std::vector<telemetry::GaugeReader> gauges_;  // Last: they read what stands above.
};

}  // namespace fleetcast::postgres
