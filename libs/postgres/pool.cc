#include "libs/postgres/pool.h"

#include <algorithm>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/seeded_bug.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/postgres/connection.h"
#include "libs/postgres/errors.h"
#include "libs/postgres/reasons.h"
#include "libs/telemetry/log.h"

namespace fleetcast::postgres {
namespace {

constexpr absl::Duration kRetryPauseFirst = absl::Milliseconds(5);
constexpr absl::Duration kRetryPauseMax = absl::Milliseconds(200);
// Longer transactions hold back vacuum for everybody; they are reported.
constexpr absl::Duration kTransactionSlow = absl::Seconds(1);

absl::Status Late() {
  return MakeError(absl::StatusCode::kDeadlineExceeded, kDatabaseTimeout, "no time left for the database");
}

// BEGIN, with another limit on statements when that of the session is not the one that the caller's time asks for.
std::string BeginSql(absl::Duration limit, absl::Duration session_limit) {
  if (IsSeeded(SeededBug::kAckBeforeCommit)) return "BEGIN; SET LOCAL synchronous_commit = off";
  if (limit == session_limit) return "BEGIN";
  return absl::StrCat("BEGIN; SET LOCAL statement_timeout = ", std::max<int64_t>(1, absl::ToInt64Milliseconds(limit)));
}

// Sees to it that a statement outside any transaction block ends within `left`. The session keeps its limit, so that
// calls with deadlines of a kind set it once, and each of them is one round trip.
void LimitStatements(absl::Duration left, absl::Duration most, Connection& connection, pqxx::nontransaction& work) {
  const absl::Duration limit = StatementLimit(left, most, connection.statement_limit());
  if (limit == connection.statement_limit()) return;
  work.exec(absl::StrCat("SET statement_timeout = ", absl::ToInt64Milliseconds(limit)));
  connection.set_statement_limit(limit);
}

}  // namespace

Pool::Pool(PoolOptions options, telemetry::Metrics& metrics)
    : options_(std::move(options)),
      retries_(metrics.NewCounter("fleetcast_postgres_retries_total", "Transactions run again")),
      transactions_(metrics.NewCounters("fleetcast_postgres_transactions_total", "Transactions by result", {"result"})),
      seconds_(metrics.NewHistogram("fleetcast_postgres_transaction_seconds",
                                    "Duration of a transaction, waiting for a session included",
                                    telemetry::WaitSeconds())) {
  gauges_.push_back(
      metrics.ReadGauge("fleetcast_postgres_sessions_in_use", "Database sessions handed out", [this]() -> double {
        MutexLock lock(mutex_);
        return in_use_;
      }));
  gauges_.push_back(
      metrics.ReadGauge("fleetcast_postgres_waiting", "Callers waiting for a database session", [this]() -> double {
        MutexLock lock(mutex_);
        return waiting_;
      }));
}

Pool::~Pool() = default;

absl::StatusOr<Result> Pool::RunSql(absl::Time deadline, std::string_view sql, const Params& params) {
  std::optional<Result> result;
  const absl::Status status = Attempt(deadline, Mode::kSingleStatement, [&](Transaction& transaction) -> absl::Status {
    absl::StatusOr<Result> answer = transaction.ExecuteSql(sql, params);
    if (answer.ok()) result.emplace(*std::move(answer));
    return answer.status();
  });
  if (!status.ok()) return status;
  return *std::move(result);
}

absl::Status Pool::Attempt(absl::Time deadline, Mode mode, const std::function<absl::Status(Transaction&)>& fn) {
  const absl::Duration start = SystemClock().Monotonic();
  absl::Status status;
  for (int attempt = 0;; ++attempt) {
    Retry retry = Retry::kNo;
    status = RunOnce(deadline, mode, fn, retry);
    const absl::Duration pause = Backoff(SystemRandom(), attempt, kRetryPauseFirst, kRetryPauseMax);
    if (retry == Retry::kNo || attempt + 1 == kAttemptsMax || absl::Now() + pause >= deadline) break;
    retries_.Add();
    SystemClock().Sleep(pause, {});
  }
  const absl::Duration took = SystemClock().Monotonic() - start;
  seconds_.Observe(absl::ToDoubleSeconds(took));
  transactions_.With({status.ok() ? "ok" : "error"}).Add();
  if (took > kTransactionSlow) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "slow database transaction", {{"seconds", took}});
  }
  return status;
}

absl::Status Pool::RunOnce(absl::Time deadline, Mode mode, const std::function<absl::Status(Transaction&)>& fn,
                           Retry& retry) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Acquire(deadline);
  if (!connection.ok()) {
    if (connection.status().code() == absl::StatusCode::kUnavailable) retry = Retry::kYes;
    return connection.status();
  }
  const absl::Duration left = deadline - absl::Now();
  if (left <= absl::ZeroDuration()) {
    Return(*std::move(connection));
    return Late();
  }
  const bool bracket = mode == Mode::kTransaction;  // A statement alone is a transaction by itself.
  absl::Status status;
  try {
    // A "nontransaction" that sends BEGIN itself: pqxx::work would cost one more round trip for SET LOCAL.
    pqxx::nontransaction work((*connection)->raw());
    if (bracket) {
      work.exec(BeginSql(std::min(left, options_.statement_timeout), (*connection)->statement_limit()));
    } else {
      LimitStatements(left, options_.statement_timeout, **connection, work);
    }
    Transaction transaction(**connection, work);
    status = fn(transaction);
    if (status.ok()) status = transaction.spoiled_;
    if (bracket) work.exec(status.ok() ? "COMMIT" : "ROLLBACK");
    if (status.code() == absl::StatusCode::kAborted && !transaction.spoiled_.ok()) retry = Retry::kYes;
    if (status.code() == absl::StatusCode::kUnavailable && !transaction.spoiled_.ok()) retry = Retry::kYes;
    work.commit();
  } catch (...) {
    // Broken before or during COMMIT. In the latter case it may have taken place: `fn` is safe to repeat.
    const absl::Status broken = CurrentExceptionToStatus();
    if (status.ok()) status = broken;
    retry = Retry::kYes;
    (*connection)->raw().disconnect();
  }
  Return(*std::move(connection));
  return status;
}

absl::StatusOr<std::unique_ptr<Connection>> Pool::Acquire(absl::Time deadline) {
  const absl::Duration limit = std::min(deadline - absl::Now(), options_.acquire_timeout);
  if (limit <= absl::ZeroDuration()) return Late();
  {
    std::unique_lock<Mutex> lock(mutex_);
    ++waiting_;
    const bool free =
        returned_.wait_for(lock, absl::ToChronoNanoseconds(limit), [this] { return in_use_ < options_.connections; });
    --waiting_;
    if (!free) {
      return MakeError(absl::StatusCode::kResourceExhausted, kDatabaseBusy, "no database session came free in time");
    }
    ++in_use_;
    if (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  absl::StatusOr<std::unique_ptr<Connection>> opened = Connection::Open(options_);
  if (!opened.ok()) {
    MutexLock lock(mutex_);
    --in_use_;
    returned_.notify_one();
  }
  return opened;
}

void Pool::Return(std::unique_ptr<Connection> connection) {
  const bool usable = connection->raw().is_open();
  std::vector<std::unique_ptr<Connection>> discarded;  // Closed after the lock is released.
  {
    MutexLock lock(mutex_);
    --in_use_;
    if (usable) {
      idle_.push_back(std::move(connection));
    } else {
      // The others of the pool most likely broke with it: open afresh instead of failing once for each.
      discarded.swap(idle_);
    }
  }
  returned_.notify_one();
}

}  // namespace fleetcast::postgres
